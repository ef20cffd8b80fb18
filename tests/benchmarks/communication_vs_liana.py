"""Ligand-receptor scores and cell communication: agreement with liana, time and memory.

    python tests/benchmarks/communication_vs_liana.py scores [20000] [--liana-python PYTHON]
    python tests/benchmarks/communication_vs_liana.py communication [20000]

Pairs of random genes of simulated cells: only time and memory are of interest there.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import anndata
import numpy as np

SHARED = Path(__file__).parents[3] / "shared/data"
LIANA = """
import sys, time, anndata, numpy as np, pandas as pd, scanpy as sc, liana
data = anndata.read_h5ad(sys.argv[1]); pairs = pd.read_csv(sys.argv[2])
sc.pp.normalize_total(data, target_sum=1e4); sc.pp.log1p(data)
start = time.process_time()
liana.mt.cellphonedb(data, groupby="type", resource=pairs, expr_prop=0.0, min_cells=0,
    use_raw=False, n_perms=1000, seed=0, return_all_lrs=True, verbose=False)
print("liana CPU seconds", round(time.process_time() - start, 1))
"""


def simulated(n_cells: int, n_pairs: int = 200) -> dict[str, np.ndarray]:
    """Cells of `gen_scale.py` in random places, with pairs of random genes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path("/tmp/gen20k.h5ad")
        if n_cells != 20_000 or not path.exists():
            path = Path(folder) / "cells.h5ad"
            script = [sys.executable, str(SHARED / "gen_scale.py"), str(n_cells), str(path)]
            subprocess.run([*script, "--seed", "0"], check=True)
        data = anndata.read_h5ad(path)
    rng = np.random.default_rng(0)
    counts = data.X.toarray() if hasattr(data.X, "toarray") else np.asarray(data.X)
    return {
        "counts": counts.astype(np.float32),
        "lr_pairs": rng.permutation(counts.shape[1])[: 2 * n_pairs].reshape(-1, 2).astype(np.int32),
        "labels": data.obs["cell_type"].astype("category").cat.codes.to_numpy().astype(np.int32),
        "spatial_coords": rng.uniform(0, 1e4, (len(counts), 2)).astype(np.float32),
    }


def ours(which: str, data: dict[str, np.ndarray]) -> None:
    """Preparing, and all cells placed in chunks of 1024."""
    import jax
    import jax.numpy as jnp
    from flax import nnx

    from diffbio_engine.operators import singlecell

    names = {
        "scores": ("DifferentiableLigandReceptor", "LRScoringConfig"),
        "communication": ("DifferentiableCellCommunication", "CellCommunicationConfig"),
    }
    block_of, config_of = (getattr(singlecell, name) for name in names[which])
    sizes = {
        "n_genes": data["counts"].shape[1],
        "n_lr_pairs": len(data["lr_pairs"]),
        "n_classes": int(data["labels"].max()) + 1,
    }
    block = block_of(config_of(**sizes))
    start, wall = time.process_time(), time.time()
    block.prepare_from(data, jax.random.key(0))
    print(f"prepare: {time.process_time() - start:.1f} CPU s, {time.time() - wall:.1f} s")
    said = nnx.jit(lambda block, arrays: block(**arrays))
    start, wall = time.process_time(), time.time()
    for i in range(0, len(data["counts"]), 1024):
        part = {n: jnp.asarray(v if n == "lr_pairs" else v[i : i + 1024]) for n, v in data.items()}
        out = said(block, part)
        jax.block_until_ready(out)
    print(f"all cells: {time.process_time() - start:.1f} CPU s, {time.time() - wall:.1f} s")
    print(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")


def theirs(python: str, data: dict[str, np.ndarray]) -> None:
    """CellPhoneDB of liana on the same cells and pairs."""
    with tempfile.TemporaryDirectory() as folder:
        cells = anndata.AnnData(data["counts"])
        cells.obs["type"] = [f"t{c}" for c in data["labels"]]
        cells.obs["type"] = cells.obs["type"].astype("category")
        cells.write_h5ad(f"{folder}/cells.h5ad")
        lines = [f"{a},{b}" for a, b in cells.var_names.to_numpy()[data["lr_pairs"]]]
        Path(folder, "pairs.csv").write_text("\n".join(["ligand,receptor", *lines]))
        script = [python, "-c", LIANA, f"{folder}/cells.h5ad", f"{folder}/pairs.csv"]
        subprocess.run(script, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("which", choices=("scores", "communication"))
    parser.add_argument("cells", nargs="?", type=int, default=20_000)
    parser.add_argument("--liana-python")
    arguments = parser.parse_args()
    data = simulated(arguments.cells)
    ours(arguments.which, data)
    if arguments.liana_python:
        theirs(arguments.liana_python, data)


if __name__ == "__main__":
    main()
