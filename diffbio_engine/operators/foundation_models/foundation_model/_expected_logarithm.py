"""What a log-normalised value is expected to be, where counts are drawn at a rate."""

import math

import jax
import jax.numpy as jnp

_TERMS = 12  # counts that are summed one by one


def expected_log_normalized(log_rate: jax.Array, per_molecule: jax.Array) -> jax.Array:
    """``E log(1 + per_molecule c)`` for ``c ~ Poisson(exp(log_rate))``.

    The mean of a logarithm is far below the logarithm of the mean where counts are few, and the
    more so the shallower a cell: what predicts log-normalised values has to know both. Exact but
    for counts of 12 and more, which are taken as their mean.

    Args:
        log_rate: (cells, genes).
        per_molecule: What one molecule adds to a normalised count, (cells, 1).
    """
    rate = jnp.exp(jnp.minimum(log_rate, 20.0))
    left, mean_left, found = -jnp.expm1(-rate), rate, jnp.zeros_like(rate)
    for count in range(1, _TERMS):
        chance = jnp.exp(count * log_rate - rate - math.lgamma(count + 1.0))
        found = found + chance * jnp.log1p(per_molecule * count)
        left, mean_left = left - chance, mean_left - count * chance
    # Where hardly any are left, both are rounding.
    there = left > 1e-4
    mean = jnp.where(there, mean_left, _TERMS) / jnp.where(there, left, 1.0)
    more = jnp.log1p(per_molecule * jnp.maximum(mean, _TERMS))
    return found + jnp.where(there, left, 0.0) * more
