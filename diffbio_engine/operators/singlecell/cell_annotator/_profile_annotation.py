"""Cell types by likeness to the profiles of a reference: SingleR's idea, made smooth."""

import jax
import jax.numpy as jnp

_TARGET = 1e4
# A difference of correlation that is a factor of e in probability at temperature 1.
_DIFFERENCE = 0.02
_SMALL = 1e-12


def profile_logits(counts: jax.Array, profiles: jax.Array) -> jax.Array:
    """Correlation of each cell with each type, over ``0.02``: (cells, classes).

    ``r_ct = cor_w(log(1 + 1e4 x_c / sum x_c), log(1 + 1e4 p_t / sum p_t))``, Pearson's, with the
    weight ``w_g`` of a gene the variance of its level among the types: genes that tell types apart
    count, and those that no type of the reference shows do not. Both are levelled over the genes
    that the reference shows.

    Args:
        counts: (cells, genes).
        profiles: Mean counts of each type, (classes, genes); all 0 for genes that are not known.

    Cost: O(cells * genes * classes) time, O(cells * genes) memory.
    """
    known = jnp.any(profiles > 0, axis=0)
    types = _levels(profiles * known)
    weight = jnp.var(types, axis=0)
    weight = weight / jnp.maximum(jnp.sum(weight), _SMALL)
    cells = _centred(_levels(counts * known), weight)
    types = _centred(types, weight)
    covariance = (cells * weight) @ types.T
    lengths = _length(cells, weight)[:, None] * _length(types, weight)
    return covariance / lengths / _DIFFERENCE


def _levels(counts: jax.Array) -> jax.Array:
    total = jnp.sum(counts, axis=1, keepdims=True)
    return jnp.log1p(_TARGET * counts / jnp.maximum(total, _SMALL))


def _centred(rows: jax.Array, weight: jax.Array) -> jax.Array:
    return rows - jnp.sum(rows * weight, axis=1, keepdims=True)


def _length(rows: jax.Array, weight: jax.Array) -> jax.Array:
    """With a floor, so that a cell without any count has a correlation of 0, and a gradient."""
    return jnp.sqrt(jnp.sum(weight * rows**2, axis=1) + _SMALL)
