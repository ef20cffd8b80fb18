"""An array seen as rows along one axis: its places in soft order, and the way back."""

from functools import cached_property
from typing import Literal

import jax
import jax.numpy as jnp

from diffbio_engine.errors import DataError, SettingError
from diffbio_engine.soft_ops._fast_soft_sort import fast_ranks, fast_sorted
from diffbio_engine.soft_ops._modes import (
    MODES,
    Mode,
    SoftIndex,
    SoftMode,
    as_float,
    check_choice,
    check_softness,
)
from diffbio_engine.soft_ops._permutations import (
    ROW_MAKERS,
    RowMaker,
    by_rows,
    hard_order,
    hard_places,
    rows_at_once,
    sorted_anchors,
)
from diffbio_engine.soft_ops._simplex import project
from diffbio_engine.soft_ops._sorting_network import SortingNetwork
from diffbio_engine.soft_ops._standardize import Scale, scale_of, standardized

Method = Literal["softsort", "neuralsort", "sorting_network", "fast_soft_sort", "ot", "smooth_sort"]
# The last two are softjax's and are handed over before an array is seen as rows.
METHODS: tuple[Method, ...] = ("softsort", "neuralsort", "sorting_network", "fast_soft_sort")


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
        self._scale: Scale | None = None
        if standardize and mode != "hard":
            self._scale = scale_of(self.x, self.where)
            self.compared = standardized(self.x, self._scale)

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

    # -- what all rows have in common, computed once however many are asked for -------------

    @cached_property
    def _order(self) -> jax.Array:
        return hard_order(self.x, self.where)

    @cached_property
    def _network(self) -> SortingNetwork:
        channels = [self.compared]
        if self._scale is not None:
            # Large values lie so near 1 that only what they lack to it tells them apart.
            channels.append(standardized(2 * self._scale.mean - self.x, self._scale))
        return SortingNetwork(jnp.stack(channels), self.softness, self._soft_mode, self.where)

    @cached_property
    def _soft_rows(self) -> RowMaker:
        if self.method == "sorting_network":
            return self._network.rows
        if self.method not in ROW_MAKERS:
            raise SettingError(
                f"{self.method} gives values and ranks, not the places of values.",
                fix="Use softsort, neuralsort or sorting_network.",
                where="method",
            )
        return ROW_MAKERS[self.method](self.compared, self.softness, self._soft_mode, self.where)

    @property
    def _soft_mode(self) -> SoftMode:
        assert self.mode != "hard"
        return self.mode

    # -- shares and values -----------------------------------------------------------------

    def shares(self, places: jax.Array) -> SoftIndex:
        """(..., rows, [n])."""
        if self.mode == "hard":
            places = jnp.broadcast_to(places, (*self.x.shape[:-1], places.shape[-1]))
            known = places < self.count()
            chosen = jnp.take_along_axis(self._order, jnp.minimum(places, self.n - 1), axis=-1)
            return jax.nn.one_hot(chosen, self.n, dtype=self.x.dtype) * known[..., None]
        rows = self._soft_rows(jnp.minimum(places, self.n - 1))
        return rows if self.where is None else rows * (places < self.count())[..., None]

    def values(self, places: jax.Array, gated_grad: bool) -> jax.Array:
        """Means under the shares, (..., rows), without keeping the shares."""
        places = jnp.broadcast_to(places, (*self.x.shape[:-1], places.shape[-1]))
        if self.mode == "hard" or self.sorts_values:
            found = self._sorted(gated_grad)
            found = jnp.take_along_axis(found, jnp.minimum(places, self.n - 1), axis=-1)
            return jnp.where(places < self.count(), found, 0.0)

        _ = self._soft_rows  # made out here: what is made inside may not be used outside

        def of_some(some: jax.Array) -> jax.Array:  # (rows, ...)
            shares = self.shares(jnp.moveaxis(some, 0, -1))
            return jnp.moveaxis(self.mean_under(shares, gated_grad), -1, 0)

        rows = jnp.moveaxis(places, -1, 0)
        return jnp.moveaxis(by_rows(of_some, rows, numbers_per_row=self.x.size), 0, -1)

    @property
    def sorts_values(self) -> bool:
        """Whether values are sorted as such, and are not the means under shares."""
        return self.mode != "hard" and self.method in ("sorting_network", "fast_soft_sort")

    def _sorted(self, gated_grad: bool) -> jax.Array:
        """All values in order, (..., n), those that count first."""
        if self.mode == "hard":
            return jnp.take_along_axis(self.x, self._order, axis=-1)
        if self.method == "fast_soft_sort":
            found = fast_sorted(self.x, self.softness, self._soft_mode, self._scale, self.where)
        else:
            sorted_channels = self._network.sorted(gated_grad)
            found = sorted_channels[0]
            if self._scale is not None:
                found = self._scale.back(found, sorted_channels[1])
        # What is no number makes its whole row so, here as in the other methods.
        total = jnp.sum(self.x, axis=-1, keepdims=True)
        return jnp.where(jnp.isnan(total), jnp.nan, found)

    @property
    def _needs_no_order(self) -> bool:
        return self.mode != "hard" and self.method == "softsort"

    def extreme(self, *, largest: bool) -> SoftIndex:
        """The shares of the last or the first place, (..., 1, [n]).

        Softsort's row of the largest value needs no order: the distances to it are the scores,
        shifted, and a projection does not feel a shift.
        """
        if not self._needs_no_order:
            return self.shares(self.from_end(0) if largest else self.from_start(0))
        towards = self.compared if largest else -self.compared
        return project(towards / self.softness, self._soft_mode, self.where)[..., None, :]

    def extreme_value(self, *, largest: bool, gated_grad: bool) -> jax.Array:
        """The mean under these shares, (..., 1), or the value that was sorted to that end."""
        if not self._needs_no_order:
            return self.values(self.from_end(0) if largest else self.from_start(0), gated_grad)
        return self.mean_under(self.extreme(largest=largest), gated_grad)

    def mean_under(self, shares: SoftIndex, gated_grad: bool) -> jax.Array:
        """Means of the values under shares (..., rows, [n])."""
        if not gated_grad:
            shares = jax.lax.stop_gradient(shares)
        return jnp.einsum("...rn,...n->...r", shares, self.x)

    def ranks(self, descending: bool) -> jax.Array:
        """(..., n), from 1."""
        n = self.count()
        if self.mode == "hard":
            upwards = -self.x if descending else self.x
            ranks = hard_places(upwards, self.where).astype(self.x.dtype) + 1.0
        elif self.method == "fast_soft_sort":
            upwards = -self.compared if descending else self.compared
            ranks = fast_ranks(upwards, self.softness, self._soft_mode, self.where)
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
        mode = self._soft_mode

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
        _ = self._soft_rows

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
