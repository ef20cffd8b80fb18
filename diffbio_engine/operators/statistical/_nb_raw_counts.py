"""What a table of counts must be, before a model of counts is fitted to it."""

import numpy as np

from diffbio_engine.errors import DataError
from diffbio_engine.operators.statistical._nb_design_basis import dependent_columns

_ALIKE = 1e-3
_ROWS = 512  # that are looked at together
_LARGEST_LOG = 30.0


def whole_counts(counts: np.ndarray, dtype: type = np.float64) -> tuple[np.ndarray, str]:
    """Counts as whole numbers, and what is to be said of it; what is whole already is not copied.

    Estimated counts (salmon, kallisto, RSEM) are rounded. What was divided by depth (TPM, CPM) or
    is a logarithm is refused: how sure a count is cannot be seen from it any more.
    """
    counts = np.asarray(counts)
    n, exact, largest, totals = 0, counts.dtype == dtype, 0.0, np.zeros(len(counts))
    for start in range(0, len(counts), _ROWS):
        part = np.asarray(counts[start : start + _ROWS], float)
        if not np.isfinite(part).all() or (part < 0).any():
            raise DataError(
                "holds values that no count can be: negative, or not finite.",
                fix="Use raw counts.",
                where="counts",
            )
        away = np.abs(part - np.round(part))
        n, exact = n + int((away > 1e-3).sum()), exact and not away.any()
        largest = max(largest, float(part.max(initial=0.0)))
        totals[start : start + _ROWS] = part.sum(axis=1)
    whole = counts
    if not exact:
        whole = counts.astype(dtype)
        np.round(whole, out=whole)
    if not n:
        return whole, ""
    if np.ptp(totals) <= _ALIKE * totals.mean():
        raise DataError(
            f"adds up to {totals.mean():,.0f} in each sample: normalised values, such as TPM.",
            fix="Use the raw counts (of salmon the column NumReads, not TPM).",
            where="counts",
        )
    if largest < _LARGEST_LOG:
        raise DataError(
            f"is at most {largest:.1f} and not whole: logarithms, not counts.",
            fix="Use raw counts.",
            where="counts",
        )
    return whole, f"{n:,} of {counts.size:,} counts are not whole (estimates), and were rounded."


def check_design(design: np.ndarray, contrast: int) -> None:
    """Refuses a design that cannot be estimated, and says which columns say the same."""
    n, p = design.shape
    if not np.isfinite(design).all():
        raise DataError(
            "has entries that are no numbers.",
            fix="Leave out samples of which a covariate is not known.",
            where="design",
        )
    if not -p <= contrast < p:
        raise DataError(
            f"has {p} columns (0 to {p - 1}), and column {contrast} is to be tested.",
            fix="Choose a column that there is; -1 is the last.",
            where="design",
        )
    dependent = dependent_columns(design)
    if dependent:
        said = "; ".join(
            f"column {k} is made of {', '.join(map(str, others))}" if others else f"column {k} is 0"
            for k, others in dependent.items()
        )
        raise DataError(
            f"says the same twice, so effects cannot be told apart: {said} (counted from 0).",
            fix="Leave one of these columns out.",
            where="design",
        )
    if n <= p:
        raise DataError(
            f"has {p} columns for {n} samples: nothing is left to see how genes vary.",
            fix="Use fewer covariates, or more samples.",
            where="design",
        )
