"""A learned number held within its range, with a gradient that always leads back inside."""

from functools import partial

import jax
import jax.numpy as jnp


@partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def held_within(x: jax.Array, low: float, high: float) -> jax.Array:
    """``min(max(x, low), high)``; outside, a gradient passes only if following it leads back.

    A plain clip has no gradient outside, so what once stepped over the edge would stay there; the
    identity would let it walk away from the edge without end.
    """
    return jnp.clip(x, low, high)


def _forward(x: jax.Array, low: float, high: float) -> tuple[jax.Array, jax.Array]:
    return held_within(x, low, high), x


def _backward(low: float, high: float, x: jax.Array, slope: jax.Array) -> tuple[jax.Array]:
    # Descent moves against the slope.
    leaves = ((x < low) & (slope > 0)) | ((x > high) & (slope < 0))
    return (jnp.where(leaves, 0.0, slope),)


held_within.defvjp(_forward, _backward)
