"""Logic on statements that are true to a degree. No softness: the degrees come in.

On 0 and 1 every function is the classical one. Gradients reach all arguments. With
``use_geometric_mean`` the truth of many statements does not sink with their number: a thousand
conditions of 0.99 are 0.99 together, and not 0.00004.
"""

import jax
import jax.numpy as jnp

from diffbio_engine.soft_ops._modes import SoftBool, as_float


def logical_not(x: SoftBool) -> SoftBool:
    """Soft negation: ``1 - x``."""
    return 1.0 - as_float(x)


def all(
    x: SoftBool,
    axis: int = -1,
    epsilon: float = 1e-10,
    use_geometric_mean: bool = False,
) -> SoftBool:
    """Soft conjunction along an axis: the product, or the geometric mean.

    Args:
        x: Degrees of truth.
        axis: Along which.
        epsilon: Added before the logarithm of the geometric mean, so that its gradient is finite.
        use_geometric_mean: Whether to take the ``n``-th root of the product.
    """
    x = as_float(x)
    if use_geometric_mean:
        return jnp.exp(jnp.mean(jnp.log(x + epsilon), axis=axis))
    return jnp.prod(x, axis=axis)


def any(x: SoftBool, axis: int = -1, use_geometric_mean: bool = False) -> SoftBool:
    """Soft disjunction along an axis: not all are false."""
    return 1.0 - all(logical_not(x), axis=axis, use_geometric_mean=use_geometric_mean)


def logical_and(x: SoftBool, y: SoftBool, use_geometric_mean: bool = False) -> SoftBool:
    """Soft ``x and y``."""
    return all(_pair(x, y), use_geometric_mean=use_geometric_mean)


def logical_or(x: SoftBool, y: SoftBool, use_geometric_mean: bool = False) -> SoftBool:
    """Soft ``x or y``."""
    return any(_pair(x, y), use_geometric_mean=use_geometric_mean)


def logical_xor(x: SoftBool, y: SoftBool, use_geometric_mean: bool = False) -> SoftBool:
    """Soft ``x or y, but not both``: ``(x and not y) or (y and not x)``.

    In the logic of products ``xor(1/2, 1/2)`` is 7/16, not 1/2.
    """
    one = logical_and(x, logical_not(y), use_geometric_mean)
    other = logical_and(logical_not(x), y, use_geometric_mean)
    return logical_or(one, other, use_geometric_mean)


def _pair(x: SoftBool, y: SoftBool) -> jax.Array:
    return jnp.stack(jnp.broadcast_arrays(as_float(x), as_float(y)), axis=-1)
