"""Soft k-means: every cell belongs to every cluster, by shares."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from sklearn.cluster import KMeans

from diffbio_engine import soft_ops
from diffbio_engine.declare import (
    EMBEDDINGS,
    Config,
    Kind,
    Operator,
    Port,
    Role,
    dial,
    operator,
    setting,
    size,
)


class SoftClusteringConfig(Config):
    """Settings of soft k-means."""

    n_clusters: int = setting(10, low=2, high=200, doc="How many clusters to form.")
    n_features: int = size("features", default=50, doc="Width of an embedding.")
    temperature: float = dial(
        1.0,
        low=0.01,
        high=10.0,
        log=True,
        learnable=True,
        unit="squared distance",
        doc="Low: each cell in one cluster. High: shared among the near ones.",
    )
    learnable_centroids: bool = setting(True, doc="Let training move the centroids.", advanced=True)


@operator(
    title="Soft k-means",
    formerly=("singlecell.soft_clustering",),
)
class SoftKMeansClustering(Operator):
    """Shares each cell among clusters, more to the nearer ones.

    ``share[i, k] = softmax_k(-|x[i] - c[k]|^2 / temperature)`` with learnable centroids ``c``.
    The loss is the free energy ``mean_i -t log sum_k exp(-|x[i] - c[k]|^2 / t)`` divided by the
    number of features; making it small moves each centroid to the weighted mean of its cells.

    Softens: the choice of the nearest centroid (``argmin`` of the distances) and, in the loss, the
    distance to it (``min``).
    Hard limit: as ``temperature`` goes to 0, a row becomes one-hot at the nearest centroid and
    the loss becomes the inertia of k-means per cell and feature.
    Temperature ``2 v`` gives the responsibilities of a Gaussian mixture with variance ``v``.
    Gradients: reach ``embeddings``, the centroids and the temperature; they vanish for cells
    much nearer to one centroid than ``temperature``.
    Cost: O(cells * clusters * features) time, O(cells * clusters) memory.
    Start: centroids of k-means (k-means++, Lloyd) on the data.

    References:
        Bezdek (1981), Pattern Recognition with Fuzzy Objective Function Algorithms.
        MacKay (2003), Information Theory, Inference and Learning Algorithms, chapter 20.
    """

    Config = SoftClusteringConfig
    inputs = (EMBEDDINGS,)
    outputs = (
        Port(
            "cluster_assignments",
            "cells clusters",
            Kind.SHARES,
            "Share of each cell in each cluster.",
            result="obsm/cluster_diffbio_prob",
            role=Role.CLUSTERS,
        ),
        Port("cluster_labels", "cells", Kind.LABELS, "Nearest cluster.", classes="clusters"),
        Port(
            "centroids",
            "clusters features",
            Kind.PARAMETER,
            "Centre of each cluster.",
            role=Role.CENTROIDS,
        ),
        Port("clustering_loss", "", Kind.LOSS, "Tightness of the clusters.", weight=0.1),
    )
    needs_training = True
    prepare_once = True
    prepare_cells = 50_000
    example = {"n_clusters": 3}

    def setup(self, rngs: nnx.Rngs) -> None:
        shape = (self.config.n_clusters, self.config.n_features)
        self.centroids = nnx.Param(jax.random.normal(rngs.params(), shape))

    def prepare(self, embeddings: np.ndarray, *, seed: int) -> None:
        cells = np.asarray(embeddings, dtype=np.float64)
        distinct = np.unique(cells, axis=0)
        if len(distinct) < self.config.n_clusters:
            # Fewer different cells than clusters: spread the rest around them, so none is empty.
            noise = np.random.default_rng(seed).normal(scale=1e-3, size=self.centroids.shape)
            start = distinct[np.arange(self.config.n_clusters) % len(distinct)] + noise
        else:
            found = KMeans(self.config.n_clusters, n_init=4, random_state=seed).fit(cells)
            start = found.cluster_centers_
        self.centroids[...] = jnp.asarray(start, self.centroids.dtype)

    def __call__(self, embeddings: jax.Array) -> dict[str, jax.Array]:
        centroids = self._centroids()
        temperature = self.dial("temperature")
        distances = self.compute_distances(embeddings)
        free_energy = -soft_ops.logsumexp_max(-distances, axis=1, softness=temperature)
        return {
            "cluster_assignments": soft_ops.argmin(
                distances, axis=1, softness=temperature, standardize=False
            ),
            "cluster_labels": jnp.argmin(distances, axis=1).astype(jnp.int32),
            "centroids": centroids,
            "clustering_loss": jnp.mean(free_energy) / embeddings.shape[1],
        }

    def compute_distances(self, embeddings: jax.Array) -> jax.Array:
        """Squared distance of each cell to each centroid, (cells, clusters)."""
        centroids = self._centroids()
        # |x - c|^2 expanded, so that no (cells, clusters, features) array is made.
        return (
            jnp.sum(embeddings**2, axis=1, keepdims=True)
            - 2 * embeddings @ centroids.T
            + jnp.sum(centroids**2, axis=1)
        )

    def compute_assignments(self, embeddings: jax.Array) -> jax.Array:
        """Share of each cell in each cluster, (cells, clusters)."""
        return self(embeddings)["cluster_assignments"]

    def get_hard_labels(self, embeddings: jax.Array) -> jax.Array:
        """Nearest cluster of each cell, (cells,)."""
        return self(embeddings)["cluster_labels"]

    def _centroids(self) -> jax.Array:
        centroids = self.centroids[...]
        return centroids if self.config.learnable_centroids else jax.lax.stop_gradient(centroids)
