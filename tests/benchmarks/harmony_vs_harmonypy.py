"""Harmony beside harmonypy. Run: python tests/benchmarks/harmony_vs_harmonypy.py

Cell lines (2370 x 20): iLISI, cLISI, time. PBMC of three donors (3500 x 30): distance to what the
authors' R package gives, and to harmonypy from its own start.
"""

import time
from pathlib import Path

import anndata
import harmonypy
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from diffbio_engine.operators.singlecell import BatchCorrectionConfig, DifferentiableHarmony
from diffbio_engine.parts.neighbourhood_metrics import local_inverse_simpson

DATA = Path(__file__).parents[3] / "shared/data"


def ours(cells, labels, start=None, **settings):
    config = BatchCorrectionConfig(n_features=cells.shape[1], n_batches=3, **settings)
    block = DifferentiableHarmony(config)
    if start is not None:
        block.cluster_centroids[...] = jnp.asarray(start)
    data = {"embeddings": cells.astype(np.float32), "batch_labels": labels}
    for attempt in ("first, compiling", "second"):
        began = time.perf_counter()
        block.prepare_from(data, jax.random.key(0))
        found = np.asarray(block(**data)["corrected_embeddings"])
        print(f"  ours, {attempt}: {time.perf_counter() - began:.2f} s")
    return found


def theirs(cells, labels, **settings):
    began = time.perf_counter()
    found = harmonypy.run_harmony(
        cells, pd.DataFrame({"batch": labels}), "batch", verbose=False, **settings
    )
    print(f"  harmonypy: {time.perf_counter() - began:.2f} s")
    return found


def difference(found, expected):
    r = [np.corrcoef(a, b)[0, 1] for a, b in zip(found.T, expected.T, strict=True)]
    relative = np.linalg.norm(found - expected) / np.linalg.norm(expected)
    return f"mean r {np.mean(r):.4f}, min r {np.min(r):.4f}, rel. Frobenius {relative:.4f}"


def cell_lines():
    data = anndata.read_h5ad(DATA / "harmony_cell_lines_pcs.h5ad")
    cells = np.asarray(data.obsm["X_pca"])
    labels = np.unique(data.obs["dataset"], return_inverse=True)[1]
    kinds = data.obs["cell_type"].to_numpy()
    print("cell lines")
    peer = theirs(cells, labels)
    for name, found in (
        ("before", cells),
        ("harmonypy", peer.Z_corr),
        ("ours", ours(cells, labels, n_clusters=peer.K)),
    ):
        mixed, pure = (local_inverse_simpson(found, of).mean() for of in (labels, kinds))
        print(f"  {name}: iLISI {mixed:.3f}, cLISI {pure:.4f}")


def donors():
    folder = DATA / "harmonypy_golden"
    cells = pd.read_csv(folder / "pbmc_3500_pcs.tsv.gz", sep="\t").to_numpy()
    names = pd.read_csv(folder / "pbmc_3500_meta.tsv.gz", sep="\t")["donor"]
    labels = np.unique(names, return_inverse=True)[1]
    golden = pd.read_csv(folder / "pbmc_3500_pcs_harmonized.tsv.gz", sep="\t").to_numpy()
    print("three donors")
    peer, found = theirs(cells, labels).Z_corr, ours(cells, labels)
    for name, array in (("harmonypy", peer), ("ours", found)):
        print(f"  {name} and R: {difference(array, golden)}")
    for name, array in (("R", golden), ("harmonypy", peer), ("ours", found)):
        print(f"  {name}: iLISI {local_inverse_simpson(array, labels).mean():.3f}")
    start = theirs(cells, labels, max_iter_harmony=0).Y.T
    whole = theirs(cells, labels, lamb=1, epsilon_cluster=-1e9, epsilon_harmony=-1e9).Z_corr
    same = ours(cells, labels, start, variant="harmony2")
    print(f"  ours and harmonypy from the same start: {difference(same, whole)}")


if __name__ == "__main__":
    cell_lines()
    donors()
