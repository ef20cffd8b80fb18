"""Makes umap.npz. Run: python tests/references/normalization/make_umap.py

The first 15 principal components of every 13th cell of pbmc3k (log-normalised to 10 000 counts),
with the fuzzy simplicial set and the curve coefficients of umap-learn 0.5.12.
"""

from pathlib import Path

import anndata
import numpy as np
import scanpy
from sklearn.neighbors import NearestNeighbors
from umap.umap_ import find_ab_params, fuzzy_simplicial_set

DATA = Path(__file__).parents[3] / "../shared/data/pbmc3k_hvg2000_counts.h5ad"
K = 15

cells = anndata.read_h5ad(DATA)
scanpy.pp.normalize_total(cells, target_sum=1e4)
scanpy.pp.log1p(cells)
scanpy.pp.pca(cells, n_comps=15)
features = cells.obsm["X_pca"][::13].astype(np.float32)
graphs = {}
for metric in ("euclidean", "cosine"):
    found = NearestNeighbors(n_neighbors=K, metric=metric).fit(features)
    distances, indices = found.kneighbors(features)
    graph = fuzzy_simplicial_set(
        features,
        K,
        np.random.RandomState(0),
        metric,
        knn_indices=indices.astype(np.int32),
        knn_dists=distances.astype(np.float32),
    )[0]
    graphs[metric] = graph.toarray().astype(np.float32)
curves = [(0.1, 1.0), (0.001, 1.0), (0.5, 1.0), (0.25, 2.0)]
np.savez_compressed(
    Path(__file__).with_name("umap.npz"),
    features=features,
    settings=np.array(curves),
    ab=np.array([find_ab_params(spread, min_dist) for min_dist, spread in curves]),
    **graphs,
)
