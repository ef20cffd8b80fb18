"""Dispersion against mean: the trend through all genes, and how far genes lie from it."""

from dataclasses import dataclass

import numpy as np
from scipy.special import polygamma

from diffbio_engine.operators.statistical.nb_glm._dispersions import LEAST

_LEAST_VARIANCE = 0.25


@dataclass(frozen=True)
class Trend:
    """``alpha(mean) = a0 + a1 / mean``; a mean of all genes is the case ``a1 = 0``.

    Attributes:
        said: What a person should know of how it was found; empty for nothing.
    """

    a0: float
    a1: float
    said: str = ""

    def __call__(self, mean: np.ndarray) -> np.ndarray:
        return self.a0 + self.a1 / mean


def fitted_trend(mean: np.ndarray, alpha: np.ndarray, kind: str = "parametric") -> Trend:
    """The trend through gene-wise dispersions; a mean of them where there is none to be seen."""
    said = ""
    if kind == "parametric":
        used = alpha > 100 * LEAST
        found = _gamma_fit(mean[used], alpha[used]) if used.sum() > 2 else None
        if found is not None:
            return Trend(*found)
        said = (
            "The dispersions do not follow a0 + a1 / mean, so their mean over all genes stands in"
            " for the trend."
        )
    used = alpha > 10 * LEAST
    if not used.any():
        return Trend(LEAST, 0.0, "No gene varies more than by counting (Poisson).")
    return Trend(_trimmed_mean(alpha[used], 0.001), 0.0, said)


def _gamma_fit(mean: np.ndarray, alpha: np.ndarray) -> tuple[float, float] | None:
    """By a gamma regression with identity link, without what lies far off, until it stays."""
    coefficients = np.array([0.1, 1.0])
    for _ in range(11):
        ratio = alpha / (coefficients[0] + coefficients[1] / mean)
        good = (ratio > 1e-4) & (ratio < 15)
        new = _gamma_regression(1.0 / mean[good], alpha[good], coefficients)
        if new is None or not (new > 0).all():
            return None
        change = float(np.sum(np.log(new / coefficients) ** 2))
        coefficients = new
        if change < 1e-6:
            return float(coefficients[0]), float(coefficients[1])
    return None


def _gamma_regression(x: np.ndarray, y: np.ndarray, start: np.ndarray) -> np.ndarray | None:
    """Least squares reweighted by ``1 / mu^2``; a step that makes a mean negative is halved."""
    design = np.stack([np.ones_like(x), x], axis=1)
    coefficients, mu = start, design @ start
    deviance = _gamma_deviance(y, mu)
    for _ in range(25):
        w = 1.0 / mu
        new, *_ = np.linalg.lstsq(design * w[:, None], y * w, rcond=None)
        for _ in range(25):
            if (design @ new > 0).all():
                break
            new = (new + coefficients) / 2
        else:
            return None
        coefficients, mu = new, design @ new
        before, deviance = deviance, _gamma_deviance(y, mu)
        if abs(deviance - before) / (abs(deviance) + 0.1) < 1e-8:
            return coefficients
    return None


def _gamma_deviance(y: np.ndarray, mu: np.ndarray) -> float:
    return float(-2.0 * np.sum(np.log(y / mu) - (y - mu) / mu))


def _trimmed_mean(x: np.ndarray, share: float) -> float:
    cut = int(len(x) * share)
    return float(np.sort(x)[cut : len(x) - cut].mean())


def spread_around(alpha: np.ndarray, trend: np.ndarray) -> float:
    """Variance of the log dispersions around the trend, by the median absolute deviation."""
    used = alpha >= 100 * LEAST
    if not used.any():
        return _LEAST_VARIANCE
    residuals = np.log(alpha[used]) - np.log(trend[used])
    return float((1.4826 * np.median(np.abs(residuals - np.median(residuals)))) ** 2)


def prior_variance(alpha: np.ndarray, trend: np.ndarray, n_samples: int, n_columns: int) -> float:
    """Of the log-normal prior of dispersions: what estimating them from few samples leaves over."""
    free = n_samples - n_columns
    used = alpha >= 100 * LEAST
    if not used.any():
        return _LEAST_VARIANCE
    if free <= 3:
        residuals = np.log(alpha[used]) - np.log(trend[used])
        return max(_by_histogram(residuals, free), _LEAST_VARIANCE)
    expected = float(polygamma(1, free / 2))
    return max(spread_around(alpha, trend) - expected, _LEAST_VARIANCE)


def _by_histogram(residuals: np.ndarray, free: int) -> float:
    """With one to three degrees of freedom log dispersions are skewed, and their MAD says little.

    The variance with which ``log(chi^2 / free) + N(0, variance)`` looks most like what is seen, by
    the divergence of histograms, smoothed over a grid. DESeq2 draws 10 000 numbers for each; here
    the histogram is the expected one.
    """
    edges = np.arange(-20, 21) / 2.0
    residuals = residuals[(residuals > edges[0]) & (residuals < edges[-1])]
    seen = np.histogram(residuals, edges, density=True)[0]
    grid = np.linspace(0.0, 8.0, 200)
    divergence = np.array([_divergence(seen, _expected(edges, free, v)) for v in grid])
    fine = np.linspace(0.0, 8.0, 1000)
    return float(fine[np.argmin(_local_quadratic(grid, divergence, fine, 0.2))])


def _divergence(seen: np.ndarray, drawn: np.ndarray) -> float:
    both = np.concatenate([seen, drawn])
    small = both[both > 0].min()
    return float(np.sum(seen * (np.log(seen + small) - np.log(drawn + small))))


def _expected(edges: np.ndarray, free: int, variance: float) -> np.ndarray:
    """Density in each bin of ``log(chi^2_free / free) + N(0, variance)``."""
    from scipy.stats import chi2, norm

    points = (np.arange(4000) + 0.5) / 4000
    logs = np.log(chi2.ppf(points, free) / free)
    if variance == 0:
        mass = np.histogram(logs, edges)[0] / len(logs)
    else:
        below = norm.cdf((edges[:, None] - logs[None, :]) / np.sqrt(variance)).mean(axis=1)
        mass = np.diff(below)
    return mass / mass.sum() / np.diff(edges)


def _local_quadratic(x: np.ndarray, y: np.ndarray, at: np.ndarray, span: float) -> np.ndarray:
    """Local regression of degree 2 with tricube weights over a share of the points (loess)."""
    k = int(np.floor(len(x) * span + 1e-5))
    found = np.empty(len(at))
    for i, point in enumerate(at):
        distance = np.abs(x - point)
        width = np.partition(distance, k - 1)[k - 1]
        w = np.sqrt(np.clip(1 - (distance / width) ** 3, 0, None) ** 3)
        design = np.stack([np.ones_like(x), x - point, (x - point) ** 2], axis=1)
        found[i] = np.linalg.lstsq(design * w[:, None], y * w, rcond=None)[0][0]
    return found
