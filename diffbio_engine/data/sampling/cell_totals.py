"""Total counts of each cell over all genes of a file, which go beside the genes trained on."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from diffbio_engine.data.inspection.raw_counts import blocks_of
from diffbio_engine.data.matrix.matrices import Matrix
from diffbio_engine.errors import DataError

TOTAL_COUNTS = "total_counts"
# The place that stands for them, as `obs/batch` stands for a column: summed over all genes.
OVER_ALL_GENES = "counts:total"


def totals_of(counts: Matrix) -> np.ndarray:
    """Sum of each cell's counts over all genes, (cells,) float32; one pass over the matrix."""
    sums = [np.asarray(b.sum(axis=1, dtype=np.float64)).ravel() for b in blocks_of(counts)]
    return np.concatenate(sums).astype(np.float32)


def place_of_totals(fields: Mapping[str, str]) -> str | None:
    """Where the totals lie; who has counts and names no place has them summed."""
    place = fields.get(TOTAL_COUNTS)
    return OVER_ALL_GENES if place is None and "counts" in fields else place


def require_totals(values: Any, counts: Matrix | None, place: str) -> None:
    """Refuses a column that cannot be total counts: names, gaps, or less than what is counted."""
    found = np.asarray(values) if isinstance(values, np.ndarray) else None
    if found is None or not np.isfinite(found).all():
        raise DataError(
            f"{place} does not hold a number for each cell, so it cannot be its total counts.",
            fix=f"Choose a column of totals, or {OVER_ALL_GENES} to sum the counts of all genes.",
            where=TOTAL_COUNTS,
        )
    if counts is None:
        return
    seen = totals_of(counts)
    less = found < 0.999 * seen
    if less.any():
        raise DataError(
            f"{place} is less than the counts that are there in {less.sum():,} of {len(seen):,}"
            f" cells (for instance {found[less][0]:,.4g} where {seen[less][0]:,.0f} are counted),"
            " so it does not hold total counts.",
            fix=f"Choose a column of totals (not their logarithm), or {OVER_ALL_GENES}.",
            where=TOTAL_COUNTS,
        )
