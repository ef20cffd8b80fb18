"""Choosing by places that are not sure yet: every choice becomes a mean, weighted by the shares.

A soft index has one more axis at its end, ``[n]``: the share of each position. Where all of it lies
on one position these are the functions of the same names in ``jax.numpy`` and ``jax.lax``.
Gradients reach the values and the shares.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from diffbio_engine.errors import DataError
from diffbio_engine.soft_ops._modes import SoftBool, SoftIndex, as_float


def where(condition: SoftBool, x: jax.Array, y: jax.Array) -> jax.Array:
    """``x`` as far as the condition is true, else ``y``: ``c x + (1 - c) y``."""
    condition = as_float(condition)
    return condition * x + (1.0 - condition) * y


def take_along_axis(x: jax.Array, soft_index: SoftIndex, axis: int | None = -1) -> jax.Array:
    """Values at soft places along an axis.

    Args:
        x: (..., n, ...).
        soft_index: (..., k, ..., [n]): ``k`` places where ``x`` has its ``n`` values; the other
            axes broadcast against those of ``x``.
        axis: Along which; None for the flattened array, with an index (k, [n]).

    Returns:
        (..., k, ...).
    """
    x = as_float(x)
    if axis is None:
        x, axis = x.ravel(), 0
    axis = axis % x.ndim
    _fits(x.shape[axis], soft_index)
    values = jnp.moveaxis(x, axis, -1)[..., None, :]
    shares = jnp.moveaxis(soft_index, axis, -2)
    return jnp.moveaxis(jnp.sum(values * shares, axis=-1), -1, axis)


def take(x: jax.Array, soft_index: SoftIndex, axis: int | None = None) -> jax.Array:
    """Values at the same soft places of every row.

    Args:
        x: Any array with ``n`` values along the axis.
        soft_index: (..., [n]): any number of places.
        axis: Along which; None for the flattened array.

    Returns:
        The shape of ``x`` with the axis replaced by the axes of the index.
    """
    x = as_float(x)
    if axis is None:
        x, axis = x.ravel(), 0
    axis = axis % x.ndim
    _fits(x.shape[axis], soft_index)
    taken = jnp.tensordot(x, soft_index, axes=(axis, soft_index.ndim - 1))
    added = soft_index.ndim - 1
    last = tuple(range(taken.ndim - added, taken.ndim))
    return jnp.moveaxis(taken, last, tuple(range(axis, axis + added)))


def choose(soft_index: SoftIndex, choices: jax.Array) -> jax.Array:
    """A mixture of arrays: (..., [n]) shares of ``choices`` (n, ...), element by element."""
    choices = as_float(choices)
    _fits(choices.shape[0], soft_index)
    return jnp.sum(soft_index * jnp.moveaxis(choices, 0, -1), axis=-1)


def dynamic_index_in_dim(
    x: jax.Array, soft_index: SoftIndex, axis: int = 0, keepdims: bool = True
) -> jax.Array:
    """The slice at one soft place, ([n],), along an axis."""
    x = as_float(x)
    _fits(x.shape[axis], soft_index)
    found = jnp.tensordot(x, soft_index, axes=(axis % x.ndim, 0))
    return jnp.expand_dims(found, axis % x.ndim) if keepdims else found


def dynamic_slice_in_dim(
    x: jax.Array, soft_start_index: SoftIndex, slice_size: int, axis: int = 0
) -> jax.Array:
    """A window of fixed size that begins at a soft place; past the end it begins anew."""
    x = as_float(x)
    axis = axis % x.ndim
    n = x.shape[axis]
    _fits(n, soft_start_index)
    # Row i of the windows is what is seen from place i.
    seen = (jnp.arange(n)[:, None] + jnp.arange(slice_size)[None, :]) % n
    windows = jnp.take(x, seen, axis=axis)
    return jnp.tensordot(windows, soft_start_index, axes=(axis, 0))


def dynamic_slice(
    x: jax.Array, soft_start_indices: Sequence[SoftIndex], slice_sizes: Sequence[int]
) -> jax.Array:
    """``dynamic_slice_in_dim`` along every axis."""
    for axis, (start, size) in enumerate(zip(soft_start_indices, slice_sizes, strict=True)):
        x = dynamic_slice_in_dim(x, start, size, axis=axis)
    return x


def _fits(n: int, soft_index: SoftIndex) -> None:
    if soft_index.shape[-1] != n:
        raise DataError(
            f"has shares of {soft_index.shape[-1]} positions where there are {n}.",
            fix="Make the last axis of the index as long as the axis that is chosen from.",
            where="soft_index",
        )
