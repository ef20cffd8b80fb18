"""Counts that a program has shared out among genes (salmon, kallisto, RSEM): whole once rounded."""

from typing import Any

import numpy as np

from diffbio_engine.data.inspection.raw_counts import as_matrix
from diffbio_engine.data.matrix.in_memory import InMemory
from diffbio_engine.data.matrix.matrices import Matrix
from diffbio_engine.data.matrix.whole_numbers import not_whole

# Genes that share no read with others have whole estimates; of values that were divided by length
# or depth next to none are whole. Totals of estimates are those of the library, and differ.
_SOME_WHOLE, _A_LIBRARY, _ALIKE, _LARGEST_LOGARITHM = 0.05, 1.5e6, 2e-3, 30.0


def said_of_estimates(matrix: Any) -> str:
    """How many values are no whole numbers, where these are estimated counts; else empty.

    Empty for counts, logarithms, negative or missing values, and for what was divided by depth
    or length (TPM, CPM: all samples add up to the same; FPKM: hardly a value is whole).
    """
    rows = as_matrix(matrix).load()
    values = np.asarray(rows.data, np.float64)
    if not values.size or not np.isfinite(values).all() or values.min() < 0:
        return ""
    broken = not_whole(values)
    totals = np.asarray(rows.sum(axis=1), np.float64).ravel()
    alike = np.ptp(totals) <= _ALIKE * totals.mean()
    if not broken.any() or alike or values.max() <= _LARGEST_LOGARITHM:
        return ""
    if 1 - broken.mean() < _SOME_WHOLE and np.median(totals) < _A_LIBRARY:
        return ""
    n, of = int(broken.sum()), int(np.prod(rows.shape))
    return f"{n:,} of {of:,} counts are estimates that are not whole; a run rounds them."


COUNTS_OF_SAMPLES = (
    "Bring the counts themselves: of salmon the column NumReads, of RSEM expected_count, or what"
    " featureCounts, HTSeq or STAR count. They cannot be had back from TPM, FPKM or CPM."
)


def said_of_normalised(matrix: Any, place: str) -> str:
    """What values of samples are that are no counts, and what to bring instead."""
    rows = as_matrix(matrix).load()
    totals = np.asarray(rows.sum(axis=1), np.float64).ravel()
    alike = bool(totals.size) and np.ptp(totals) <= _ALIKE * abs(totals.mean())
    adds_up = f" (each sample adds up to {totals.mean():,.0f}, as TPM and CPM do)" if alike else ""
    return (
        f"{place} holds no counts{adds_up}, so it cannot be compared by differential expression."
        f" {COUNTS_OF_SAMPLES}"
    )


def rounded_estimates(matrix: Any, place: str) -> tuple[Matrix, list[str]]:
    """Estimated counts as whole numbers, and what is to be said; anything else as it is."""
    said = said_of_estimates(matrix)
    if not said:
        return as_matrix(matrix), []
    return InMemory(as_matrix(matrix).load()).of_whole_numbers(), [f"{place}: {said}"]
