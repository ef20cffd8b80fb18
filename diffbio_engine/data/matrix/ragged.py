"""Rows of different lengths, one after the other in one array, and padded where they are drawn."""

from functools import cached_property

import numpy as np

from diffbio_engine.errors import DataError
from diffbio_engine.ports.alphabets import width_for

# Each width of a batch is compiled once, so there are few.
_MOST_BUCKETS = 4


class Ragged:
    """Rows of bytes, small whole numbers or real ones: a flat array and where each row begins.

    A batch is padded to the least of at most four widths (the longest row, a half, a quarter and
    an eighth of it) that holds all its rows; so a run compiles at most four shapes. Memory: one
    byte a position, four of a real number.

    Args:
        flat: All rows, uint8; int8 or int16, of which batches are int32; or float32.
        offsets: Where each begins, and where the last ends: int64, (n + 1,).
        fill: What stands past the end of a row.
        longest: Of a longer row only so many first positions are given; 0: all of it.
        widths: Of padded batches, ascending; made from the lengths if not given.
    """

    def __init__(
        self,
        flat: np.ndarray,
        offsets: np.ndarray,
        fill: float = 0,
        longest: int = 0,
        widths: tuple[int, ...] = (),
    ):
        flat = np.ascontiguousarray(flat)
        kept = flat.dtype in (np.int8, np.int16, np.float32)
        self.flat = flat if kept else flat.astype(np.uint8, copy=False)
        self.offsets, self.fill, self.longest = np.asarray(offsets, np.int64), fill, longest
        if self.offsets[0] != 0 or self.offsets[-1] != len(self.flat):
            raise DataError("The rows do not fill their array.", fix="Give it offsets of its own.")
        self._widths = widths

    @classmethod
    def of(cls, rows: list[np.ndarray], fill: int = 0, *, signed: bool = False) -> "Ragged":
        """From rows one by one; ``signed``: of numbers that may be below 0."""
        offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows], dtype=np.int64)])
        flat = np.concatenate(rows) if rows else np.zeros(0)
        return cls(flat.astype(np.int8 if signed else np.uint8), offsets, fill)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @cached_property
    def lengths(self) -> np.ndarray:
        """Of each row, as it is given: int64, (n,)."""
        lengths = np.diff(self.offsets)
        return np.minimum(lengths, self.longest) if self.longest else lengths

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """To which lengths batches are padded, ascending; at most four."""
        if self._widths:
            return self._widths
        longest = int(self.lengths.max(initial=0))
        shortest = int(self.lengths.min(initial=longest))
        if longest == shortest:
            return (max(longest, 1),)
        halves = (width_for(-(-longest // 2**k)) for k in range(_MOST_BUCKETS))
        return tuple(sorted({width for width in halves if width >= shortest}))

    @property
    def shape(self) -> tuple[int, int]:
        """Of all rows, padded to the widest."""
        return len(self), self.widths[-1]

    def rows(self, indices: np.ndarray) -> np.ndarray:
        """These rows, in this order, padded to one of the widths: (len, width)."""
        indices = np.asarray(indices)
        lengths = self.lengths[indices]
        longest = int(lengths.max(initial=0))
        width = next((w for w in self.widths if w >= longest), longest)
        there = np.arange(width) < lengths[:, None]
        dtype = np.int32 if self.flat.dtype.kind == "i" else self.flat.dtype
        out = np.full(there.shape, self.fill, dtype)
        out[there] = self.flat[(self.offsets[:-1][indices, None] + np.arange(width))[there]]
        return out

    def row(self, index: int) -> np.ndarray:
        """One whole row, as it is stored."""
        return self.flat[self.offsets[index] : self.offsets[index + 1]]

    def subset(self, indices: np.ndarray) -> "Ragged":
        """Some of the rows; batches of them are as wide as before."""
        rows = [self.row(i) for i in indices]
        offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows], dtype=np.int64)])
        flat = np.concatenate(rows) if rows else self.flat[:0]
        return Ragged(flat, offsets, self.fill, self.longest, self.widths)

    def up_to(self, longest: int) -> "Ragged":
        """The same rows, of each only so many first positions; nothing is copied."""
        return Ragged(self.flat, self.offsets, self.fill, longest)
