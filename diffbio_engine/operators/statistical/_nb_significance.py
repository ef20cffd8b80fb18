"""P-values, those that are left out, and their adjustment: from coefficients to a table."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import norm

LOG2_E = float(1 / np.log(2))
_STEPS = 50


def wald(
    change: Any, error: Any, threshold: float = 0.0, alternative: str = "greaterAbs", xp: Any = np
) -> tuple[Any, Any]:
    """Statistic and p-value of each gene: is the change larger than chance, or a threshold?

    Args:
        change, error: log2 fold change and its standard error.
        threshold: A log2 fold change.
        alternative: ``greaterAbs``, ``lessAbs``, ``greater`` or ``less``.
        xp: ``numpy`` (64 bits, for tables) or ``jax.numpy`` (traced).
    """
    sf = norm.sf if xp is np else jax.scipy.stats.norm.sf
    t = threshold
    if alternative == "greaterAbs":
        if not t:
            stat = change / error
            return stat, 2 * sf(xp.abs(stat))
        stat = xp.sign(change) * xp.maximum(0.0, (xp.abs(change) - t) / error)
        return stat, xp.minimum(1.0, 2 * sf((xp.abs(change) - t) / error))
    above, below = (change - t) / error, (change + t) / error
    if alternative == "greater":
        return xp.maximum(0.0, above), sf(above)
    if alternative == "less":
        return xp.minimum(0.0, below), sf(-below)
    stat = xp.minimum(xp.maximum(0.0, -above), xp.maximum(0.0, below))
    return stat, xp.maximum(sf(-above), sf(below))


def adjusted(p: jax.Array, used: jax.Array) -> jax.Array:
    """``benjamini_hochberg``, traced, over the genes that are used; NaN for the others."""
    there = used & ~jnp.isnan(p)
    # The others come last in the order, where they are worth 1 and hold no one back.
    order = jnp.argsort(jnp.where(there, p, 2.0))
    scaled = jnp.where(there, p, 1.0)[order] * jnp.sum(there) / jnp.arange(1, len(p) + 1)
    scaled = jnp.where(there[order], scaled, 1.0)
    smallest = jax.lax.cummin(scaled, reverse=True)
    back = jnp.zeros_like(p).at[order].set(jnp.minimum(smallest, 1.0))
    return jnp.where(there, back, jnp.nan)


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """Adjusted p-values; those that are NaN stay NaN and do not count."""
    found = np.full(len(p), np.nan)
    there = np.flatnonzero(~np.isnan(p))
    order = there[np.argsort(-p[there], kind="stable")]
    n = len(order)
    scaled = p[order] * n / np.arange(n, 0, -1)
    found[order] = np.minimum(1.0, np.minimum.accumulate(scaled))
    return found


def as_table(
    change: np.ndarray, error: np.ndarray, stat: np.ndarray, p: np.ndarray, kept: np.ndarray
) -> dict[str, np.ndarray]:
    """What is said of each gene; p-values are adjusted over the genes that are kept."""
    return {
        "log2_fold_change": change,
        "lfc_se": error,
        "stat": stat,
        "pvalue": p,
        "padj": benjamini_hochberg(np.where(kept, p, np.nan)),
    }


def filtered(mean: np.ndarray, p: np.ndarray, level: float) -> np.ndarray:
    """Which genes enter the adjustment: of a mean above that with which most are called.

    The share that is left out is the least at which the number of calls at ``level`` comes within
    the scatter of its smoothed largest.
    """
    low = float(np.mean(mean == 0))
    high = 0.95 if low < 0.95 else 1.0
    shares = np.linspace(low, high, _STEPS)
    cuts = np.quantile(mean, shares)
    called = np.array(
        [np.nansum(benjamini_hochberg(np.where(mean >= cut, p, np.nan)) < level) for cut in cuts],
        float,
    )
    chosen = 0
    if called.max() > 10:
        smooth = lowess(shares, called, 0.2)
        some = called > 0
        scatter = np.sqrt(np.mean((called[some] - smooth[some]) ** 2))
        chosen = next((i for i in range(_STEPS) if called[i] > smooth.max() - scatter), 0)
    return mean >= cuts[chosen]


def lowess(x: np.ndarray, y: np.ndarray, share: float, rounds: int = 3) -> np.ndarray:
    """Cleveland's robust local straight lines, at each ``x`` (ascending, well apart)."""
    n = len(x)
    k = min(max(int(share * n + 1e-7), 2), n)
    robust = np.ones(n)
    found = np.empty(n)
    for again in range(rounds + 1):
        left = 0
        for i in range(n):
            while left + k < n and x[i] - x[left] > x[left + k] - x[i]:
                left += 1
            found[i] = _line_at(x, y, x[i], max(x[i] - x[left], x[left + k - 1] - x[i]), robust)
        residuals = np.abs(y - found)
        if again == rounds:
            break
        wide = 6 * np.median(residuals)
        if wide < 1e-7 * np.abs(residuals).mean() or wide == 0:
            break
        ratio = residuals / wide
        robust = np.where(ratio <= 0.001, 1.0, np.where(ratio > 0.999, 0.0, (1 - ratio**2) ** 2))
    return found


def _line_at(x: np.ndarray, y: np.ndarray, point: float, width: float, robust: np.ndarray) -> float:
    distance = np.abs(x - point)
    near = distance <= 0.999 * width
    w = np.where(distance <= 0.001 * width, 1.0, np.clip(1 - (distance / width) ** 3, 0, None) ** 3)
    w = np.where(near, w * robust, 0.0)
    if w.sum() <= 0:
        return float(y[np.argmin(distance)])
    w = w / w.sum()
    centre = float(w @ x)
    spread = float(w @ (x - centre) ** 2)
    if np.sqrt(spread) > 0.001 * (x[-1] - x[0]):
        w = w * (1.0 + (point - centre) / spread * (x - centre))
    return float(w @ y)
