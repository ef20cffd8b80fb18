"""Values brought to one scale, so that a softness means the same for any unit."""

import jax
import jax.numpy as jnp


def standardized(x: jax.Array, where: jax.Array | None = None) -> jax.Array:
    """``sigmoid((x - mean) / sd)`` along the last axis: between 0 and 1, in the same order.

    The softness is then relative to the spread of a row, so ``max(10 x) = 10 max(x)``. One extreme
    value squeezes all others together; entries that are not ``where`` are not looked at.
    """
    if where is None:
        mean = jnp.mean(x, axis=-1, keepdims=True)
        variance = jnp.mean((x - mean) ** 2, axis=-1, keepdims=True)
    else:
        n = jnp.maximum(jnp.sum(where, axis=-1, keepdims=True), 1)
        mean = jnp.sum(jnp.where(where, x, 0.0), axis=-1, keepdims=True) / n
        away = jnp.where(where, x - mean, 0.0)
        variance = jnp.sum(away**2, axis=-1, keepdims=True) / n
    some = variance > 0
    sd = jnp.sqrt(jnp.where(some, variance, 1.0))
    return jax.nn.sigmoid((x - mean) / sd)
