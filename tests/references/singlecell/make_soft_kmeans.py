"""Makes soft_kmeans.npz. Run: python tests/references/singlecell/make_soft_kmeans.py

A Gaussian mixture with equal weights and one spherical variance v has responsibilities
softmax(-|x - c|^2 / (2 v)): soft k-means with temperature 2 v. The labels are those that k-means
with these centres and no further step predicts. Made with scikit-learn 1.9.1.
"""

from pathlib import Path

import numpy as np
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture

rng = np.random.default_rng(7)
cells, centres, variance = rng.normal(size=(40, 3)), rng.normal(size=(4, 3)), 0.35
mixture = GaussianMixture(4, covariance_type="spherical")
mixture.weights_, mixture.means_ = np.full(4, 0.25), centres
mixture.covariances_ = np.full(4, variance)
mixture.precisions_cholesky_ = np.full(4, variance**-0.5)
hard = KMeans(4, init=centres, n_init=1, max_iter=1).fit(centres)
hard.cluster_centers_ = centres
np.savez(
    Path(__file__).with_name("soft_kmeans.npz"),
    embeddings=cells,
    centroids=centres,
    temperature=2 * variance,
    cluster_assignments=mixture.predict_proba(cells),
    cluster_labels=hard.predict(cells),
    inertia=((cells[:, None] - centres) ** 2).sum(-1).min(1).sum(),
)
