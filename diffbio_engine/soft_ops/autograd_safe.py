"""Functions whose gradient breaks at the edge of their domain, with 0 there instead of NaN.

Where the function is not defined, the value and the gradient are 0 (arcsin and arccos: their value
at the nearest edge, gradient 0). Mind ``log(0) = 0``: in a likelihood that is a wrong certainty;
use ``jnp.log(x + epsilon)`` there.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from diffbio_engine.soft_ops._modes import as_float


def _where(defined: jax.Array, function: Callable, x: jax.Array, instead: float) -> jax.Array:
    # The argument is replaced first: a gradient passes through both branches of a `where`.
    return jnp.where(defined, function(jnp.where(defined, x, instead)), 0.0)


def sqrt(x: jax.Array) -> jax.Array:
    """Square root; 0 with gradient 0 where ``x <= 0``."""
    x = as_float(x)
    return _where(x > 0, jnp.sqrt, x, 1.0)


def log(x: jax.Array) -> jax.Array:
    """Natural logarithm; 0 with gradient 0 where ``x <= 0``."""
    x = as_float(x)
    return _where(x > 0, jnp.log, x, 1.0)


def arcsin(x: jax.Array) -> jax.Array:
    """Arc sine, radians; beyond -1 and 1 the value there, with gradient 0."""
    x = as_float(x)
    inside = jnp.abs(x) < 1
    edge = jnp.sign(x) * (jnp.pi / 2)
    return jnp.where(inside, jnp.arcsin(jnp.where(inside, x, 0.0)), jax.lax.stop_gradient(edge))


def arccos(x: jax.Array) -> jax.Array:
    """Arc cosine, radians; beyond -1 and 1 the value there, with gradient 0."""
    x = as_float(x)
    inside = jnp.abs(x) < 1
    edge = jnp.where(x > 0, 0.0, jnp.pi).astype(x.dtype)
    return jnp.where(inside, jnp.arccos(jnp.where(inside, x, 0.0)), edge)


def div(x: jax.Array, y: jax.Array) -> jax.Array:
    """``x / y``; 0 with gradient 0 where ``y = 0``."""
    x, y = as_float(x), as_float(y)
    defined = y != 0
    return jnp.where(defined, x / jnp.where(defined, y, 1.0), 0.0)


def norm(
    x: jax.Array, axis: int | tuple[int, ...] | None = None, keepdims: bool = False
) -> jax.Array:
    """Euclidean length; of a zero vector 0 with gradient 0."""
    x = as_float(x)
    return sqrt(jnp.sum(x * x, axis=axis, keepdims=keepdims))
