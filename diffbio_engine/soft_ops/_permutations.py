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
from functools import partial

import jax
import jax.numpy as jnp

from diffbio_engine.soft_ops import elementwise
from diffbio_engine.soft_ops._modes import SoftMode
from diffbio_engine.soft_ops._simplex import project

# As many as a processor's cache holds: twice as fast as sixteen times as many.
_NUMBERS_AT_ONCE = 250_000


type RowMaker = Callable[[jax.Array], jax.Array]
"""From places (..., rows) to the shares (..., rows, [n]) of the values that stand there."""


def hard_order(x: jax.Array, where: jax.Array | None) -> jax.Array:
    """Positions of the values in order, (..., n): first those that count, the smallest first."""
    return jnp.argsort(x if where is None else jnp.where(where, x, jnp.inf), axis=-1)


def hard_places(x: jax.Array, where: jax.Array | None) -> jax.Array:
    """The place of each value in that order, from 0: the inverse of it. Of ties, as they stand."""
    return jnp.argsort(hard_order(x, where), axis=-1)


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
    far = _distance_to_all(x, counted, jnp.asarray(softness, x.dtype), mode)[..., None, :]

    def rows(places: jax.Array) -> jax.Array:
        place = places[..., None].astype(x.dtype)
        scores = ((2 * place + 1 - n) * x[..., None, :] - far) / softness
        mask = None if where is None else (place < n) & where[..., None, :]
        return project(scores, mode, mask)

    return rows


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def _distance_to_all(
    x: jax.Array, counted: jax.Array, softness: jax.Array, mode: SoftMode
) -> jax.Array:
    """Sum of the soft distances of each value to all that count; O(n^2) time, O(n) memory."""

    def to_some(some: jax.Array) -> jax.Array:  # (rows, ...)
        far = _apart(some, x, softness, mode)[1] * counted[..., None, :]
        return jnp.moveaxis(jnp.sum(far, axis=-1), -1, 0)

    rows = jnp.moveaxis(x, -1, 0)
    return jnp.moveaxis(by_rows(to_some, rows, numbers_per_row=x.size), 0, -1)


def _distance_forward(
    x: jax.Array, counted: jax.Array, softness: jax.Array, mode: SoftMode
) -> tuple[jax.Array, tuple]:
    return _distance_to_all(x, counted, softness, mode), (x, counted, softness)


def _distance_backward(mode: SoftMode, kept: tuple, wanted: jax.Array) -> tuple:
    """The way back, each pair looked at from one of its ends, so that only rows are summed.

    With ``f`` the soft distance of a pair, an even function: ``sum_j (w_i c_j + w_j c_i) f'(x_i -
    x_j)`` for ``x_i``. As ``f(a d, a s) = a f(d, s)``, the softness has ``(f - d f') / s``.
    """
    x, counted, softness = kept

    def to_some(some: tuple) -> tuple:  # (rows, ...) each
        value, weight, there = some
        apart, far, slope = _apart(value, x, softness, mode)
        ends = [jnp.moveaxis(a, 0, -1)[..., None] for a in (weight, there)]
        seen = ends[0] * counted[..., None, :]
        both = seen + ends[1] * wanted[..., None, :]
        by_x = jnp.sum(both * slope, axis=-1)
        by_softness = jnp.sum(seen * (far - apart * slope), axis=-1)
        return jnp.moveaxis(by_x, -1, 0), jnp.moveaxis(by_softness, -1, 0)

    rows = tuple(jnp.moveaxis(a, -1, 0) for a in (x, wanted, counted))
    by_x, by_softness = by_rows(to_some, rows, numbers_per_row=x.size, kept=True)
    back = jnp.sum(by_softness) / softness
    return jnp.moveaxis(by_x, 0, -1), None, back.astype(softness.dtype)


_distance_to_all.defvjp(_distance_forward, _distance_backward)


def _apart(
    some: jax.Array, x: jax.Array, softness: jax.Array, mode: SoftMode
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Of some values (rows, ...) to all, (..., rows, n): difference, soft distance, its slope."""
    apart = jnp.moveaxis(some, 0, -1)[..., None] - x[..., None, :]
    far, slope = jax.jvp(
        lambda d: elementwise.abs(d, softness, mode), (apart,), (jnp.ones_like(apart),)
    )
    return apart, far, slope


def rows_at_once(n: int, numbers_per_row: int) -> int:
    """How many of ``n`` rows are made together."""
    return min(n, max(1, _NUMBERS_AT_ONCE // max(numbers_per_row, 1)))


def by_rows[Rows, Answer](
    function: Callable[[Rows], Answer], rows: Rows, *, numbers_per_row: int, kept: bool = False
) -> Answer:
    """``function`` on some rows after the others, so many at once that memory stays small.

    Args:
        function: Of an array (some, ...), or of several, to such.
        rows: (n, ...).
        numbers_per_row: How large what it makes on its way is.
        kept: Nothing needs to be computed again for the gradient.
    """
    n = jax.tree.leaves(rows)[0].shape[0]
    if not kept:
        function = jax.checkpoint(function)
    size = rows_at_once(n, numbers_per_row)
    if size == n:
        return function(rows)

    def parts(a: jax.Array) -> jax.Array:
        filled = jnp.concatenate([a, jnp.repeat(a[-1:], -n % size, axis=0)])
        return filled.reshape(-1, size, *a.shape[1:])

    found = jax.lax.map(function, jax.tree.map(parts, rows))
    return jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:])[:n], found)


ROW_MAKERS = {"softsort": softsort, "neuralsort": neuralsort}
