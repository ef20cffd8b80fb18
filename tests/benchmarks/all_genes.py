"""Files with all their genes: the ready pipeline beside scanpy's standard way.

    python tests/benchmarks/all_genes.py FILE.h5ad [--labels cell_type] [--batch batch] [--steps 0]
        [--seed 0] [--set data.variable_genes=0] [--counts X] [--keep RUN_DIR]

Ours: `python -m diffbio_engine run --preset single_cell`, default settings. scanpy's: totals
normalised to 1e4, log1p, 2000 variable genes (`flavor="seurat"`; within batches where --batch is
given), scaled with values cut at 10, 50 components, 15 neighbours, UMAP; with --batch harmonypy on
the components, as ours corrects too. Without --batch neither is told of batches.

kNN-acc   labels by the vote of the 15 nearest other cells, of cells that have a label; where the
          file has no labels, Leiden clusters of scanpy's neighbours stand for them (which favours
          scanpy: its own are then perfect by construction).
trust     `sklearn.manifold.trustworthiness`, 15 neighbours, of the map against the space that it
          was drawn from, and against scanpy's 50 components.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import anndata as ad
import numpy as np
import scanpy as sc
from sklearn.manifold import trustworthiness
from sklearn.neighbors import NearestNeighbors


def knn_accuracy(space: np.ndarray, labels: np.ndarray, k: int = 15) -> float:
    """Share of the cells whose label is the commonest among its neighbours."""
    near = NearestNeighbors(n_neighbors=k + 1).fit(space).kneighbors(return_distance=False)[:, :k]
    votes = np.apply_along_axis(np.bincount, 1, labels[near], minlength=labels.max() + 1)
    return float(np.mean(votes.argmax(axis=1) == labels))


def standard(cells: ad.AnnData, batch: str | None) -> ad.AnnData:
    """scanpy's own steps."""
    sc.pp.normalize_total(cells, target_sum=1e4)
    sc.pp.log1p(cells)
    n_top = min(2000, cells.n_vars)
    if batch:
        cells.obs[batch] = cells.obs[batch].astype(str).astype("category")
    sc.pp.highly_variable_genes(cells, n_top_genes=n_top, batch_key=batch)
    cells = cells[:, cells.var["highly_variable"]].copy()
    sc.pp.scale(cells, max_value=10)
    sc.pp.pca(cells, n_comps=min(50, n_top - 1))
    if batch:
        import harmonypy

        found = harmonypy.run_harmony(cells.obsm["X_pca"], cells.obs, batch, verbose=False)
        corrected = np.asarray(found.Z_corr)
        shape = cells.obsm["X_pca"].shape
        cells.obsm["X_pca"] = corrected if corrected.shape == shape else corrected.T
    sc.pp.neighbors(cells, n_neighbors=15, use_rep="X_pca")
    sc.tl.umap(cells)
    return cells


def main() -> None:
    wanted = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    wanted.add_argument("file", type=Path)
    wanted.add_argument("--labels", default="cell_type")
    wanted.add_argument("--batch", default="")
    wanted.add_argument("--steps", type=int, default=0)
    wanted.add_argument("--seed", type=int, default=0)
    wanted.add_argument("--set", action="append", default=[], dest="settings")
    wanted.add_argument("--keep", type=Path, help="where the run is left")
    asked = wanted.parse_args()
    began = time.perf_counter()
    peer = standard(ad.read_h5ad(asked.file), asked.batch or None)
    peer_seconds = time.perf_counter() - began
    if asked.labels in peer.obs:
        labels = np.unique(peer.obs[asked.labels].astype(str), return_inverse=True)[1]
    else:
        sc.tl.leiden(peer, flavor="igraph", n_iterations=2, directed=False)
        labels = peer.obs["leiden"].cat.codes.to_numpy().astype(int)
    fifty = peer.obsm["X_pca"]

    def tell(name: str, space: np.ndarray, drawn: np.ndarray, seconds: float) -> None:
        print(
            f"{name:22s} kNN-acc space {knn_accuracy(space, labels):.3f}"
            f" map {knn_accuracy(drawn, labels):.3f}"
            f"  trust of the map: own space {trustworthiness(space, drawn, n_neighbors=15):.3f},"
            f" 50 PCs {trustworthiness(fifty, drawn, n_neighbors=15):.3f}  {seconds:.0f} s",
            flush=True,
        )

    tell("scanpy", fifty, peer.obsm["X_umap"], peer_seconds)
    with tempfile.TemporaryDirectory() as folder:
        out = asked.keep or Path(folder) / "run"
        command = ["run", "--preset", "single_cell", "--data", str(asked.file), "--out", str(out)]
        command += ["--steps", str(asked.steps), "--seed", str(asked.seed), "--quiet"]
        command += ["--field", f"batch_labels={'obs/' + asked.batch if asked.batch else ''}"]
        for setting in asked.settings:
            command += ["--set", setting]
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "diffbio_engine", *command],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        seconds = time.perf_counter() - began
        result = ad.read_h5ad(out / "result.h5ad")
    place = "X_corrected_diffbio" if asked.batch else "X_latent"
    tell("ours", result.obsm[place], result.obsm["X_umap_diffbio"], seconds)


if __name__ == "__main__":
    main()
