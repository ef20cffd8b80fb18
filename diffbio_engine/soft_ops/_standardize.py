"""Values brought to one scale, so that a softness means the same for any unit."""

from typing import NamedTuple

import jax
import jax.numpy as jnp


class Scale(NamedTuple):
    """Mean and standard deviation of each row, (..., 1); a row without spread has 1."""

    mean: jax.Array
    sd: jax.Array

    def back(self, share: jax.Array, rest: jax.Array) -> jax.Array:
        """The value whose place on the scale is ``share``, where ``rest`` is ``1 - share``.

        Both are given, since what a large value lacks to 1 is lost in a float near 1.
        """
        least = jnp.finfo(share.dtype).tiny
        share, rest = jnp.maximum(share, least), jnp.maximum(rest, least)
        return self.mean + self.sd * (jnp.log(share) - jnp.log(rest))


def scale_of(x: jax.Array, where: jax.Array | None = None) -> Scale:
    """Mean and standard deviation along the last axis, of what counts."""
    if where is None:
        mean = jnp.mean(x, axis=-1, keepdims=True)
        variance = jnp.mean((x - mean) ** 2, axis=-1, keepdims=True)
    else:
        n = jnp.maximum(jnp.sum(where, axis=-1, keepdims=True), 1)
        mean = jnp.sum(jnp.where(where, x, 0.0), axis=-1, keepdims=True) / n
        away = jnp.where(where, x - mean, 0.0)
        variance = jnp.sum(away**2, axis=-1, keepdims=True) / n
    some = variance > 0
    return Scale(mean, jnp.sqrt(jnp.where(some, variance, 1.0)))


def standardized(x: jax.Array, scale: Scale) -> jax.Array:
    """``sigmoid((x - mean) / sd)``: between 0 and 1, in the same order.

    The softness is then relative to the spread of a row, so ``max(10 x) = 10 max(x)``. One extreme
    value squeezes all others together; entries that do not count are not looked at.
    """
    return jax.nn.sigmoid((x - scale.mean) / scale.sd)
