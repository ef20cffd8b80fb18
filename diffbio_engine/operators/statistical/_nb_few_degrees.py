"""How far dispersions lie from their trend, where one to three degrees of freedom are left.

Log dispersions are then skewed, and their median absolute deviation says little. DESeq2 takes the
variance with which draws of ``log(chi^2 / df) + N(0, variance)`` look most like what is seen. It
draws 10 000 numbers for each of 200 variances, always the same ones (seed 2), and these decide:
with expected histograms in their place the variance of the airway data is 0.61 instead of 0.53,
and every dispersion another. ``draws_seed_2.csv.gz`` holds their histograms
(``tests/references/statistical/make_draws.R``).
"""

import gzip
from functools import cache
from pathlib import Path

import numpy as np

_EDGES = np.arange(-20, 21) / 2.0
_VARIANCES = np.linspace(0.0, 8.0, 200)
_FINE = np.linspace(0.0, 8.0, 1000)
_SPAN, _CELL = 0.2, 8  # of loess: share of points in a local fit, most points of a cell


def variance_by_histogram(residuals: np.ndarray, free: int) -> float:
    """Of log dispersions less their trend, with ``free`` (1 to 3) degrees of freedom."""
    within = residuals[(residuals > _EDGES[0]) & (residuals < _EDGES[-1])]
    seen = np.histogram(within, _EDGES, density=True)[0]
    divergence = np.array([_divergence(seen, drawn) for drawn in _drawn(free)])
    return float(_FINE[np.argmin(loess(_VARIANCES, divergence, _FINE))])


@cache
def _drawn(free: int) -> np.ndarray:
    """Density of the draws in each bin, (200 variances, 40 bins)."""
    path = Path(__file__).with_name("draws_seed_2.csv.gz")
    with gzip.open(path, "rt") as lines:
        table = np.loadtxt(lines, delimiter=",")
    counts = table[table[:, 0] == free][:, 1:]
    return counts / counts.sum(axis=1, keepdims=True) / np.diff(_EDGES)


def _divergence(seen: np.ndarray, drawn: np.ndarray) -> float:
    both = np.concatenate([seen, drawn])
    small = both[both > 0].min()
    return float(np.sum(seen * (np.log(seen + small) - np.log(drawn + small))))


def loess(x: np.ndarray, y: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Local quadratics at the corners of cells, and cubics between these, as Cleveland's loess."""
    margin = 0.005 * (x[-1] - x[0])
    corners = np.array([x[0] - margin, *(x[i] for i in _cuts(0, len(x) - 1)), x[-1] + margin])
    fits = np.array([_local_fit(x, y, corner) for corner in corners])
    cell = np.clip(np.searchsorted(corners, at, side="right") - 1, 0, len(corners) - 2)
    width = corners[cell + 1] - corners[cell]
    t = (at - corners[cell]) / width
    left, right = fits[cell], fits[cell + 1]
    return (
        (1 + 2 * t) * (1 - t) ** 2 * left[:, 0]
        + t * (1 - t) ** 2 * width * left[:, 1]
        + t**2 * (3 - 2 * t) * right[:, 0]
        + t**2 * (t - 1) * width * right[:, 1]
    )


def _cuts(low: int, high: int) -> list[int]:
    """Points at which a cell of too many is halved, again and again."""
    if high - low < _CELL:
        return []
    middle = (low + high) // 2
    return [*_cuts(low, middle), middle, *_cuts(middle + 1, high)]


def _local_fit(x: np.ndarray, y: np.ndarray, point: float) -> np.ndarray:
    """Value and slope of the quadratic through the nearest points, with tricube weights."""
    distance = np.abs(x - point)
    nearest = int(np.floor(len(x) * _SPAN + 1e-5))
    width = np.partition(distance, nearest - 1)[nearest - 1]
    w = np.sqrt(np.clip(1 - (distance / width) ** 3, 0, None) ** 3)
    design = np.stack([np.ones_like(x), x - point, (x - point) ** 2], axis=1)
    return np.linalg.lstsq(design * w[:, None], y * w, rcond=None)[0][:2]
