"""Size factors of samples: how deeply each was sequenced, as genes agree on it."""

import numpy as np

from diffbio_engine.errors import DataError


def log_reference(counts: np.ndarray, kind: str) -> np.ndarray:
    """Log of each gene's reference level; minus infinity where it has none.

    Args:
        counts: (samples, genes).
        kind: ``"ratio"``: geometric mean, of genes seen in all samples. ``"poscounts"``: the sum of
            the logs of what is seen, divided by the number of samples.
    """
    with np.errstate(divide="ignore"):
        logs = np.log(counts)
    if kind == "ratio":
        return logs.mean(axis=0)
    found = np.where(np.isfinite(logs), logs, 0.0).mean(axis=0)
    return np.where(counts.sum(axis=0) > 0, found, -np.inf)


def median_ratios(counts: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """The median over genes of ``counts / reference``, for each sample."""
    used = np.isfinite(reference)
    with np.errstate(divide="ignore"):
        logs = np.log(counts[:, used]) - reference[used]
    logs[counts[:, used] <= 0] = np.nan
    return np.exp(np.nanmedian(logs, axis=1))


def size_factors(
    counts: np.ndarray, kind: str = "ratio", control: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, str]:
    """Size factors (samples,), the log reference they refer to (genes,), and what is to be said.

    Args:
        control: Which genes may tell; None for all.
    """
    if not (counts > 0).any(axis=1).all():
        empty = np.flatnonzero(~(counts > 0).any(axis=1))
        raise DataError(
            f"has no counts at all in {len(empty)} samples (the first is row {empty[0] + 1}).",
            fix="Leave these samples out.",
            where="counts",
        )
    told = np.ones(counts.shape[1], bool) if control is None else np.asarray(control) > 0
    if not told.any():
        raise DataError(
            "names no gene of the data.", fix="Choose genes that are there.", where="control_genes"
        )
    said = ""
    reference = np.where(told, log_reference(counts, kind), -np.inf)
    if kind == "ratio" and not np.isfinite(reference).any():
        kind = "poscounts"
        said = (
            "No gene is seen in all samples, so size factors are taken from the counts above zero"
            " (poscounts)."
        )
        reference = np.where(told, log_reference(counts, kind), -np.inf)
    factors = median_ratios(counts, reference)
    if kind == "poscounts":
        centre = np.log(factors).mean()
        factors, reference = factors / np.exp(centre), reference + centre
    if not np.isfinite(factors).all():
        lost = np.flatnonzero(~np.isfinite(factors))
        raise DataError(
            f"has none of the genes that size factors are taken from in {len(lost)} samples"
            f" (the first is row {lost[0] + 1}).",
            fix="Take size factors from the counts above zero (poscounts), or choose other genes.",
            where="counts",
        )
    return factors, reference, said
