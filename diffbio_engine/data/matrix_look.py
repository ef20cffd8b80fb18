"""Looks at a sample of a matrix and says what it holds: counts, normalised, logarithms, scaled."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from diffbio_engine.data.in_memory import InMemory, Sample, Unread
from diffbio_engine.data.matrices import Matrix, OnDisk

RAW, NORMALISED, LOGGED, SCALED, UNKNOWN = (
    "raw counts",
    "normalised",
    "log-normalised",
    "scaled",
    "unknown",
)
# exp(30) is beyond any count, so larger values were not put through a logarithm.
_LARGEST_LOGARITHM = 30.0
_BLOCKS = 32


@dataclass(frozen=True)
class MatrixPreview:
    """What a sample of a matrix shows."""

    place: str
    holds: str
    stored: str
    n_cells: int
    n_genes: int
    largest: float
    smallest: float
    zeros: float
    whole_numbers: bool
    not_numbers: int
    looked: str
    empty_cells: int = 0
    cells_looked_at: int = 0

    @property
    def sentence(self) -> str:
        """What a person reads."""
        if self.holds == UNKNOWN and self.not_numbers:
            what = f"{self.not_numbers} values that are not numbers (NaN)"
        elif self.holds == UNKNOWN:
            what = "values that fit neither counts nor a usual normalisation"
        else:
            what = f"{self.holds} values" if self.holds != RAW else RAW
        kind = "whole numbers" if self.whole_numbers else "fractions"
        return (
            f"{self.place} holds {what} ({kind}, {self.smallest:,.4g} to {self.largest:,.4g}, "
            f"{self.zeros:.0%} zeros; {self.looked})."
        )


def even_rows(n: int, m: int) -> list[tuple[int, int]]:
    """About ``m`` of ``n`` rows as short runs, spread evenly; deterministic."""
    if n <= m:
        return [(0, n)] if n else []
    n_blocks = min(_BLOCKS, m)
    length = m // n_blocks
    starts = np.linspace(0, n - length, n_blocks).astype(int)
    return [(int(s), int(s) + length) for s in starts]


def look(place: str, matrix: Matrix, n_rows: int = 512) -> MatrixPreview:
    """Says what a matrix holds from an even sample of its rows."""
    rows, looked, whole_rows, zeros, filled = sampled(matrix, n_rows)
    seen = judge(place, rows, matrix.stored, matrix.shape, looked, whole_rows=whole_rows)
    pointers = matrix.pointers
    if pointers is None and whole_rows and rows is not None:
        pointers = np.r_[0, np.cumsum(rows.getnnz(axis=1))]
    if pointers is not None:
        empty = int((np.diff(pointers) == 0).sum())
        seen = replace(seen, empty_cells=empty, cells_looked_at=len(pointers) - 1)
    elif filled is not None:
        n_cells = matrix.shape[0]
        seen = replace(seen, empty_cells=n_cells - filled, cells_looked_at=n_cells)
    if zeros is None:
        return seen
    return replace(seen, zeros=zeros, smallest=min(0.0, seen.smallest) if zeros else seen.smallest)


def sampled(matrix: Matrix, n_rows: int = 512) -> Sample:
    """An even sample of the rows of a matrix (of the genes, where it is stored by genes)."""
    if isinstance(matrix, Unread):
        return matrix.sample()
    n_cells, n_genes = matrix.shape
    unit = "rows"
    if isinstance(matrix, OnDisk) and matrix.stored == "CSC":
        runs, unit = even_rows(matrix._width, 64), "genes"
        blocks = [matrix.genes_block(a, b) for a, b in runs]
        total, whole_rows = matrix._width, False
    else:
        # A wide dense matrix is looked at more sparingly: about 64 MB at most.
        most = max(_BLOCKS, min(n_rows, 2**24 // max(n_genes, 1)))
        runs = even_rows(n_cells, most)
        blocks, total, whole_rows = [matrix.block(a, b) for a, b in runs], n_cells, True
    if not isinstance(matrix, InMemory):
        matrix.close()
    n = sum(b - a for a, b in runs)
    share = f"all {total:,}" if n == total else f"{n:,} of {total:,}"
    stacked = (sp.hstack if unit == "genes" else sp.vstack)(blocks, "csr") if blocks else None
    return Sample(stacked, f"{share} {unit} looked at", whole_rows)


def judge(
    place: str, sample: Any, stored: str, shape: tuple[int, int], looked: str, *, whole_rows: bool
) -> MatrixPreview:
    """Says what a sample of rows (or of genes) holds."""
    values = np.asarray(sample.data if sample is not None else [], np.float64)
    size = int(np.prod(sample.shape)) if sample is not None else 0
    finite = values[np.isfinite(values)]
    nonzero = finite[finite != 0]
    some_zero = len(nonzero) < size
    smallest = min(nonzero.min(initial=np.inf), 0.0 if some_zero else np.inf)
    largest = max(nonzero.max(initial=-np.inf), 0.0 if some_zero else -np.inf)
    whole = bool(np.all(nonzero == np.round(nonzero)))
    return MatrixPreview(
        place=place,
        holds=_holds(values, nonzero, sample, whole, whole_rows),
        stored=stored,
        n_cells=shape[0],
        n_genes=shape[1],
        largest=float(largest) if size else 0.0,
        smallest=float(smallest) if size else 0.0,
        zeros=1.0 - len(nonzero) / size if size else 0.0,
        whole_numbers=whole,
        not_numbers=len(values) - len(finite),
        looked=looked,
    )


def _holds(values: Any, nonzero: Any, sample: Any, whole: bool, whole_rows: bool) -> str:
    if len(nonzero) == 0 or len(nonzero) + np.sum(values == 0) < len(values):
        return UNKNOWN
    if nonzero.min() < 0:
        return UNKNOWN if whole else SCALED
    if whole:
        return RAW
    if whole_rows and _sums_are_equal(sample):
        return NORMALISED
    return LOGGED if nonzero.max() <= _LARGEST_LOGARITHM else NORMALISED


def _sums_are_equal(sample: sp.csr_matrix) -> bool:
    sums = np.asarray(sample.sum(axis=1)).ravel()
    sums = sums[sums > 0]
    return len(sums) > 1 and bool(np.ptp(sums) < 1e-3 * sums.mean())
