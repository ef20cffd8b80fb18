"""Losses of diversity: how mixed batches are, and how sharp and how balanced assignments are."""

import jax
import jax.numpy as jnp

from diffbio_engine import soft_ops
from diffbio_engine.declare import (
    BATCH_LABELS,
    EMBEDDINGS,
    Config,
    Kind,
    Loss,
    Port,
    Role,
    dial,
    operator,
    setting,
    size,
)
from diffbio_engine.parts.diffusion import squared_distances

_ASSIGNMENTS = Port(
    "cluster_assignments",
    "cells clusters",
    Kind.SHARES,
    "Share of each cell per cluster.",
    also=("assignments",),
    after=(Role.CLUSTERS,),
)


class BatchMixingLossConfig(Config):
    """Settings of the loss of unmixed batches."""

    n_neighbors: int = setting(
        15,
        low=2,
        high=200,
        doc="The distance to this neighbour is the width of a cell's neighbourhood.",
    )
    n_batches: int = size("batches", default=3, doc="How many batches there are.")
    temperature: float = dial(
        1.0,
        low=0.01,
        high=10.0,
        log=True,
        doc="Low: the nearest cell alone counts. High: cells far beyond the neighbours do, too.",
    )


@operator(
    title="Batch mixing",
    name="batch_mixing",
)
class BatchMixingLoss(Loss):
    """Asks that the neighbours of every cell come from all batches alike.

    ``share_ij ~ exp(-d_ij^2 / (temperature s_i^2))`` over the other cells, with ``s_i`` the exact
    distance to the ``n_neighbors``-th of them; the loss is minus the mean over cells of the
    entropy of batches in these shares, over ``log n_batches``: 0 if every neighbourhood is of one
    batch, -1 if all are there alike.

    Softens: which other cell is the nearest (``argmin``).
    Hard limit: as ``temperature`` goes to 0, the nearest cell's batch alone: 0.
    Gradients: reach the embeddings; widths follow their ``n_neighbors``-th neighbour's distance.
    Cost: O(cells^2 * features) time, O(cells^2) memory, of the cells of a batch.

    References:
        Korsunsky et al. (2019), Harmony, Nature Methods 16 (the inverse Simpson index of batches).
    """

    Config = BatchMixingLossConfig
    compares_cells = True
    inputs = (EMBEDDINGS, BATCH_LABELS)

    def __call__(self, embeddings: jax.Array, batch_labels: jax.Array) -> jax.Array:
        x = jnp.asarray(embeddings, float)
        n_cells, n_batches = len(x), self.config.n_batches
        if n_cells < 2 or n_batches < 2:
            return jnp.zeros((), x.dtype)
        square = squared_distances(x, x)
        itself = jnp.eye(n_cells, dtype=bool)
        # The width is found among the others only: no stand-in for a cell's distance to itself.
        others = jnp.where(itself, jnp.inf, jax.lax.stop_gradient(square))
        k = min(self.config.n_neighbors, n_cells - 1)
        _, nearest = jax.lax.top_k(-others, k)
        width = jnp.take_along_axis(square, nearest[:, -1:], axis=1)
        scaled = soft_ops.div(square, width)
        shares = soft_ops.argmin(
            scaled, axis=1, softness=self.dial("temperature"), standardize=False, where=~itself
        )
        batches = shares @ jax.nn.one_hot(batch_labels, n_batches, dtype=x.dtype)
        entropy = -jnp.sum(batches * soft_ops.log(batches), axis=1)
        return -jnp.mean(entropy) / jnp.log(n_batches)


class DiversityLossConfig(Config):
    """Settings of a loss of assignments."""

    balance_weight: float = dial(
        0.0,
        low=0.0,
        high=10.0,
        doc="How much even clusters count: 0 asks for clear cells only, which one cluster for all"
        " satisfies.",
    )


class _DiversityLoss(Loss):
    Config = DiversityLossConfig
    inputs = (_ASSIGNMENTS,)

    def __call__(
        self,
        cluster_assignments: jax.Array | None = None,
        *,
        assignments: jax.Array | None = None,
    ) -> jax.Array:
        shares = assignments if cluster_assignments is None else cluster_assignments
        if shares is None:
            raise TypeError("cluster_assignments are missing.")
        shares = jnp.asarray(shares, float)
        each, all_cells = self._of(shares), self._of(jnp.mean(shares, axis=0, keepdims=True))
        return jnp.mean(each) + self.dial("balance_weight") * self._unevenness(
            jnp.mean(all_cells), shares.shape[1]
        )

    def _of(self, shares: jax.Array) -> jax.Array:
        raise NotImplementedError

    def _unevenness(self, of_all: jax.Array, n_clusters: int) -> jax.Array:
        raise NotImplementedError


@operator(
    title="Shannon diversity",
    name="shannon_diversity",
)
class ShannonDiversityLoss(_DiversityLoss):
    """Asks each cell for one clear cluster and, if wanted, all clusters for as many cells.

    ``mean_i H(share_i) + balance_weight (log clusters - H(mean_i share_i))`` with the entropy
    ``H(p) = -sum p log p`` in nats. The first alone is least where one cluster takes all cells;
    the second, the entropy of the sizes of clusters, keeps them from running empty. With weight 1,
    up to a constant, minus the information of a cell about its cluster.

    Softens: nothing; entropy is smooth in shares inside the simplex.
    Hard limit: one-hot shares have entropy 0.
    Gradients: reach the shares; 0 for a share that is 0.
    Cost: O(cells * clusters).

    References:
        Shannon (1948), A mathematical theory of communication.
        Krause, Perona, Gomes (2010), Discriminative clustering by regularized information
        maximization.
    """

    def _of(self, shares: jax.Array) -> jax.Array:
        return -jnp.sum(shares * soft_ops.log(shares), axis=1)

    def _unevenness(self, of_all: jax.Array, n_clusters: int) -> jax.Array:
        return jnp.log(n_clusters) - of_all


@operator(
    title="Simpson diversity",
    name="simpson_diversity",
)
class SimpsonDiversityLoss(_DiversityLoss):
    """Asks each cell to be spread over clusters; with a weight, that clusters be of one size.

    ``mean_i sum_k share_ik^2 + balance_weight (sum_k size_k^2 - 1 / clusters)`` with
    ``size = mean_i share_i``: the chance that two draws from a cell (from all cells) are of one
    cluster, 1 for one-hot shares and ``1 / clusters`` for even ones. A negative weight in the
    objective asks for clear cells instead.

    Softens: nothing; squares of shares are smooth.
    Hard limit: 1 for one-hot shares.
    Gradients: reach the shares.
    Cost: O(cells * clusters).

    References:
        Simpson (1949), Measurement of diversity, Nature 163.
    """

    def _of(self, shares: jax.Array) -> jax.Array:
        return jnp.sum(shares**2, axis=1)

    def _unevenness(self, of_all: jax.Array, n_clusters: int) -> jax.Array:
        return of_all - 1.0 / n_clusters


def gene_weight_sparsity_loss(weights: jax.Array) -> jax.Array:
    """Mean absolute weight of genes: the lasso's penalty per entry, of any form of array."""
    return jnp.mean(jnp.abs(jnp.asarray(weights, float)))
