"""Mean, variance and share of zeros of genes under the Splat model, without drawing."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

_LIBRARY_NODES = 5
_GAMMA_NODES = 9


class Variation(NamedTuple):
    """How counts vary about the expected counts of a cell.

    Attributes:
        common, trend: The coefficient of biological variation is
            ``(common + trend / sqrt(mean)) * scale``.
        scale: Of each gene, or 1.
        dropout_mid, dropout_shape: A count is lost with probability
            ``1 / (1 + exp(-shape (log mean - mid)))``.
    """

    common: jax.Array | float
    trend: jax.Array | float
    scale: jax.Array | float
    dropout_mid: jax.Array | float
    dropout_shape: jax.Array | float

    def squared(self, mean: jax.Array) -> jax.Array:
        """The squared coefficient of biological variation."""
        return ((self.common + self.trend / jnp.sqrt(mean)) * self.scale) ** 2

    def dropout_logit(self, log_mean: jax.Array) -> jax.Array:
        """Logit of the probability that a count is lost."""
        return self.dropout_shape * (log_mean - self.dropout_mid)


class Moments(NamedTuple):
    """Of each gene: mean count, variance, share of zeros."""

    mean: jax.Array
    variance: jax.Array
    zeros: jax.Array


def observed_moments(counts: jax.Array) -> Moments:
    """Of these cells."""
    # Soft at the step from 0 to 1, where counts were softened on the way.
    return Moments(
        jnp.mean(counts, axis=0),
        jnp.var(counts, axis=0),
        jnp.mean(jnp.maximum(1.0 - counts, 0.0), axis=0),
    )


def model_moments(
    profiles: jax.Array,
    weights: jax.Array,
    lib_loc: jax.Array,
    lib_scale: jax.Array | float,
    variation: Variation,
) -> Moments:
    """Of a mixture of kinds of cells.

    With ``L`` the mean after biological variation, every moment is an ``E[L h(L)]``, which is
    ``E[L] E'[h(L)]`` under the size-biased Gamma, whose shape is above 1. Its nodes are those of
    the normal through the cube root of Wilson and Hilferty; those of the library size too.

    Args:
        profiles: Share of each gene in each kind, (kinds, genes).
        weights: Share of each kind, (kinds,).
        lib_loc, lib_scale: Of the logarithm of the library size, (kinds,) and one number.
    """
    z, z_weight = _normal_nodes(_LIBRARY_NODES)
    library = jnp.exp(lib_loc[:, None] + lib_scale * z)
    mean = jnp.maximum(library[..., None] * profiles[:, None], 1e-8)  # (kinds, nodes, genes)
    squared = variation.squared(mean)
    shape = 1 / squared + 1
    nodes, node_weight = _normal_nodes(_GAMMA_NODES)
    root = 1 - 1 / (9 * shape) + nodes[:, None, None, None] / (3 * jnp.sqrt(shape))
    relative = jnp.maximum(root, 0.05) ** 3
    relative = relative / jnp.einsum("r,rkqg->kqg", node_weight, relative)
    level = relative * (mean + mean * squared)
    kept = jax.nn.sigmoid(-variation.dropout_logit(jnp.log(level)))

    def expected(values: jax.Array) -> jax.Array:
        per_kind = jnp.einsum("r,q,rkqg->kg", node_weight, z_weight, values * mean)
        return weights @ per_kind

    first = expected(kept)
    second = expected((1 + level) * kept)
    seen = expected(-jnp.expm1(-level) / level * kept)
    return Moments(first, jnp.maximum(second - first**2, 0.0), 1 - seen)


def moment_distance(model: Moments, data: Moments) -> jax.Array:
    """Squared differences of log mean, log variance and share of zeros, averaged over genes."""
    few = 0.05  # counts: below, a batch of cells says little of a gene
    return jnp.mean(
        (jnp.log(model.mean + few) - jnp.log(data.mean + few)) ** 2
        + (jnp.log(model.variance + few) - jnp.log(data.variance + few)) ** 2
        + (model.zeros - data.zeros) ** 2
    )


def _normal_nodes(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss and Hermite's nodes and weights for a standard normal."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(n)
    return nodes, weights / weights.sum()
