"""Projection onto the simplex: scores to shares that add up to 1.

``argmax over the simplex of <z, y> - R(y)``, row by row along the last axis, with

* smooth: R = negative entropy, y = softmax(z), every share above 0;
* c0, c1, c2: R = ``sum y^p / p`` with p = 2, 3/2, 4/3, and ``y = max(z - threshold, 0)^q`` with
  q = 1, 2, 3; most shares are exactly 0.

References:
    Martins and Astudillo (2016), From softmax to sparsemax.
    Blondel, Martins, Niculae (2020), Learning with Fenchel-Young losses.
"""

from functools import partial

import jax
import jax.numpy as jnp

from diffbio_engine.soft_ops._modes import SoftMode

_POWERS = {"c0": 1, "c1": 2, "c2": 3}
_MOST_STEPS = 60


def project(scores: jax.Array, mode: SoftMode, where: jax.Array | None = None) -> jax.Array:
    """Shares of each position, along the last axis; 0 where ``where`` is False.

    Args:
        scores: Already divided by the softness.
        mode: One of the soft modes.
        where: What counts; a row in which nothing does gets no shares at all.
    """
    if where is not None:
        scores = jnp.where(where, scores, -jnp.inf)
    elif mode == "smooth":
        return jax.nn.softmax(scores, axis=-1)
    top = jax.lax.stop_gradient(jnp.max(scores, axis=-1, keepdims=True))
    shifted = scores - jnp.where(top == -jnp.inf, 0.0, top)
    if mode == "smooth":
        raised = jnp.exp(shifted)
        total = jnp.sum(raised, axis=-1, keepdims=True)
        return raised / jnp.where(total == 0, 1.0, total)
    # No share is above 1, so what lies further than 1 below the top gets none. Held at -1, the
    # numbers stay of ordinary size however small the softness is, and lose no digits.
    held = jnp.maximum(shifted, -1.0)
    power = _POWERS[mode]
    # Of a tie, `maximum` would pass on half a gradient; `relu` passes none.
    shares = jax.nn.relu(held - _threshold(held, power)) ** power
    return shares if where is None else jnp.where(where, shares, 0.0)


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def _threshold(z: jax.Array, power: int) -> jax.Array:
    """``t`` with ``sum max(z - t, 0)^power = 1`` for each row of numbers from -1 to 0.

    Newton's method from the left: the sum is convex and falls, so no step goes too far. It ends
    when no row moves any more.
    """

    def excess(t: jax.Array) -> tuple[jax.Array, jax.Array]:
        over = jnp.maximum(z - t, 0.0)
        less = _slope(over, power)
        return (
            jnp.sum(over * less, axis=-1, keepdims=True) - 1.0,
            power * jnp.sum(less, axis=-1, keepdims=True),
        )

    def moving(state: tuple[jax.Array, jax.Array, jax.Array]) -> jax.Array:
        _, moved, n = state
        return moved & (n < _MOST_STEPS)

    def step(
        state: tuple[jax.Array, jax.Array, jax.Array],
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        t, _, n = state
        above, slope = excess(t)
        new = jnp.maximum(t, t + above / jnp.maximum(slope, 1e-30))
        return new, jnp.any(new > t), n + 1

    start = -jnp.ones_like(z[..., :1])
    return jax.lax.while_loop(moving, step, (start, jnp.asarray(True), jnp.asarray(0)))[0]


def _slope(over: jax.Array, power: int) -> jax.Array:
    """``max(x, 0)^(power - 1)``, from what lies over; at power 1 the step."""
    return over ** (power - 1) if power > 1 else (over > 0).astype(over.dtype)


@_threshold.defjvp
def _threshold_jvp(power: int, primals: tuple, tangents: tuple) -> tuple:
    (z,), (dz,) = primals, tangents
    t = _threshold(z, power)
    over = jnp.maximum(z - t, 0.0)
    weight = _slope(over, power)
    total = jnp.sum(weight, axis=-1, keepdims=True)
    return t, jnp.sum(weight * dz, axis=-1, keepdims=True) / total
