"""Looks at a sample of a matrix and says what it holds: counts, normalised, logarithms, scaled."""

import itertools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from diffbio_engine.data.matrix.in_memory import InMemory, Sample, Unread
from diffbio_engine.data.matrix.matrices import Matrix, OnDisk
from diffbio_engine.data.matrix.some_rows import SomeRows
from diffbio_engine.data.matrix.whole_numbers import are_whole, rounding_of

RAW, BINARY, NORMALISED, LOGGED, SCALED, UNKNOWN = (
    "raw counts",
    "zeros and ones",
    "normalised",
    "log-normalised",
    "scaled",
    "unknown",
)
# Counts shared out among genes, of which not all are whole: of samples alone, where many were seen.
ESTIMATED = "estimated counts"
# exp(30) is beyond any count, so larger values were not put through a logarithm.
_LARGEST_LOGARITHM = 30.0
_BLOCKS = 32
_FEW_VALUES, _FEW_ROWS = 200, 10
# A matrix stored by genes is read whole to get at cells, up to a size; of a larger one so much of
# it, spread evenly. It is read in pieces.
_READ_WHOLE, _READ_PART, _PIECE, _CELLS = 2**30, 256 * 2**20, 32 * 2**20, 256
_MOST_ODD = 16
# Totals of cells that differ by less (standard deviation by mean) were made alike.
_ALIKE, _MOST_ROWS = 0.05, 0.7


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
    per_cell: float = 0.0
    doubt: str = ""
    rounding: float = 0.0

    @property
    def sentence(self) -> str:
        """What a person reads."""
        if self.holds == UNKNOWN and self.not_numbers:
            what = f"{self.not_numbers} values that are not numbers (NaN)"
        elif self.holds == UNKNOWN:
            what = "values that fit neither counts nor a usual normalisation"
        else:
            what = self.holds if self.holds in (RAW, BINARY, ESTIMATED) else f"{self.holds} values"
        kind, told = ("whole numbers", ",.0f") if self.whole_numbers else ("fractions", ",.4g")
        if self.rounding:
            kind += f" but for rounding, by {self.rounding:.1g} at most"
        return (
            f"{self.place} holds {what} ({kind}, {self.smallest:{told}} to {self.largest:{told}}, "
            f"{self.zeros:.0%} zeros; {self.looked})."
            f"{' ' if self.doubt else ''}{self.doubt}"
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
    matrix = matrix.base if isinstance(matrix, SomeRows) else matrix
    rows, looked, whole_rows, zeros, filled, cells, whole_cells = sampled(matrix, n_rows)
    if whole_rows:
        cells = rows
    seen = judge(
        place, rows, matrix.stored, matrix.shape, looked, whole_rows=whole_rows, cells=cells,
        whole_cells=whole_cells,
    )  # fmt: skip
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
    if not whole_rows:
        # Only values that are not 0 were seen: what they make of a cell, the zeros tell.
        seen = replace(seen, per_cell=seen.per_cell * (1 - zeros))
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
    stacked = (sp.hstack if unit == "genes" else sp.vstack)(blocks, "csr") if blocks else None
    n = sum(b - a for a, b in runs)
    share = f"all {total:,}" if n == total else f"{n:,} of {total:,}"
    found = Sample(stacked, f"{share} {unit} looked at", whole_rows)
    if isinstance(matrix, OnDisk) and unit == "genes" and stacked is not None and n < total:
        # Only of whole numbers it is asked whether they are counts.
        if are_whole(stacked.data) and all(matrix.shape):
            found = _with_cells(matrix, found)
    elif unit == "genes" and stacked is not None:
        some = np.unique(np.linspace(0, max(n_cells - 1, 0), _CELLS).astype(int))
        found = found._replace(cells=stacked[some] if n_cells else None)
    if not isinstance(matrix, InMemory):
        matrix.close()
    return found


def _with_cells(matrix: OnDisk, found: Sample) -> Sample:
    """With whole cells of a matrix that is stored by genes; of a very large one a part of them.

    Fractions that come to light are added to what was seen.
    """
    cells = np.unique(np.linspace(0, matrix.shape[0] - 1, _CELLS).astype(int))
    width, whole = matrix._width, matrix.n_bytes <= _READ_WHOLE
    step = max(1, int(width * _PIECE / max(matrix.n_bytes, 1)))
    starts = np.arange(0, width, step)
    if not whole:
        starts = starts[
            np.unique(np.linspace(0, len(starts) - 1, _READ_PART // _PIECE).astype(int))
        ]
    parts: list[sp.csr_matrix] = []
    odd: list[float] = []
    n_seen = 0
    for start in starts.tolist():
        block = matrix.genes_block(start, min(start + step, width))
        n_seen += block.nnz
        parts.append(block[cells])
        odd_here = np.abs(block.data - np.round(block.data))
        fractions = block.data[odd_here > odd_here.max(initial=0.0) * 0.5][:_MOST_ODD]
        fractions = fractions[:0] if are_whole(fractions) else fractions
        odd += fractions[: _MOST_ODD - len(odd)].tolist()
    rows = found.rows
    if odd:
        strange = sp.csr_matrix((odd, (range(len(odd)), [0] * len(odd))), (rows.shape[0], 1))
        rows = sp.hstack([rows, strange], "csr") if len(odd) <= rows.shape[0] else rows
    judged = (
        f", and {len(cells):,} whole cells"
        if whole
        else f"; judged from {n_seen:,} of {matrix.n_bytes // 8:,} values"
    )
    return Sample(rows, found.looked + judged, False, cells=sp.hstack(parts, "csr"),
                  whole_cells=whole)  # fmt: skip


def judge(
    place: str,
    sample: Any,
    stored: str,
    shape: tuple[int, int],
    looked: str,
    *,
    whole_rows: bool,
    cells: Any = None,
    whole_cells: bool = True,
) -> MatrixPreview:
    """Says what a sample of rows (or of genes) holds; ``cells``: whole ones, if there are any."""
    values = np.asarray(sample.data if sample is not None else [], np.float64)
    size = int(np.prod(sample.shape)) if sample is not None else 0
    finite = values[np.isfinite(values)]
    rounding = rounding_of(finite)
    if rounding:
        finite, cells = np.round(finite), _rounded_off(cells)
    nonzero = finite[finite != 0]
    some_zero = len(nonzero) < size
    smallest = min(nonzero.min(initial=np.inf), 0.0 if some_zero else np.inf)
    largest = max(nonzero.max(initial=-np.inf), 0.0 if some_zero else -np.inf)
    whole = rounding is not None
    holds = _holds(len(finite) < len(values), nonzero, sample, whole, whole_rows)
    doubt = ""
    if holds == RAW and (doubt := _rounded(cells, whole_cells)):
        holds = NORMALISED
    return MatrixPreview(
        place=place,
        holds=holds,
        stored=stored,
        n_cells=shape[0],
        n_genes=shape[1],
        largest=float(largest) if size else 0.0,
        smallest=float(smallest) if size else 0.0,
        zeros=1.0 - len(nonzero) / size if size else 0.0,
        whole_numbers=whole,
        not_numbers=len(values) - len(finite),
        looked=looked,
        per_cell=float(finite.sum()) / size * shape[1] if size else 0.0,
        doubt=doubt,
        rounding=rounding or 0.0,
    )


def _rounded_off(cells: Any) -> Any:
    if cells is None:
        return None
    found = sp.csr_matrix(cells, copy=True)
    found.data = np.round(found.data)
    return found


def _holds(not_numbers: bool, nonzero: Any, sample: Any, whole: bool, whole_rows: bool) -> str:
    if len(nonzero) == 0 or not_numbers:
        return UNKNOWN
    if nonzero.min() < 0:
        return UNKNOWN if whole else SCALED
    if whole:
        return BINARY if len(nonzero) > _FEW_VALUES and nonzero.max() == 1 else RAW
    if whole_rows and _sums_are_equal(sample):
        return NORMALISED
    # Logarithms of counts go beyond one; shares and scaled maxima do not.
    return LOGGED if 1 < nonzero.max() <= _LARGEST_LOGARITHM else NORMALISED


def _rounded(sample: sp.csr_matrix | None, whole: bool) -> str:
    """Why whole numbers are no counts but normalised values that were rounded; empty if not.

    Molecules are counted from one, and their totals differ from cell to cell. Counts per million
    start at what one molecule is worth, go on in steps of it, and add up to nearly the same;
    counts that were thinned to one depth add up to exactly the same.

    Args:
        whole: Whether all genes of these cells are there; else nothing adds up.
    """
    if sample is None or sample.shape[0] < _FEW_ROWS:
        return ""
    rows = sp.csr_matrix(sample)
    sums = np.asarray(rows.sum(axis=1)).ravel()
    seen = [np.unique(rows.data[a:b]) for a, b in itertools.pairwise(rows.indptr)]
    lowest = [v[v > 0][:2] for v in seen if (v > 0).sum() > 1]
    if not lowest:
        return ""
    # A molecule is worth more where fewer were seen: its worth differs from cell to cell.
    differ = len({float(v[0]) for v in lowest}) > 2
    steps = [differ and v[0] > 1 and abs(v[1] - 2 * v[0]) <= 1 for v in lowest]
    above_one = float(np.mean([v[0] > 1 for v in lowest]))
    spread = float(sums.std() / max(sums.mean(), 1.0))
    alike = whole and spread < _ALIKE and np.ptp(sums) > 0
    # Of independent molecules a total varies at least as a Poisson number does.
    too_alike = alike and sums.std() < 0.5 * np.sqrt(sums.mean())
    if np.mean(steps) < _MOST_ROWS and not too_alike and not (alike and above_one > 0.5):
        return ""
    why = (
        f"all cells add up to nearly the same ({sums.mean():,.0f})"
        if alike
        else "the smallest value of a cell is seldom 1, and the next is twice that"
    )
    return f"These whole numbers look like rounded normalised values, not counts: {why}."


def _sums_are_equal(sample: sp.csr_matrix) -> bool:
    sums = np.asarray(sample.sum(axis=1)).ravel()
    sums = sums[sums > 0]
    return len(sums) > 1 and bool(np.ptp(sums) < 1e-3 * sums.mean())
