"""The S-curve that softens a step, and its integral, which softens a corner; in four modes.

With ``u = x / (5 softness)`` held within -1 and 1, the compact curves are polynomials of ``u``
that reach 0 and 1 with so many continuous derivatives; the 5 makes them about as wide as the
logistic curve. Hermite (1878) steps, as known from computer graphics.
"""

import jax
import jax.numpy as jnp

from diffbio_engine.soft_ops._modes import SOFT_MODES, SoftMode, check_choice, check_softness

_WIDTH = 5.0


def s_curve(x: jax.Array, softness: float | jax.Array, mode: SoftMode) -> jax.Array:
    """From 0 to 1 around 0."""
    check_choice(mode, SOFT_MODES, "mode")
    softness = check_softness(softness)
    if mode == "smooth":
        return jax.nn.sigmoid(x / softness)
    u = jnp.clip(x / (_WIDTH * softness), -1.0, 1.0)
    if mode == "c0":
        return 0.5 + 0.5 * u
    if mode == "c1":
        return 0.5 + u * (0.75 - 0.25 * u**2)
    return 0.5 + u * (15 / 16 - 5 / 8 * u**2 + 3 / 16 * u**4)


def s_curve_integral(x: jax.Array, softness: float | jax.Array, mode: SoftMode) -> jax.Array:
    """The integral of ``s_curve`` from minus infinity: 0 far left, ``x`` far right."""
    check_choice(mode, SOFT_MODES, "mode")
    softness = check_softness(softness)
    if mode == "smooth":
        return softness * jax.nn.softplus(x / softness)
    width = _WIDTH * softness
    u = jnp.clip(x / width, -1.0, 1.0)
    # As products of (1 + u): next to the left end nothing is lost by taking differences.
    if mode == "c0":
        inside = (1 + u) ** 2 / 4
    elif mode == "c1":
        inside = (1 + u) ** 3 * (3 - u) / 16
    else:
        inside = (1 + u) ** 4 * (u**2 - 4 * u + 5) / 32
    return width * inside + jnp.maximum(x - width, 0.0)
