"""Synthetic cells beside the data they are made from. Run: simulation_moments.py [pbmc3k|FILE.h5ad]

Seconds, greatest memory, and the distance of mean, variance and zeros of each gene (medians over
genes with a mean above 0.1) between the data and one synthetic cell for each cell.
"""

import resource
import sys
import time
from pathlib import Path

import anndata
import jax
import numpy as np
from flax import nnx

from diffbio_engine.operators.singlecell import DifferentiableSimulator, SimulationConfig

DATA = Path(__file__).parents[3] / "shared/data"


def main(name: str) -> None:
    path = DATA / "pbmc3k_hvg2000_counts.h5ad" if name == "pbmc3k" else Path(name)
    cells = anndata.read_h5ad(path)
    counts = np.asarray(cells.X.todense() if hasattr(cells.X, "todense") else cells.X, np.float32)
    given, n_groups = {"counts": counts}, 1
    if "cell_type" in cells.obs:
        labels = cells.obs["cell_type"].astype("category").cat
        given["labels"], n_groups = labels.codes.to_numpy(np.int32), len(labels.categories)
    config = SimulationConfig(n_genes=counts.shape[1], n_groups=n_groups, dropout=False)
    block = DifferentiableSimulator(config)
    began, cpu = time.time(), time.process_time()
    block.prepare_from(given, jax.random.key(0))
    prepared, cpu_prepared = time.time(), time.process_time()
    run = nnx.jit(lambda block, arrays: block(**arrays)["simulated_counts"])
    length = min(1024, len(counts))
    made = np.empty_like(counts)
    for start in range(0, len(counts), length):
        rows = np.minimum(np.arange(start, start + length), len(counts) - 1)
        kept = rows[: len(counts) - start]
        made[kept] = np.asarray(run(block, {n: x[rows] for n, x in given.items()}))[: len(kept)]
    print(f"{path.name}: {counts.shape}, {n_groups} groups")
    print(f"estimate {prepared - began:.1f} s (CPU {cpu_prepared - cpu:.1f})", end=", ")
    print(f"cells {time.time() - prepared:.1f} s (CPU {time.process_time() - cpu_prepared:.1f})")
    print(f"memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GB")
    seen = counts.mean(0) > 0.1
    for moment in (np.mean, np.var):
        away = np.log(moment(made, axis=0)[seen] / moment(counts, axis=0)[seen])
        print(
            f"log {moment.__name__}: median {np.median(away):+.3f}, |.| {np.median(abs(away)):.3f}"
        )
    zeros = ((made == 0).mean(0) - (counts == 0).mean(0))[seen]
    print(f"zeros: median {np.median(zeros):+.4f}, |.| {np.median(abs(zeros)):.4f}")
    print("parameters", np.round(np.asarray(block.parameters[...]), 3))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "pbmc3k")
