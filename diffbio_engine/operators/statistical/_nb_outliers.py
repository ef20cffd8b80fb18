"""Counts that rule a fit by themselves: Cook's distances, and what may stand in their place."""

from typing import Any

import numpy as np
from scipy.stats import f as f_distribution

_LEAST_DISPERSION = 0.04
_FEWEST_TO_JUDGE = 3


def replicates(design: np.ndarray) -> np.ndarray:
    """How many samples have the same row of the design as each."""
    cell = cells_of(design)
    return np.bincount(cell)[cell]


def cells_of(design: np.ndarray) -> np.ndarray:
    """Which samples have the same row of the design: a number for each."""
    return np.unique(np.asarray(design, float), axis=0, return_inverse=True)[1].ravel()


def cutoff(n_samples: int, n_columns: int) -> float:
    """The distance above which a count rules the fit: 99 % of F(P, n - P)."""
    return float(f_distribution.ppf(0.99, n_columns, n_samples - n_columns))


def robust_dispersions(levels: np.ndarray, design: np.ndarray) -> np.ndarray:
    """Dispersions by moments with trimmed variances, so that an outlier does not hide itself.

    Args:
        levels: Normalised counts, (samples, genes).
    """
    often = replicates(design) >= _FEWEST_TO_JUDGE
    if often.any():
        variance = _within_cells(levels[often], cells_of(design)[often])
    else:
        centre = _trimmed(levels, 1 / 8)
        variance = 1.51 * _trimmed((levels - centre) ** 2, 1 / 8)
    mean = levels.mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        alpha = (variance - mean) / mean**2
    return np.maximum(np.nan_to_num(alpha, nan=0.0), _LEAST_DISPERSION)


def _within_cells(levels: np.ndarray, cell: np.ndarray) -> np.ndarray:
    largest = np.zeros(levels.shape[1])
    for one in np.unique(cell):
        own = levels[cell == one]
        share, scale = next(
            (share, scale)
            for most, share, scale in ((3.5, 1 / 3, 2.04), (23.5, 1 / 4, 1.86), (1e9, 1 / 8, 1.51))
            if len(own) <= most
        )
        errors = (own - _trimmed(own, share)) ** 2
        largest = np.maximum(largest, scale * _trimmed(errors, share))
    return largest


def _trimmed(x: np.ndarray, share: float) -> np.ndarray:
    """Mean over rows without the ``share`` largest and smallest of each column."""
    cut = int(np.floor(len(x) * share))
    return np.sort(x, axis=0)[cut : len(x) - cut].mean(axis=0)


def distances(
    counts: Any,
    mu: Any,
    leverage: Any,
    robust: Any,
    n_columns: int,
) -> Any:
    """Cook's distance of each count, (samples, genes), of NumPy or traced."""
    squared = (counts - mu) ** 2 / (mu + robust * mu**2)
    return squared / n_columns * leverage / (1.0 - leverage) ** 2


def largest(cooks: np.ndarray, design: np.ndarray) -> np.ndarray:
    """The largest of each gene among samples with three replicates; NaN where none has them."""
    often = replicates(design) >= _FEWEST_TO_JUDGE
    n, p = design.shape
    if n <= p or not often.any():
        return np.full(cooks.shape[1], np.nan)
    return cooks[often].max(axis=0)


def replaced(
    counts: np.ndarray,
    cooks: np.ndarray,
    size_factors: np.ndarray,
    design: np.ndarray,
    fewest: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Counts with outliers at what the other samples of the gene say (a trimmed mean).

    Returns:
        The counts; which genes had an outlier; which samples have replicates enough.
    """
    enough = replicates(design) >= fewest
    out = cooks > cutoff(*design.shape)
    typical = _trimmed(counts / size_factors[:, None], 0.2)
    instead = np.floor(size_factors[:, None] * typical)
    new = np.where(out & enough[:, None], instead, counts)
    return new, out.any(axis=0), enough


def ruled_by_one(
    cooks: np.ndarray, largest_cooks: np.ndarray, counts: np.ndarray, design: np.ndarray
) -> np.ndarray:
    """Which genes a single outlier rules, so that no p-value is told.

    In a comparison of two groups not those where three counts or more are larger than the
    outlier's: then it is none.
    """
    with np.errstate(invalid="ignore"):
        ruled = largest_cooks > cutoff(*design.shape)
    if design.shape[1] == 2 and len(np.unique(design, axis=0)) == 2:
        for gene in np.flatnonzero(ruled):
            outlier = counts[np.argmax(cooks[:, gene]), gene]
            ruled[gene] = (counts[:, gene] > outlier).sum() < 3
    return ruled
