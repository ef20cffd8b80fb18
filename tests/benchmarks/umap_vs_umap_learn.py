"""UMAP beside umap-learn, each run in a process of its own, alternating.

Run: python tests/benchmarks/umap_vs_umap_learn.py [FILE.h5ad] [--rounds 3]
Prints quality and CPU seconds (compiling included) of both on 50 principal components.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

DATA = Path(__file__).parents[2] / "../shared/data/pbmc3k_hvg2000_counts.h5ad"


def components(path: Path):
    import anndata
    import numpy as np
    import scanpy

    cells = anndata.read_h5ad(path)
    scanpy.pp.normalize_total(cells, target_sum=1e4)
    scanpy.pp.log1p(cells)
    if cells.n_vars > 3000:
        scanpy.pp.highly_variable_genes(cells, n_top_genes=2000, subset=True)
    scanpy.pp.pca(cells, n_comps=50)
    return cells.obsm["X_pca"].astype(np.float32)


def ours(seed: int, n_features: int):
    from flax import nnx

    from diffbio_engine.operators.normalization.umap import DifferentiableUMAP, UMAPConfig

    umap = DifferentiableUMAP(UMAPConfig(input_features=n_features), rngs=nnx.Rngs(seed))
    return lambda x: umap.fit(x, seed=seed), umap.transform


def peer(seed: int, n_features: int):
    from umap import UMAP

    umap = UMAP(random_state=seed)
    return umap.fit, umap.transform


def measure(who: str, path: Path, seed: int) -> dict[str, float]:
    import numpy as np
    from sklearn.manifold import trustworthiness
    from sklearn.neighbors import NearestNeighbors

    x = components(path)
    order = np.random.default_rng(seed).permutation(len(x))
    new, old = x[order[: len(x) // 5]], x[order[len(x) // 5 :]]
    fit, place = (ours if who == "ours" else peer)(seed, x.shape[1])
    began = time.process_time()
    fit(old)
    fitted = time.process_time()
    there = np.asarray(place(new))
    placed = time.process_time()
    here = np.asarray(place(old))
    near = [NearestNeighbors(n_neighbors=15).fit(z).kneighbors()[1] for z in (old, here)]
    kept = np.mean([len(set(p) & set(q)) / 15 for p, q in zip(*near, strict=True)])
    return {
        "fit CPU s": fitted - began,
        "place CPU s": placed - fitted,
        "trust15": trustworthiness(old, here, n_neighbors=15),
        "kNN-pres": float(kept),
        "trust15 of new cells": trustworthiness(new, there, n_neighbors=15),
    }


def main() -> None:
    wanted = argparse.ArgumentParser(description=__doc__)
    wanted.add_argument("file", nargs="?", type=Path, default=DATA)
    wanted.add_argument("--rounds", type=int, default=3)
    wanted.add_argument(
        "--who", choices=("ours", "peer"), help="one run; used by the script itself"
    )
    wanted.add_argument("--seed", type=int, default=0)
    asked = wanted.parse_args()
    if asked.who:
        print(json.dumps(measure(asked.who, asked.file, asked.seed)))
        return
    found: dict[str, list[dict[str, float]]] = {"ours": [], "peer": []}
    for seed in range(asked.rounds):
        for who, runs in found.items():
            command = [sys.executable, __file__, str(asked.file), "--who", who, "--seed", str(seed)]
            done = subprocess.run(
                command, check=True, capture_output=True, text=True, env=dict(os.environ)
            )
            runs.append(json.loads(done.stdout.splitlines()[-1]))
    print(f"{'':24}{'ours':>10}{'umap-learn':>12}{'ratio':>8}   (medians of {asked.rounds})")
    for name in found["ours"][0]:
        a, b = (sorted(run[name] for run in found[who])[asked.rounds // 2] for who in found)
        print(f"{name:24}{a:10.3f}{b:12.3f}{a / b:8.3f}")


if __name__ == "__main__":
    main()
