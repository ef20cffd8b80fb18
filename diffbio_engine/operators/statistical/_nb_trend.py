"""Dispersion against mean: the trend through all genes, and how far genes lie from it."""

from dataclasses import dataclass

import numpy as np
from scipy.special import polygamma

from diffbio_engine.operators.statistical._nb_dispersions import LEAST
from diffbio_engine.operators.statistical._nb_few_degrees import variance_by_histogram

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
        return max(variance_by_histogram(residuals, free), _LEAST_VARIANCE)
    expected = float(polygamma(1, free / 2))
    return max(spread_around(alpha, trend) - expected, _LEAST_VARIANCE)
