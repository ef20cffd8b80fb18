"""Sorted values and ranks by projection onto the permutahedron, for rows with a mask.

Both are values and not shares of positions: there is no soft index to be had this way.
"""

import jax
import jax.numpy as jnp

from diffbio_engine.soft_ops._modes import SoftMode
from diffbio_engine.soft_ops._permutahedron import project_onto_permutahedron
from diffbio_engine.soft_ops._permutations import hard_order, sorted_anchors
from diffbio_engine.soft_ops._standardize import Scale, standardized


def fast_sorted(
    x: jax.Array,
    softness: float | jax.Array,
    mode: SoftMode,
    scale: Scale | None,
    where: jax.Array | None,
) -> jax.Array:
    """Soft sorted values of ``x`` (..., n), ascending; those that count come first."""
    anchors, known = sorted_anchors(x, where)
    known = jnp.ones_like(x, bool) if known is None else known
    w = anchors if scale is None else jnp.where(known, standardized(anchors, scale), 0.0)
    places = jnp.arange(x.shape[-1], dtype=x.dtype)
    per_step = 1.0 / (_steps(known, x.dtype) * softness)
    y, alone = project_onto_permutahedron(places, w, per_step, known, mode)
    if scale is None:
        return y
    # A mixture of values lies strictly between 0 and 1, as far as its float can tell.
    y = jnp.clip(y, jnp.finfo(y.dtype).eps, 1.0 - jnp.finfo(y.dtype).eps)
    return jnp.where(alone, anchors, scale.back(y, 1.0 - y))


def fast_ranks(
    compared: jax.Array, softness: float | jax.Array, mode: SoftMode, where: jax.Array | None
) -> jax.Array:
    """Soft ranks of ``compared`` (..., n), from 1, the smallest first."""
    order = hard_order(compared, where)
    known = jnp.ones_like(compared, bool)
    if where is not None:
        known = jnp.take_along_axis(where, order, axis=-1)
    z = jnp.where(known, jnp.take_along_axis(compared, order, axis=-1), 0.0)
    steps = _steps(known, compared.dtype)
    # From 1 and not from 0: next to 0 the p-norms would tell places further apart than elsewhere.
    places = jnp.arange(1, compared.shape[-1] + 1, dtype=compared.dtype)
    w = jnp.where(known, places / steps, 0.0)
    y, _ = project_onto_permutahedron(z, w, jnp.asarray([1.0]) / softness, known, mode)
    back = jnp.argsort(order, axis=-1)
    return jnp.take_along_axis(steps * y, back, axis=-1)


def _steps(known: jax.Array, dtype: jnp.dtype) -> jax.Array:
    """From the first place to the last, (..., 1); 1 where there are no two."""
    return jnp.maximum(jnp.sum(known, axis=-1, keepdims=True) - 1, 1).astype(dtype)
