"""Values of some genes for every record, summed over the stored values of a matrix in one look."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

_ROWS_AT_ONCE = 4096

type Columns = tuple[int, ...]


def log_normalised(values: np.ndarray, totals: np.ndarray) -> np.ndarray:
    """``log(1 + counts per 10 000)`` of single counts, by the totals of their records."""
    return np.log1p(values / np.maximum(totals, 1) * 1e4)


def as_stored(values: np.ndarray, totals: np.ndarray) -> np.ndarray:
    """The values as they are."""
    return values


def summed(
    matrix: Any,
    n: int,
    columns: Iterable[int],
    made: Callable[[np.ndarray, np.ndarray], np.ndarray],
    totals: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Sum over columns of what is made of each stored value, and the totals of the records.

    Args:
        matrix: Compressed sparse rows in memory, or in blocks on disk.
        n: How many records.
        made: Of values and the totals of their records; of zero it must make zero, because zeros
            are not stored.
        totals: The totals, where they are known.

    Returns:
        Both float32 ``(n,)``. Cost: O(stored values), without a copy.
    """
    sums, known = np.zeros(n, np.float32), totals is not None
    totals = np.zeros(n, np.float32) if totals is None else totals
    on_disk = hasattr(matrix, "block")
    chosen = np.fromiter(columns, int)
    for start in range(0, n, _ROWS_AT_ONCE if on_disk else max(n, 1)):
        block = matrix.block(start, start + _ROWS_AT_ONCE) if on_disk else matrix
        rows = slice(start, start + block.shape[0])
        if not known:
            totals[rows] = block @ np.ones(block.shape[1], np.float32)
        wanted = np.zeros(block.shape[1], bool)
        wanted[chosen] = True
        there = np.flatnonzero(wanted[block.indices])
        at = np.searchsorted(block.indptr, there, side="right") - 1
        sums[rows] = np.bincount(
            at, made(block.data[there], totals[rows][at]), minlength=block.shape[0]
        )
    return sums, totals


def columns_by_name(*names: Iterable[str]) -> tuple[dict[str, Columns], dict[str, Columns]]:
    """Columns of each gene as it is written, and in small letters, where there may be several.

    Args:
        names: Ways in which the genes are called, the foremost first: keys, symbols.
    """
    exact: dict[str, Columns] = {}
    small: dict[str, Columns] = {}
    for way in names:
        of_these: dict[str, Columns] = {}
        for i, name in enumerate(map(str, way)):
            exact.setdefault(name, (i,))
            of_these[name.lower()] = (*of_these.get(name.lower(), ()), i)
        small = {**of_these, **small}
    return exact, small
