"""Soft comparisons: how true a statement about two numbers is, from 0 to 1.

``softness`` is the distance over which the answer changes, in the unit of ``x``; ``mode`` as in
``elementwise``. ``epsilon`` decides ties in hard mode; in float32 it disappears beside numbers of
ordinary size, so a soft ``greater(1, 1)`` is 1/2 at every softness. Gradients reach ``x``, ``y``
and ``softness``.
"""

import jax

from diffbio_engine.soft_ops import elementwise
from diffbio_engine.soft_ops._modes import Mode, SoftBool, as_float


def greater(
    x: jax.Array,
    y: jax.Array | float,
    softness: float | jax.Array = 0.1,
    mode: Mode = "smooth",
    epsilon: float = 1e-10,
) -> SoftBool:
    """Soft version of ``x > y``: ``heaviside(x - y - epsilon)``."""
    if mode == "hard":
        return _truth(as_float(x) > as_float(y), x, y)
    return elementwise.heaviside(as_float(x) - as_float(y) - epsilon, softness, mode)


def greater_equal(
    x: jax.Array,
    y: jax.Array | float,
    softness: float | jax.Array = 0.1,
    mode: Mode = "smooth",
    epsilon: float = 1e-10,
) -> SoftBool:
    """Soft version of ``x >= y``: ``heaviside(x - y + epsilon)``."""
    if mode == "hard":
        return _truth(as_float(x) >= as_float(y), x, y)
    return elementwise.heaviside(as_float(x) - as_float(y) + epsilon, softness, mode)


def less(
    x: jax.Array,
    y: jax.Array | float,
    softness: float | jax.Array = 0.1,
    mode: Mode = "smooth",
    epsilon: float = 1e-10,
) -> SoftBool:
    """Soft version of ``x < y``: not ``x >= y``."""
    return 1.0 - greater_equal(x, y, softness, mode, epsilon)


def less_equal(
    x: jax.Array,
    y: jax.Array | float,
    softness: float | jax.Array = 0.1,
    mode: Mode = "smooth",
    epsilon: float = 1e-10,
) -> SoftBool:
    """Soft version of ``x <= y``: not ``x > y``."""
    return 1.0 - greater(x, y, softness, mode, epsilon)


def equal(
    x: jax.Array,
    y: jax.Array | float,
    softness: float | jax.Array = 0.1,
    mode: Mode = "smooth",
    epsilon: float = 1e-10,
) -> SoftBool:
    """Soft version of ``x == y``: 1 where they are equal, falling to 0 on both sides."""
    if mode == "hard":
        return _truth(as_float(x) == as_float(y), x, y)
    apart = elementwise.abs(as_float(x) - as_float(y), softness, mode)
    return 2.0 * less_equal(apart, 0.0 * apart, softness, mode, epsilon=0.0)


def not_equal(
    x: jax.Array,
    y: jax.Array | float,
    softness: float | jax.Array = 0.1,
    mode: Mode = "smooth",
    epsilon: float = 1e-10,
) -> SoftBool:
    """Soft version of ``x != y``: not ``x == y``."""
    return 1.0 - equal(x, y, softness, mode, epsilon)


def isclose(
    x: jax.Array,
    y: jax.Array | float,
    softness: float | jax.Array = 0.1,
    rtol: float = 1e-05,
    atol: float = 1e-08,
    mode: Mode = "smooth",
    epsilon: float = 1e-10,
) -> SoftBool:
    """Soft version of ``|x - y| <= atol + rtol |y|``, as a share of what it is where ``x == y``.

    So it is 1 there and never above, also where the softness is smaller than the tolerance.
    """
    x, y = as_float(x), as_float(y)
    apart = elementwise.abs(x - y, softness, mode)
    tolerance = atol + rtol * elementwise.abs(y, softness, mode)
    if mode == "hard":
        return less_equal(apart, tolerance, mode="hard")
    return less_equal(apart, tolerance, softness, mode, epsilon) / less_equal(
        0.0 * apart, tolerance, softness, mode, epsilon
    )


def _truth(statement: jax.Array, x: jax.Array, y: jax.Array | float) -> SoftBool:
    return statement.astype((as_float(x) + as_float(y)).dtype)
