"""The ambient level where it is known: simulated cells of seeds that were never used for tuning.

    python tests/benchmarks/ambient_levels.py [--seeds 10 11 12 13 14] [--epochs 3] [--cells 3000]
        [--genes 2000]
    python tests/benchmarks/ambient_levels.py --file X.h5ad [--seeds 0 1]     (real cells)

`../shared/data/gen_scale.py`, 2000 genes, 12 kinds, 6 % doublets, 30 % of the cells between two
kinds, overdispersion and dropout; no gene is ever off, which is the hardest case for the level.
The level of the simulated ambient RNA is 0.02, 0.05, 0.10 or 0.15, in one batch (the block is given
its true profile) or four (each with a soup of its own; the block is given the mean of them).
With more than 2000 genes the block sees the 2000 most variable ones, as in the ready pipelines (and
the profile of these); the level that it is to find stays that of all molecules.
Through the engine's own `fit`. Goal: the mean fraction found is within 0.02 of the true one.

Real cells have ambient RNA of their own, and nobody knows how much. To each is added what makes 0,
5 or 15 % of its counts, drawn from the mean profile of all cells, a gamma share of shape --shape;
told are the level that is found, and by how much it rises. The level of the cells alone being the
first, it should rise to `1 - (1 - first)(1 - added)`. The start only, on the 2000 variable genes.
"""

import argparse
import importlib.util
from pathlib import Path

import anndata
import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp

from diffbio_engine.data import CellSource
from diffbio_engine.operators.singlecell.ambient_removal import DifferentiableAmbientRemoval
from diffbio_engine.operators.singlecell.ambient_removal._ambient_starts import (
    ambient_parts,
    ambient_start,
)
from diffbio_engine.pipelines import Block, Pipeline, PipelineSpec, Wire, plan, ports_of
from diffbio_engine.runs.worker.open_run import with_variable_genes
from diffbio_engine.training import Stage, Training

GENERATOR = Path(__file__).resolve().parents[3] / "shared/data/gen_scale.py"
LEVELS = (0.02, 0.05, 0.10, 0.15)
SPEC = PipelineSpec(
    name="Ambient",
    blocks=(Block("ambient", "singlecell.ambient_removal"),),
    wires=(
        Wire("data.counts", "ambient.counts"),
        Wire("data.ambient_profile", "ambient.ambient_profile"),
    ),
)


def fractions(pipeline: Pipeline, counts: np.ndarray, soup: np.ndarray) -> np.ndarray:
    """The ambient share of each cell, by the trained weights."""
    block = pipeline.blocks["ambient"]
    assert isinstance(block, DifferentiableAmbientRemoval)
    parts = np.array_split(counts, max(1, len(counts) // 500))
    found = [block(jnp.asarray(x), jnp.asarray(soup))["contamination_fraction"] for x in parts]
    return np.concatenate([np.asarray(f) for f in found])


def measure(
    level: float, batches: int, seed: int, cells: int, epochs: int, genes: int
) -> dict[str, float]:
    """True and found mean fraction, before and after training, and how far single cells agree."""
    spec = importlib.util.spec_from_file_location("gen_scale", GENERATOR)
    assert spec is not None and spec.loader is not None
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    sparse, truth, model, _ = generator.generate(cells, G=genes, B=batches, seed=seed, amb=level)
    source = CellSource(sparse, per_dataset={"ambient_profile": model["soup"].mean(0)})
    source = with_variable_genes(source, 2000)
    counts = source.chunk(0, cells)
    soup = source.per_dataset["ambient_profile"].astype(np.float32)
    known = {"true": float(truth["rho"].mean())}
    if not epochs:
        # The prepared block's mean fraction is this one, by construction (its `usual`).
        start, _ = ambient_parts(counts, soup / soup.sum(), prior=0.01, seed=seed)
        r = np.corrcoef(start, truth["rho"])[0, 1]
        return known | {"start": float(start.mean()), "found": float(start.mean()), "r": float(r)}
    source = CellSource(counts, per_dataset={"ambient_profile": soup})
    pipeline = Pipeline(plan(SPEC, ports_of(source, {})), seed=seed)
    training = Training(pipeline, source, (Stage(epochs=epochs),), seed=seed)
    training.prepare()
    start = fractions(pipeline, counts, soup)
    for _ in training:
        pass
    found = fractions(training.sync(), counts, soup)
    r = np.corrcoef(found, truth["rho"])[0, 1]
    return known | {"start": float(start.mean()), "found": float(found.mean()), "r": float(r)}


def of_real_cells(file: Path, seeds: list[int], shape: float) -> None:
    """Levels found in the cells of a file with ambient RNA added."""
    own = anndata.read_h5ad(file).X
    own = sp.csr_matrix(own, dtype=np.float32)
    soup = np.asarray(own.mean(axis=0), float).ravel()
    soup /= soup.sum()
    for seed in seeds:
        rng, first = np.random.default_rng(seed), 0.0
        for added in (0.0, 0.05, 0.15):
            share = np.clip(added * rng.gamma(shape, 1 / shape, own.shape[0]), 0, 0.8)
            totals = np.asarray(own.sum(axis=1)).ravel()
            drawn = rng.poisson((totals * share / (1 - share))[:, None] * soup)
            x = sp.csr_matrix(own + sp.csr_matrix(drawn.astype(np.float32)))
            source = with_variable_genes(CellSource(x, per_dataset={"ambient_profile": soup}), 2000)
            profile = source.per_dataset["ambient_profile"]
            cells = source.chunk(0, len(share))
            start, _, sign = ambient_start(cells, profile, prior=0.01, seed=seed)
            # Of the variable genes the cells' own part is smaller or larger than of all.
            found, true = float(start.mean()), float(share.mean())
            first = found if not added else first
            expected = 1 - (1 - first) * (1 - true)
            print(
                f"{file.stem}, seed {seed}: {true:.3f} added, found {found:.3f}"
                f" (expected {expected:.3f}: off by {found - expected:+.3f}; sign {sign})",
                flush=True,
            )


def main() -> None:
    wanted = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    wanted.add_argument("--seeds", type=int, nargs="+", default=[10, 11, 12, 13, 14])
    wanted.add_argument("--levels", type=float, nargs="+", default=list(LEVELS))
    wanted.add_argument("--batches", type=int, nargs="+", default=[1, 4])
    wanted.add_argument("--cells", type=int, default=3000)
    wanted.add_argument("--genes", type=int, default=2000)
    wanted.add_argument("--epochs", type=int, default=3, help="0: the start only")
    wanted.add_argument("--file", type=Path, help="real cells, to which ambient RNA is added")
    wanted.add_argument("--shape", type=float, default=10.0, help="2: as the simulated cells")
    asked = wanted.parse_args()
    if asked.file:
        of_real_cells(asked.file, asked.seeds, asked.shape)
        return
    for batches in asked.batches:
        for level in asked.levels:
            runs = []
            for seed in asked.seeds:
                runs.append(measure(level, batches, seed, asked.cells, asked.epochs, asked.genes))
                jax.clear_caches()
            off, before = (
                np.array([run[when] - run["true"] for run in runs]) for when in ("found", "start")
            )
            print(
                f"{batches} batches, level {level:.2f}: off by {off.mean():+.3f}"
                f" ({', '.join(f'{o:+.3f}' for o in off)}); at the start {before.mean():+.3f};"
                f" within 0.02: {np.sum(np.abs(off) < 0.02)} of {len(off)};"
                f" r of single cells {np.median([run['r'] for run in runs]):.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
