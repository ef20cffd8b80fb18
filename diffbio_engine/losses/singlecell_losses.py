"""Losses of single-cell analysis: how tight and how far apart clusters are."""

import jax
import jax.numpy as jnp

from diffbio_engine import soft_ops
from diffbio_engine.declare import EMBEDDINGS, Config, Kind, Loss, Port, Role, dial, operator

_SOFTNESS = 0.1  # distance over which the push between two centres sets in


class ClusteringCompactnessLossConfig(Config):
    """Settings of the loss of loose clusters."""

    separation_weight: float = dial(
        1.0,
        low=0.0,
        high=100.0,
        doc="Weight of the separation of centroids against the compactness of clusters.",
    )
    min_separation: float = dial(
        1.0,
        low=0.0,
        high=100.0,
        unit="distance",
        doc="Margin: centroids further apart than this cost nothing.",
    )


@operator(
    title="Clustering compactness",
    name="clustering_compactness",
)
class ClusteringCompactnessLoss(Loss):
    """Asks for compact clusters whose centroids keep a distance.

    ``sum_ik share[i, k] |x[i] - c[k]|^2 / cells + weight * mean over k != l of
    s * log(1 + exp((min_separation - |c[k] - c[l]|) / s))`` with ``s = 0.1``. Without centroids,
    they are the means of the cells weighted by their shares. Shrinking the embedding makes the
    first term small: use it beside a reconstruction.

    Softens: the inertia of k-means, in which a cell counts for one cluster, and the largest of 0
    and what a distance lacks (``relu``, over 0.1).
    Hard limit: with one-hot shares and no separation, the inertia of k-means per cell.
    Gradients: reach embeddings, shares and centroids; finite where two centres meet.
    Cost: O(cells * clusters * features) time, O(cells * clusters) memory.

    References:
        Xie et al. (2016), Unsupervised deep embedding for clustering analysis.
    """

    Config = ClusteringCompactnessLossConfig
    inputs = (
        EMBEDDINGS,
        Port(
            "cluster_assignments",
            "cells clusters",
            Kind.SHARES,
            "Share of each cell per cluster.",
            also=("assignments",),
            after=(Role.CLUSTERS,),
        ),
        Port(
            "centroids",
            "clusters features",
            Kind.PARAMETER,
            "Centre of each cluster; without them, the weighted means.",
            optional=True,
            after=(Role.CENTROIDS,),
        ),
    )

    def __call__(
        self,
        embeddings: jax.Array,
        cluster_assignments: jax.Array | None = None,
        centroids: jax.Array | None = None,
        *,
        assignments: jax.Array | None = None,
    ) -> jax.Array:
        shares = assignments if cluster_assignments is None else cluster_assignments
        if shares is None:
            raise TypeError("cluster_assignments are missing.")
        weight = jnp.sum(shares, axis=0)
        if centroids is None:
            # An empty cluster has no mean; it gets the origin rather than 0 / 0.
            centroids = (shares.T @ embeddings) / jnp.maximum(weight, 1e-8)[:, None]
        # Deviations from the cells' mean, so that the expanded square loses no digits.
        middle = jax.lax.stop_gradient(jnp.mean(embeddings, axis=0))
        x, c = embeddings - middle, centroids - middle
        sq_distances = jnp.sum(x**2, axis=1, keepdims=True) - 2 * x @ c.T + jnp.sum(c**2, axis=1)
        compactness = jnp.sum(shares * sq_distances) / embeddings.shape[0]
        return compactness + self.dial("separation_weight") * self._crowding(centroids)

    def _crowding(self, centroids: jax.Array) -> jax.Array:
        n_clusters = centroids.shape[0]
        if n_clusters < 2:
            return jnp.zeros((), centroids.dtype)
        first, second = jnp.triu_indices(n_clusters, k=1)
        squared = jnp.sum((centroids[first] - centroids[second]) ** 2, axis=1)
        # Where two centres meet the plain root has no slope; this one has 0, and there is no push.
        apart = soft_ops.sqrt(squared)
        return jnp.mean(soft_ops.relu(self.dial("min_separation") - apart, softness=_SOFTNESS))
