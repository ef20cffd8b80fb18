"""A bitonic sorting network whose every compare-and-swap is soft.

Two values ``a, b`` that should stand in this order become ``p a + (1 - p) b`` and
``(1 - p) a + p b`` with ``p = S((b - a) / softness)``, an S-curve. ``log2(n) (log2(n) + 1) / 2``
such steps sort ``n`` values: O(n log^2 n) for all sorted values, and as much for each row of the
permutation.

A network needs a power of two. Places without a value stand behind all values and are never
compared with one, however large, so nothing leaks from them.

References:
    Batcher (1968), Sorting networks and their applications.
    Petersen, Borgelt, Kuehne, Deussen (2021), Differentiable sorting networks for scalable sorting
    and ranking supervision.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from diffbio_engine.soft_ops._curves import s_curve
from diffbio_engine.soft_ops._modes import SoftMode


class SortingNetwork:
    """The swaps that put values in order, kept so that rows can be asked for.

    Args:
        values: (channels, ..., n). The first channel is compared, the others move with it.
        softness, mode: Of the comparisons.
        where: (..., n), which values count; the answer is as if there were no others.
    """

    def __init__(
        self,
        values: jax.Array,
        softness: float | jax.Array,
        mode: SoftMode,
        where: jax.Array | None = None,
    ) -> None:
        self._shape, self._n, self._dtype = values.shape[1:], values.shape[-1], values.dtype
        self._size = 1 << (self._n - 1).bit_length()
        self._steps = jnp.asarray(_steps(self._size))
        self._first: jax.Array | None = None
        if where is None:
            number: Any = self._n
        else:
            # Those that count come first, in the order in which they stand.
            self._first = jnp.argsort(~where, axis=-1, stable=True)
            values = jnp.take_along_axis(values, self._first[None], axis=-1)
            number = jnp.sum(where, axis=-1, keepdims=True)
        self._values = jnp.pad(values, [(0, 0)] * (values.ndim - 1) + [(0, self._size - self._n)])
        place = jnp.arange(self._size, dtype=jnp.int32)

        def step(values: jax.Array, how: jax.Array) -> tuple[jax.Array, jax.Array]:
            flip, apart, half = how
            compared = values[0]
            rise = _partner(compared, flip) - compared
            is_low = (place & apart) == 0
            stay = s_curve(jnp.where(is_low, rise, -rise), softness, mode)
            # What is not there stands behind all that is, and stays there. Where all that counts
            # is in the first half of the first block, it is in order already.
            swaps = (jnp.maximum(place, place ^ flip) < number) & (number > half)
            stay = jnp.where(swaps, stay, 1.0)
            return _swapped(values, flip, stay), stay

        self._sorted, self._stays = jax.lax.scan(step, self._values, self._steps)

    def sorted(self, gated_grad: bool = True) -> jax.Array:
        """All channels in order, (channels, ..., n), those that count first.

        Without ``gated_grad`` no gradient passes through the swaps.
        """
        if gated_grad:
            return self._sorted[..., : self._n]
        stays = jax.lax.stop_gradient(self._stays)
        return self._moved(self._values, stays, reverse=False)

    def rows(self, places: jax.Array) -> jax.Array:
        """Shares (..., rows, [n]) of the values that stand at these places, (..., rows)."""
        places = jnp.broadcast_to(places, (*self._shape[:-1], places.shape[-1]))
        shares = jax.nn.one_hot(places, self._size, dtype=self._dtype)
        # A swap is its own mirror image, so a row is followed from the end to the start.
        shares = self._moved(shares, self._stays[..., None, :], reverse=True)
        if self._first is None:
            return shares
        back = jnp.argsort(self._first, axis=-1)[..., None, :]
        return jnp.take_along_axis(shares, jnp.broadcast_to(back, shares.shape), axis=-1)

    def _moved(self, x: jax.Array, stays: jax.Array, reverse: bool) -> jax.Array:
        def step(x: jax.Array, how: tuple) -> tuple[jax.Array, None]:
            (flip, *_), stay = how
            return _swapped(x, flip, stay), None

        return jax.lax.scan(step, x, (self._steps, stays), reverse=reverse)[0][..., : self._n]


def _steps(size: int) -> np.ndarray:
    """Comparisons that are made at once, in blocks of values that come in order: (steps, 3).

    First, when both halves of a block are in order, each value of the first half meets its mirror
    image in the second; then partners stand half as far apart, and half again. So everything
    ascends, always. A step is: partner = place ^ flip; the lower partner has no bit ``apart``;
    half the size of the block.
    """
    found = []
    half = 1
    while half < size:
        apart = half
        while apart:
            found.append((2 * half - 1 if apart == half else apart, apart, half))
            apart //= 2
        half *= 2
    return np.asarray(found, np.int32).reshape(-1, 3)


def _partner(x: jax.Array, flip: jax.Array) -> jax.Array:
    place = jnp.arange(x.shape[-1], dtype=jnp.int32)
    return x.at[..., place ^ flip].get(mode="promise_in_bounds", unique_indices=True)


def _swapped(x: jax.Array, flip: jax.Array, stay: jax.Array) -> jax.Array:
    return x + (1.0 - stay) * (_partner(x, flip) - x)
