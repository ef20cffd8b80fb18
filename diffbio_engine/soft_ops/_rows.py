"""An array seen as rows along one axis: its places in soft order, and the way back."""

from typing import Literal

import jax
import jax.numpy as jnp

from diffbio_engine.errors import DataError
from diffbio_engine.soft_ops._modes import (
    MODES,
    Mode,
    SoftIndex,
    as_float,
    check_choice,
    check_softness,
)
from diffbio_engine.soft_ops._permutations import (
    ROW_MAKERS,
    RowMaker,
    by_rows,
    rows_at_once,
    sorted_anchors,
)
from diffbio_engine.soft_ops._simplex import project
from diffbio_engine.soft_ops._standardize import standardized

Method = Literal["softsort", "neuralsort"]
METHODS: tuple[Method, ...] = ("softsort", "neuralsort")


class Rows:
    """An array seen as rows along one axis, and the way back."""

    def __init__(
        self,
        x: jax.Array,
        axis: int | None,
        where: jax.Array | None,
        softness: float | jax.Array,
        mode: Mode,
        method: str,
        standardize: bool,
    ) -> None:
        check_choice(mode, MODES, "mode")
        check_choice(method, METHODS, "method")
        self.softness, self.mode, self.method = check_softness(softness), mode, method
        x = as_float(x)
        self.where = None
        if where is not None:
            where = jnp.broadcast_to(where, x.shape)
        self._flattened_from = x.ndim if axis is None else None
        if axis is None:
            x, axis = x.ravel(), 0
            where = None if where is None else where.ravel()
        self.axis = axis % x.ndim
        self.x = jnp.moveaxis(x, self.axis, -1)
        self.n = self.x.shape[-1]
        if not self.n:
            raise DataError("has no values.", fix="Give at least one.", where="x")
        if where is not None:
            self.where = jnp.moveaxis(where, self.axis, -1)
            # What does not count may be anything, also not a number.
            self.x = jnp.where(self.where, self.x, 0.0)
        self.compared = self.x
        if standardize and mode != "hard":
            self.compared = standardized(self.x, self.where)
        # What all rows have in common is computed once, however many are asked for.
        self._soft_rows: RowMaker | None = None
        if mode != "hard":
            self._soft_rows = ROW_MAKERS[method](self.compared, self.softness, mode, self.where)
        else:
            ends = self.x if self.where is None else jnp.where(self.where, self.x, jnp.inf)
            self._order = jnp.argsort(ends, axis=-1)

    # -- places ----------------------------------------------------------------------------

    def count(self) -> jax.Array:
        """How many values count, (..., 1)."""
        if self.where is None:
            return jnp.full((1,), self.n)
        return jnp.sum(self.where, axis=-1, keepdims=True)

    def from_start(self, i: int) -> jax.Array:
        """The ``i``-th smallest place, (1,)."""
        return jnp.full((1,), i)

    def from_end(self, i: int) -> jax.Array:
        """The ``i``-th largest place, (..., 1); past the smallest there is none: ``n``."""
        place = self.count() - 1 - i
        return jnp.where(place < 0, self.n, place)

    def all_places(self, descending: bool) -> jax.Array:
        """Every place in order, (..., n)."""
        if not descending:
            return jnp.arange(self.n)
        place = self.count() - 1 - jnp.arange(self.n)
        return jnp.where(place < 0, self.n, place)

    # -- shares and values -----------------------------------------------------------------

    def shares(self, places: jax.Array) -> SoftIndex:
        """(..., rows, [n])."""
        if self._soft_rows is None:
            places = jnp.broadcast_to(places, (*self.x.shape[:-1], places.shape[-1]))
            known = places < self.count()
            chosen = jnp.take_along_axis(self._order, jnp.minimum(places, self.n - 1), axis=-1)
            return jax.nn.one_hot(chosen, self.n, dtype=self.x.dtype) * known[..., None]
        rows = self._soft_rows(jnp.minimum(places, self.n - 1))
        return rows if self.where is None else rows * (places < self.count())[..., None]

    def values(self, places: jax.Array, gated_grad: bool) -> jax.Array:
        """Means under the shares, (..., rows), without keeping the shares."""
        places = jnp.broadcast_to(places, (*self.x.shape[:-1], places.shape[-1]))
        if self.mode == "hard":
            order = jnp.take_along_axis(self.x, self._order, axis=-1)
            found = jnp.take_along_axis(order, jnp.minimum(places, self.n - 1), axis=-1)
            return jnp.where(places < self.count(), found, 0.0)

        @jax.checkpoint
        def of_some(some: jax.Array) -> jax.Array:  # (rows, ...)
            shares = self.shares(jnp.moveaxis(some, 0, -1))
            return jnp.moveaxis(self.mean_under(shares, gated_grad), -1, 0)

        rows = jnp.moveaxis(places, -1, 0)
        return jnp.moveaxis(by_rows(of_some, rows, numbers_per_row=self.x.size), 0, -1)

    def mean_under(self, shares: SoftIndex, gated_grad: bool) -> jax.Array:
        """Means of the values under shares (..., rows, [n])."""
        if not gated_grad:
            shares = jax.lax.stop_gradient(shares)
        return jnp.einsum("...rn,...n->...r", shares, self.x)

    def ranks(self, descending: bool) -> jax.Array:
        """(..., n), from 1."""
        n = self.count()
        if self.mode == "hard":
            # The place of each value in the order is the inverse of the order.
            mask = self.where
            key = -self.x if descending else self.x
            key = key if mask is None else jnp.where(mask, key, jnp.inf)
            ranks = jnp.argsort(jnp.argsort(key, axis=-1), axis=-1).astype(self.x.dtype) + 1.0
        else:
            ranks = self._softsort_ranks() if self.method == "softsort" else self._mean_places()
            ranks = n + 1.0 - ranks if descending else ranks
        return ranks if self.where is None else jnp.where(self.where, ranks, 0.0)

    def _softsort_ranks(self) -> jax.Array:
        """Each value's shares of the sorted values, and so its mean place."""
        v = self.compared
        anchors, known = sorted_anchors(v, self.where)
        places = jnp.arange(1, self.n + 1, dtype=v.dtype)
        mask = None if known is None else known[..., None, :]
        mode = self.mode
        assert mode != "hard"

        @jax.checkpoint
        def of_some(some: jax.Array) -> jax.Array:
            apart = jnp.abs(jnp.moveaxis(some, 0, -1)[..., None] - anchors[..., None, :])
            shares = project(-apart / self.softness, mode, mask)
            return jnp.moveaxis(shares @ places, -1, 0)

        rows = jnp.moveaxis(v, -1, 0)
        return jnp.moveaxis(by_rows(of_some, rows, numbers_per_row=v.size), 0, -1)

    def _mean_places(self) -> jax.Array:
        """Mean of the places of each value, weighted by its shares in them."""
        size = rows_at_once(self.n, self.x.size)
        n_parts = -(-self.n // size)
        every = jnp.arange(n_parts * size).reshape(n_parts, size)

        @jax.checkpoint
        def add(sums: tuple[jax.Array, jax.Array], places: jax.Array) -> tuple:
            shares = self.shares(places) * (places < self.n)[:, None]
            weighted = jnp.einsum("...rn,r->...n", shares, places + 1.0)
            return (sums[0] + weighted, sums[1] + jnp.sum(shares, axis=-2)), None

        zero = jnp.zeros_like(self.x)
        (weighted, total), _ = jax.lax.scan(add, (zero, zero), every)
        return weighted / jnp.where(total == 0, 1.0, total)

    # -- the way back ----------------------------------------------------------------------

    def back(self, rows: jax.Array) -> jax.Array:
        """(..., rows) with the rows where the axis was."""
        return jnp.moveaxis(rows, -1, self.axis)

    def order_out(self, shares: SoftIndex) -> SoftIndex:
        """(..., rows, [n]) with the rows where the axis was."""
        return jnp.moveaxis(shares, -2, self.axis)

    def index_out(self, shares: SoftIndex, keepdims: bool) -> SoftIndex:
        """(..., 1, [n]) without the place that was asked for, or with it where the axis was."""
        if not keepdims:
            return shares[..., 0, :]
        kept = self.order_out(shares)
        return kept if self._flattened_from is None else kept.reshape(*self._ones(), self.n)

    def value_out(self, values: jax.Array, keepdims: bool) -> jax.Array:
        """(..., 1) likewise."""
        if not keepdims:
            return values[..., 0]
        kept = self.back(values)
        return kept if self._flattened_from is None else kept.reshape(self._ones())

    def _ones(self) -> tuple[int, ...]:
        return (1,) * (self._flattened_from or 0)
