"""Soft versions of operations on single numbers: step, sign, absolute value, clip, round.

All take ``softness``, the distance over which the answer changes, in the unit of ``x``, and
``mode``: ``hard`` is the classical operation, without gradients at its corners; ``smooth`` has all
derivatives; ``c0``, ``c1`` and ``c2`` are exact further than 5 softness away from the corner and
have that many continuous derivatives. Gradients reach ``x`` and ``softness``. Cost: O(n).
"""

import jax
import jax.numpy as jnp

from diffbio_engine.soft_ops._curves import s_curve, s_curve_integral
from diffbio_engine.soft_ops._modes import (
    MODES,
    Mode,
    SoftBool,
    SoftMode,
    as_float,
    check_choice,
    check_softness,
)


def sigmoidal(
    x: jax.Array, softness: float | jax.Array = 0.1, mode: SoftMode = "smooth"
) -> SoftBool:
    """An S-curve from 0 to 1, 1/2 at 0: ``1 / (1 + exp(-x / softness))`` or a polynomial.

    Hard limit: ``heaviside``.
    """
    return s_curve(as_float(x), softness, mode)


def softrelu(
    x: jax.Array,
    softness: float | jax.Array = 0.1,
    mode: SoftMode = "smooth",
    gated: bool = False,
) -> jax.Array:
    """The integral of ``sigmoidal``, which lies above ``max(x, 0)``.

    Hard limit: ``max(x, 0)``.

    Args:
        x: Any array.
        softness: Above 0.
        mode: One of the four soft modes.
        gated: Take ``x * sigmoidal(x)`` instead, which is 0 at 0 and dips below it on the left.
    """
    x = as_float(x)
    return x * s_curve(x, softness, mode) if gated else s_curve_integral(x, softness, mode)


def heaviside(x: jax.Array, softness: float | jax.Array = 0.1, mode: Mode = "smooth") -> SoftBool:
    """Soft version of the step ``0 if x < 0, 1/2 if x = 0, 1 if x > 0``."""
    x = as_float(x)
    check_choice(mode, MODES, "mode")
    return jnp.heaviside(x, 0.5) if mode == "hard" else s_curve(x, softness, mode)


def sign(x: jax.Array, softness: float | jax.Array = 0.1, mode: Mode = "smooth") -> jax.Array:
    """Soft version of the sign: ``2 heaviside(x) - 1``."""
    if mode == "smooth":  # the same number, by which nothing is lost near 0
        return jnp.tanh(0.5 * as_float(x) / check_softness(softness))
    return 2.0 * heaviside(x, softness, mode) - 1.0


def abs(x: jax.Array, softness: float | jax.Array = 0.1, mode: Mode = "smooth") -> jax.Array:
    """Soft version of the absolute value: ``x sign(x)``. It lies below, and is 0 at 0."""
    x = as_float(x)
    return x * sign(x, softness, mode)


def relu(
    x: jax.Array,
    softness: float | jax.Array = 0.1,
    mode: Mode = "smooth",
    gated: bool = False,
) -> jax.Array:
    """Soft version of ``max(x, 0)``; see ``softrelu``."""
    x = as_float(x)
    return jax.nn.relu(x) if mode == "hard" else softrelu(x, softness, mode, gated)


def clip(
    x: jax.Array,
    a: jax.Array | float,
    b: jax.Array | float,
    softness: float | jax.Array = 0.1,
    mode: Mode = "smooth",
    gated: bool = False,
) -> jax.Array:
    """Soft version of ``min(max(x, a), b)``: ``a + relu(x - a) - relu(x - b)``."""
    x, a, b = as_float(x), as_float(a), as_float(b)
    if mode == "hard":
        return jnp.clip(x, a, b)
    return a + softrelu(x - a, softness, mode, gated) - softrelu(x - b, softness, mode, gated)


def round(
    x: jax.Array,
    softness: float | jax.Array = 0.1,
    mode: Mode = "smooth",
    neighbor_radius: int = 5,
) -> jax.Array:
    """Soft version of rounding to the nearest whole number: a staircase of S-curves.

    ``sum_m m (S(x - m + 1/2) - S(x - m - 1/2))`` over the whole numbers ``m`` near ``x``. Halves
    stay where they are (2.5), where the hard operation takes the even neighbour (2).

    Args:
        x: Any array.
        softness: Above 0; from about a third on, no stairs are left and ``x`` comes back.
        mode: Any of the five.
        neighbor_radius: How many whole numbers on either side are counted. Steps that are wider
            than that (softness above it) are cut off, and the value then falls towards 0.
    """
    x = as_float(x)
    if mode == "hard":
        return jnp.round(x)
    near = jax.lax.stop_gradient(jnp.round(x))[..., None]
    whole = near + jnp.arange(-neighbor_radius, neighbor_radius + 1, dtype=x.dtype)
    away = x[..., None] - whole
    softness = jnp.asarray(softness, x.dtype)[..., None] if jnp.ndim(softness) else softness
    steps = s_curve(away + 0.5, softness, mode) - s_curve(away - 0.5, softness, mode)
    return jnp.sum(whole * steps, axis=-1)
