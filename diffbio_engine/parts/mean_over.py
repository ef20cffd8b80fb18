"""The mean of some of the values: of what is hidden, of positions that there are."""

import jax
import jax.numpy as jnp


def mean_over(values: jax.Array, chosen: jax.Array) -> jax.Array:
    """The mean of the values where ``chosen`` is 1; 0 where it is nowhere."""
    return jnp.sum(values * chosen) / jnp.maximum(jnp.sum(chosen), 1.0)
