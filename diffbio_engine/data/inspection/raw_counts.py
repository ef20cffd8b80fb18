"""Are these counts, and what is the soup they swim in?"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp

from diffbio_engine.data.inspection.counts_place import counts_place
from diffbio_engine.data.matrix.matrices import InMemory, Matrix
from diffbio_engine.data.matrix.matrix_preview import LOGGED, SCALED, look
from diffbio_engine.data.matrix.whole_numbers import LEAST, rounding_of
from diffbio_engine.errors import DataError

_ROWS_AT_ONCE = 4096
_VALUES_AT_ONCE = 2**20
# The share of cells that is taken for nearly empty where no empty droplets are in the file.
_LOW_SHARE = 0.1


def as_matrix(matrix: Any) -> Matrix:
    """Anything like a matrix, as something one can ask for rows."""
    return matrix if isinstance(matrix, Matrix) else InMemory(matrix)


def blocks_of(matrix: Matrix) -> Iterator[sp.csr_matrix]:
    """All rows, some thousand at a time."""
    for start in range(0, matrix.shape[0], _ROWS_AT_ONCE):
        yield matrix.block(start, min(start + _ROWS_AT_ONCE, matrix.shape[0]))


def require_counts(matrix: Any, place: str, others: Mapping[str, Matrix] | None = None) -> Matrix:
    """Refuses what a count likelihood cannot take: fractions, NaN, negative numbers, no counts.

    In memory every value is looked at; on disk an even sample of rows.

    Args:
        matrix: What the port ``counts`` would get.
        place: Where it lies, for the sentence.
        others: Other matrices of the same data, to name the one that does hold counts.

    Returns:
        The matrix: whole numbers that were rounded on their way (22.999998) are whole again.
    """
    matrix = as_matrix(matrix)
    seen = _Seen()
    if isinstance(matrix, InMemory):
        values = matrix.load().data
        for start in range(0, values.size, _VALUES_AT_ONCE):
            seen.look(values[start : start + _VALUES_AT_ONCE])
        whole = f"of {values.size:,} values"
    else:
        for start in np.linspace(0, max(matrix.shape[0] - 128, 0), 16).astype(int):
            seen.look(matrix.block(int(start), min(int(start) + 128, matrix.shape[0])).data)
        whole = f"of {seen.n:,} values looked at"
    if seen.not_numbers:
        raise DataError(
            f"{place} holds {seen.not_numbers:,} values that are not numbers (NaN), {whole}.",
            fix="Set missing counts to 0, or remove these cells or genes.",
            where="counts",
        )
    if seen.infinite:
        raise DataError(
            f"{place} holds {seen.infinite:,} infinite values.",
            fix="Remove these cells.",
            where="counts",
        )
    if seen.negative and seen.fractions:
        raise _not_counts(matrix, place, SCALED, others)
    if seen.negative:
        raise DataError(
            f"{place} holds {seen.negative:,} negative numbers {whole} (lowest "
            f"{seen.lowest:,.0f}); counts cannot be negative.",
            fix="Choose the matrix of raw counts, or mend the file.",
            where="counts",
        )
    if seen.fractions:
        raise _not_counts(matrix, place, look(place, matrix).holds, others)
    if not seen.nonzero:
        raise DataError(f"{place} holds only zeros.", fix="Choose another.", where="counts")
    return matrix.of_whole_numbers() if seen.rounding else matrix


class _Seen:
    """What was seen in the values of a matrix so far."""

    def __init__(self) -> None:
        self.n = self.not_numbers = self.infinite = self.negative = 0
        self.fractions = self.nonzero = False
        self.lowest = self.rounding = 0.0

    def look(self, values: np.ndarray) -> None:
        self.n += values.size
        self.not_numbers += int(np.isnan(values).sum())
        self.infinite += int(np.isinf(values).sum())
        self.negative += int((values < -LEAST).sum())
        self.lowest = min(self.lowest, float(values.min(initial=0.0)))
        finite = values[np.isfinite(values)]
        rounding = rounding_of(finite)
        self.fractions |= rounding is None
        self.rounding = max(self.rounding, rounding or 0.0)
        self.nonzero |= bool(finite.any())


def _not_counts(matrix: Matrix, place: str, holds: str, others: Any) -> DataError:
    word = {LOGGED: "log-normalised values", SCALED: "scaled values"}.get(
        holds, "normalised values"
    )
    better, _ = counts_place([look(p, m) for p, m in (others or {}).items()])
    if better:
        fix = f"Use {better}, which holds raw counts (field counts={better})."
    else:
        fix = (
            "Bring the raw counts, for instance in adata.layers['counts'], or use a pipeline that "
            "starts from features or embeddings."
        )
    return DataError(
        f"{place} holds {word}, but a likelihood of counts needs raw counts (whole numbers).",
        fix=fix,
        where="counts",
    )


def ambient_profile(matrix: Matrix, *, low_counts_only: bool = True) -> np.ndarray:
    """Share of each gene in the soup of free RNA; sums to one.

    Estimated by the mean profile of all cells, or of the tenth of cells with the lowest totals,
    which come nearest to empty droplets where a filtered matrix has none. A rough estimate:
    with the unfiltered matrix at hand, put the profile of its empty droplets into ``var``.
    """
    totals = np.concatenate([np.asarray(b.sum(axis=1)).ravel() for b in blocks_of(matrix)])
    most = np.quantile(totals[totals > 0], _LOW_SHARE) if (totals > 0).any() else 0.0
    profile, start = np.zeros(matrix.shape[1]), 0
    for block in blocks_of(matrix):
        chosen = totals[start : start + block.shape[0]]
        start += block.shape[0]
        if low_counts_only:
            block = block[(chosen > 0) & (chosen <= most)]
        profile += np.asarray(block.sum(axis=0, dtype=np.float64)).ravel()
    total = profile.sum()
    if total <= 0 or not np.isfinite(total):
        raise DataError("There are no counts to estimate the ambient profile from.")
    return (profile / total).astype(np.float32)
