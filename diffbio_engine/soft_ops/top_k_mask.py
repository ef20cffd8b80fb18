"""Which values are among the largest k, as shares that add up to k."""

import jax
import jax.numpy as jnp

from diffbio_engine.errors import SettingError
from diffbio_engine.soft_ops._modes import SoftBool, as_float, check_choice, check_softness
from diffbio_engine.soft_ops._permutations import hard_places

_MOST_STEPS = 64


def top_k_mask(
    x: jax.Array,
    k: int,
    axis: int = -1,
    softness: float | jax.Array = 0.1,
    mode: str = "smooth",
    where: jax.Array | None = None,
) -> SoftBool:
    """Shares from 0 to 1 that add up to ``k``: near 1 for the largest values.

    The Euclidean projection of ``x / softness`` onto ``{0 <= m <= 1, sum m = k}``:
    ``clip(x / softness - t, 0, 1)``. Most shares are exactly 0 or 1. For weights of a selection
    this is what to use, and not the rows of ``top_k``, whose columns need not add up to 1.

    Hard limit: 1 for the largest ``k`` values, else 0 (of ties, those that stand first).
    Gradients: reach ``x`` and ``softness``; they are those of the values whose share is neither.

    Args:
        x: Any array.
        k: How many, 0 to n.
        axis: Along which.
        softness: In the unit of ``x``: values closer than that share.
        mode: ``"hard"`` or ``"smooth"``.
        where: What counts; where fewer than ``k`` do, all that count get 1.

    References:
        Blondel, Teboul, Berthet, Djolonga (2020), Fast differentiable sorting and ranking.
        Sander, Puigcerver, Djolonga, Peyre, Blondel (2023), Fast, differentiable and sparse top-k.
    """
    check_choice(mode, ("hard", "smooth"), "mode")
    check_softness(softness)
    x = jnp.moveaxis(as_float(x), axis, -1)
    n = x.shape[-1]
    if not 0 <= k <= n:
        raise SettingError(
            f"{k} values are asked where there are {n}.", fix=f"Use 0 to {n}.", where="k"
        )
    mask = jnp.ones(x.shape, bool)
    if where is not None:
        mask = jnp.moveaxis(jnp.broadcast_to(where, jnp.moveaxis(x, -1, axis).shape), axis, -1)
    if mode == "hard":
        shares = ((hard_places(-x, mask) < k) & mask).astype(x.dtype)
    else:
        shares = _projected(jnp.where(mask, x, 0.0) / softness, k, mask)
    return jnp.moveaxis(shares, -1, axis)


def _projected(z: jax.Array, k: int, mask: jax.Array) -> jax.Array:
    n = z.shape[-1]
    wanted = jnp.minimum(k, jnp.sum(mask, axis=-1, keepdims=True))
    if k in (0, n):
        return mask.astype(z.dtype) * (k > 0) + 0.0 * z
    # Only values within 1 of the k-th largest can have a share between 0 and 1. Seen from there
    # and held at 2, the numbers stay of ordinary size however small the softness is.
    down = -jnp.sort(jnp.where(mask, -z, jnp.inf), axis=-1)
    edge = jax.lax.stop_gradient(jnp.take_along_axis(down, jnp.maximum(wanted - 1, 0), axis=-1))
    held = jnp.clip(z - jnp.where(jnp.isfinite(edge), edge, 0.0), -2.0, 2.0)
    t = _threshold(jnp.where(mask, held, -2.0), wanted.astype(z.dtype))
    return jnp.where(mask, _clipped(held - t), 0.0)


def _clipped(x: jax.Array) -> jax.Array:
    # Of a tie, `clip` would pass on half a gradient.
    return jnp.where(x <= 0, 0.0, jnp.where(x >= 1, 1.0, x))


@jax.custom_jvp
def _threshold(z: jax.Array, wanted: jax.Array) -> jax.Array:
    """``t`` with ``sum clip(z - t, 0, 1) = wanted``, by halving the interval."""

    def halve(_: int, ends: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        low, high = ends
        middle = 0.5 * (low + high)
        many = jnp.sum(_clipped(z - middle), axis=-1, keepdims=True) > wanted
        return jnp.where(many, middle, low), jnp.where(many, high, middle)

    start = (jnp.full_like(z[..., :1], -3.0), jnp.full_like(z[..., :1], 3.0))
    low, high = jax.lax.fori_loop(0, _MOST_STEPS, halve, start)
    # Within the last interval the sum is a straight line: solved exactly.
    t = 0.5 * (low + high)
    over = z - t
    inside = (over > 0) & (over < 1)
    number = jnp.sum(inside, axis=-1, keepdims=True)
    excess = jnp.sum(_clipped(over), axis=-1, keepdims=True) - wanted
    return t + jnp.where(number > 0, excess / jnp.maximum(number, 1), 0.0)


@_threshold.defjvp
def _threshold_jvp(primals: tuple, tangents: tuple) -> tuple:
    z, wanted = primals
    t = _threshold(z, wanted)
    over = z - t
    inside = ((over > 0) & (over < 1)).astype(z.dtype)
    number = jnp.maximum(jnp.sum(inside, axis=-1, keepdims=True), 1.0)
    return t, jnp.sum(inside * tangents[0], axis=-1, keepdims=True) / number
