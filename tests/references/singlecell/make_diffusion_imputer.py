"""Makes diffusion_imputer.npz. Run: python tests/references/singlecell/make_diffusion_imputer.py

magic-impute 3.0.0 (graphtools 2) on root counts of PBMC 3k (shared/data), every cell scaled to the
median library: 240 cells by the 80 genes with most counts, without components, and by the 300,
with 20. Its walk is stored for the first, its values after three steps for both. It finds the
components by random projection, which misses the last by a little; "exact" is its walk (graphtools
2.1.0, same settings) on exact components, three times over the second.
"""

from pathlib import Path

import anndata
import graphtools
import magic
import numpy as np
from sklearn.decomposition import PCA

data = anndata.read_h5ad(Path(__file__).parents[4] / "shared/data/pbmc3k_hvg2000_counts.h5ad")
counts = data.X.toarray()
stored = {}
for name, n_genes, n_pca in (("plain", 80, 100), ("reduced", 300, 20)):
    loud = np.sort(np.argsort(-counts.sum(axis=0), kind="stable")[:n_genes])
    cells = counts[::11, loud].astype(np.float64)
    library = cells.sum(axis=1, keepdims=True)
    cells = np.sqrt(cells / library * np.median(library)).astype(np.float32)
    peer = magic.MAGIC(knn=5, decay=1, t=3, n_pca=n_pca, verbose=0, random_state=0)
    stored[f"{name}_cells"] = cells
    stored[f"{name}_imputed"] = peer.fit_transform(cells.astype(np.float64)).astype(np.float32)
    if name == "plain":
        stored["plain_steps"] = peer.diff_op.toarray().astype(np.float32)
components = PCA(20, svd_solver="full").fit_transform(stored["reduced_cells"].astype(np.float64))
graph = graphtools.Graph(components, knn=5, knn_max=15, decay=1, thresh=1e-4, verbose=0)
exact = stored["reduced_cells"]
for _ in range(3):
    exact = graph.diff_op @ exact
stored["exact_imputed"] = exact.astype(np.float32)
np.savez_compressed(Path(__file__).with_name("diffusion_imputer.npz"), **stored)
