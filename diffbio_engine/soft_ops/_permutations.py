"""Rows of soft permutations: which value stands at which place of the sorted order.

Row ``r`` holds the shares of the values at place ``r`` (0 the smallest). Only the rows that are
asked for are made, so a maximum costs O(n) and not O(n^2).

* softsort: ``project(-|sorted_r - x| / softness)``;
* neuralsort: ``project(((2 r + 1 - n) x - sum_j |x - x_j|) / softness)``, with soft absolute
  values, so that every mode is as smooth as it says.

References:
    Prillo and Eisenschlos (2020), SoftSort: a continuous relaxation for the argsort operator.
    Grover, Wang, Zweig, Ermon (2019), Stochastic optimization of sorting networks via continuous
    relaxations.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from diffbio_engine.soft_ops import elementwise
from diffbio_engine.soft_ops._modes import SoftMode
from diffbio_engine.soft_ops._simplex import project

_NUMBERS_AT_ONCE = 4_000_000


type RowMaker = Callable[[jax.Array], jax.Array]
"""From places (..., rows) to the shares (..., rows, [n]) of the values that stand there."""


def sorted_anchors(x: jax.Array, where: jax.Array | None) -> tuple[jax.Array, jax.Array | None]:
    """The values in order, (..., n), those that count first; and which places hold one."""
    if where is None:
        return jnp.sort(x, axis=-1), None
    anchors = jnp.sort(jnp.where(where, x, jnp.inf), axis=-1)
    known = jnp.isfinite(anchors)
    return jnp.where(known, anchors, 0.0), known


def softsort(
    x: jax.Array, softness: float | jax.Array, mode: SoftMode, where: jax.Array | None = None
) -> RowMaker:
    """The rows of softsort for the values ``x`` (..., n); they are put in order once."""
    anchors, known = sorted_anchors(x, where)

    def rows(places: jax.Array) -> jax.Array:
        places = jnp.broadcast_to(places, (*x.shape[:-1], places.shape[-1]))
        anchor = jnp.take_along_axis(anchors, places, axis=-1)[..., None]
        mask = None
        if where is not None and known is not None:
            there = jnp.take_along_axis(known, places, axis=-1)[..., None]
            mask = there & where[..., None, :]
        return project(-jnp.abs(anchor - x[..., None, :]) / softness, mode, mask)

    return rows


def neuralsort(
    x: jax.Array, softness: float | jax.Array, mode: SoftMode, where: jax.Array | None = None
) -> RowMaker:
    """The rows of neuralsort for the values ``x`` (..., n); their distances are summed once."""
    counted = jnp.ones_like(x) if where is None else where.astype(x.dtype)
    n = jnp.sum(counted, axis=-1, keepdims=True)[..., None]
    far = _distance_to_all(x, counted, softness, mode)[..., None, :]

    def rows(places: jax.Array) -> jax.Array:
        place = places[..., None].astype(x.dtype)
        scores = ((2 * place + 1 - n) * x[..., None, :] - far) / softness
        mask = None if where is None else (place < n) & where[..., None, :]
        return project(scores, mode, mask)

    return rows


def _distance_to_all(
    x: jax.Array, counted: jax.Array, softness: float | jax.Array, mode: SoftMode
) -> jax.Array:
    """Sum of the soft distances of each value to all that count; O(n^2) time, O(n) memory."""

    @jax.checkpoint
    def to_some(some: jax.Array) -> jax.Array:  # (rows, ...)
        apart = jnp.moveaxis(some, 0, -1)[..., None] - x[..., None, :]
        far = elementwise.abs(apart, softness, mode) * counted[..., None, :]
        return jnp.moveaxis(jnp.sum(far, axis=-1), -1, 0)

    rows = jnp.moveaxis(x, -1, 0)
    return jnp.moveaxis(by_rows(to_some, rows, numbers_per_row=x.size), 0, -1)


def rows_at_once(n: int, numbers_per_row: int) -> int:
    """How many of ``n`` rows are made together."""
    return min(n, max(1, _NUMBERS_AT_ONCE // max(numbers_per_row, 1)))


def by_rows(
    function: Callable[[jax.Array], jax.Array], rows: jax.Array, *, numbers_per_row: int
) -> jax.Array:
    """``function`` on some rows after the others, so many at once that memory stays small."""
    n = rows.shape[0]
    size = rows_at_once(n, numbers_per_row)
    if size == n:
        return function(rows)
    padded = jnp.concatenate([rows, jnp.repeat(rows[-1:], -n % size, axis=0)])
    parts = jax.lax.map(function, padded.reshape(-1, size, *rows.shape[1:]))
    return parts.reshape(-1, *parts.shape[2:])[:n]


ROW_MAKERS = {"softsort": softsort, "neuralsort": neuralsort}
