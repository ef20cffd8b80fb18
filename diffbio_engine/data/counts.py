"""Are these counts, and what is the soup they swim in?"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp

from diffbio_engine.data.matrices import InMemory, Matrix, OnDisk
from diffbio_engine.data.matrix_look import LOGGED, RAW, SCALED, look
from diffbio_engine.errors import DataError

_ROWS_AT_ONCE = 4096
# The share of cells that is taken for nearly empty where no empty droplets are in the file.
_LOW_SHARE = 0.1


def as_matrix(matrix: Any) -> Matrix:
    """Anything like a matrix, as something one can ask for rows."""
    return matrix if isinstance(matrix, InMemory | OnDisk) else InMemory(matrix)


def blocks_of(matrix: Matrix) -> Iterator[sp.csr_matrix]:
    """All rows, some thousand at a time."""
    for start in range(0, matrix.shape[0], _ROWS_AT_ONCE):
        yield matrix.block(start, min(start + _ROWS_AT_ONCE, matrix.shape[0]))


def require_counts(matrix: Any, place: str, others: Mapping[str, Matrix] | None = None) -> None:
    """Refuses what a count likelihood cannot take: fractions, NaN, negative numbers, no counts.

    In memory every value is looked at; on disk an even sample of rows.

    Args:
        matrix: What the port ``counts`` would get.
        place: Where it lies, for the sentence.
        others: Other matrices of the same data, to name the one that does hold counts.
    """
    matrix = as_matrix(matrix)
    if isinstance(matrix, InMemory):
        values, whole = matrix.load().data, f"of {matrix.load().data.size:,} values"
    else:
        starts = np.linspace(0, max(matrix.shape[0] - 128, 0), 16).astype(int)
        sample = [matrix.block(int(s), min(int(s) + 128, matrix.shape[0])).data for s in starts]
        values = np.concatenate(sample)
        whole = f"of {values.size:,} values looked at"
    if n := int(np.isnan(values).sum()):
        raise DataError(
            f"{place} holds {n:,} values that are not numbers (NaN), {whole}.",
            fix="Set missing counts to 0, or remove these cells or genes.",
            where="counts",
        )
    if n := int(np.isinf(values).sum()):
        raise DataError(
            f"{place} holds {n:,} infinite values.", fix="Remove these cells.", where="counts"
        )
    whole_numbers = bool(np.all(values == np.round(values)))
    if n := int((values < 0).sum()):
        if whole_numbers:
            raise DataError(
                f"{place} holds {n:,} negative numbers {whole} (lowest {values.min():,.0f}); "
                "counts cannot be negative.",
                fix="Choose the matrix of raw counts, or mend the file.",
                where="counts",
            )
        raise _not_counts(matrix, place, SCALED, others)
    if not whole_numbers:
        raise _not_counts(matrix, place, look(place, matrix).holds, others)
    if values.size == 0 or not values.any():
        raise DataError(f"{place} holds only zeros.", fix="Choose another.", where="counts")


def _not_counts(matrix: Matrix, place: str, holds: str, others: Any) -> DataError:
    word = {LOGGED: "log-normalised values", SCALED: "scaled values"}.get(
        holds, "normalised values"
    )
    better = [p for p, m in (others or {}).items() if look(p, m).holds == RAW]
    if better:
        fix = f"Use {better[0]}, which holds raw counts (field counts={better[0]})."
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
