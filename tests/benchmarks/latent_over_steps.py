"""What the latent space of the count autoencoder holds while it is trained.

    python tests/benchmarks/latent_over_steps.py FILE.h5ad [--labels cell_type] [--steps 500]
        [--faster 4] [--seed 0] [--cells 1000] [--seen]

Ten dimensions, two hidden layers of 128, NB, batches of 256; the 2000 most variable genes; a tenth
of the cells held out. At some steps: accuracy of labels by the vote of the 15 nearest other cells
in the latent means of all cells, and the evidence lower bound of the held-out cells (four draws).
``--faster``: how many times as far a step moves the mean of the encoder. ``--cells``: only so many,
drawn by the seed. ``--seen``: the held-out cells take part in the start, as in a run.
"""

import argparse
from pathlib import Path

import anndata as ad
import jax
import numpy as np
from all_genes import knn_accuracy
from flax import nnx

from diffbio_engine.data import CellSource
from diffbio_engine.operators.normalization import vae_normalizer
from diffbio_engine.pipelines import (
    Block,
    Pipeline,
    PipelineSpec,
    Wire,
    plan,
    ports_of,
    prepare,
)
from diffbio_engine.runs.worker.open_run import with_variable_genes
from diffbio_engine.training import Stage, Training

MARKS = (0, 50, 100, 120, 150, 200, 240, 500, 1000, 2000, 3000)


def main() -> None:
    wanted = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    wanted.add_argument("file", type=Path)
    wanted.add_argument("--labels", default="cell_type")
    wanted.add_argument("--steps", type=int, default=500)
    wanted.add_argument("--faster", type=float, default=vae_normalizer.FASTER)
    wanted.add_argument("--seed", type=int, default=0)
    wanted.add_argument("--cells", type=int, default=0)
    wanted.add_argument("--seen", action="store_true")
    asked = wanted.parse_args()
    vae_normalizer.FASTER = asked.faster
    cells = ad.read_h5ad(asked.file)
    if asked.cells:
        drawn = np.random.default_rng(asked.seed).permutation(cells.n_obs)[: asked.cells]
        cells = cells[np.sort(drawn)].copy()
    labels = np.unique(cells.obs[asked.labels].astype(str), return_inverse=True)[1]
    chosen = with_variable_genes(CellSource(cells.X), 2000)
    x = chosen.rows("counts", np.arange(chosen.n_cells))
    order = np.random.default_rng(asked.seed).permutation(len(x))
    held, seen = np.sort(order[: len(x) // 10]), np.sort(order[len(x) // 10 :])
    settings = {"latent_dim": 10, "hidden_dims": (128, 128)}
    spec = PipelineSpec(
        name="Count autoencoder",
        blocks=(Block("normalize", "normalization.vae_normalizer", settings),),
        wires=(Wire("data.counts", "normalize.counts"),),
    )
    source = CellSource(x[seen])
    pipeline = Pipeline(plan(spec, ports_of(source, {})), seed=asked.seed)
    training = Training(
        pipeline, source, (Stage(steps=asked.steps),), batch_size=256, seed=asked.seed
    )
    if asked.seen:
        prepare(pipeline, CellSource(x), seed=asked.seed)
        training.prepared = True
        training._take_pipeline()
    training.prepare()
    encode = nnx.jit(lambda block, counts: block.encode(counts)[0])
    bound = nnx.jit(lambda block, counts, key: -block.compute_elbo_loss(counts, key=key))
    for mark in [m for m in MARKS if m <= asked.steps]:
        while training.step < mark:
            training.one_step()
        block = training.sync().blocks["normalize"]
        parts = np.array_split(x, -(-len(x) // 512))
        latent = np.concatenate([np.asarray(encode(block, part)) for part in parts])
        elbo = np.mean([float(bound(block, x[held], jax.random.key(i))) for i in range(4)])
        told = knn_accuracy(latent, labels)
        print(f"{mark:5d} steps: kNN-acc {told:.4f}, held-out ELBO {elbo:.1f}", flush=True)


if __name__ == "__main__":
    main()
