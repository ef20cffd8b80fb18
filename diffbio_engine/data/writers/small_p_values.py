"""p-values that are too small for 32 bits, told again from the statistic that they belong to."""

import numpy as np
from scipy.special import log_ndtr

_LOG10_E = float(np.log10(np.e))
# 32 bits end at 1.2e-38 (less than that keeps few digits), 64 at 2e-308.
_SMALLEST, _LEAST = 1e-35, 1e-300


def with_small_p_values(
    stat: np.ndarray, pvalue: np.ndarray, padj: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Two-sided p-values of normal statistics and their adjustment, where 32 bits made them 0.

    ``log p = log 2 + log Phi(-|stat|)``; adjusted as Benjamini and Hochberg (1995) over the genes
    that have an adjusted value, the least of ``p_j * m / rank_j`` from a gene's rank on. Values
    that do not belong to such statistics (one-sided tests, a threshold) stay as they are.
    """
    stat, pvalue, padj = (np.array(v, np.float64) for v in (stat, pvalue, padj))
    known = np.isfinite(pvalue) & np.isfinite(stat)
    log_p = np.full(len(stat), np.nan)
    log_p[known] = _LOG10_E * (np.log(2.0) + log_ndtr(-np.abs(stat[known])))
    sure = known & (pvalue > _SMALLEST)
    if not sure.any() or np.abs(np.log10(pvalue[sure]) - log_p[sure]).max() > 1e-3:
        return pvalue, padj
    lost = known & (pvalue <= _SMALLEST)
    pvalue[lost] = 10.0 ** np.maximum(log_p[lost], np.log10(_LEAST))
    tested = np.flatnonzero(np.isfinite(padj) & known)
    order = tested[np.argsort(-log_p[tested], kind="stable")]
    m = len(order)
    scaled = np.minimum.accumulate(log_p[order] + np.log10(m / np.arange(m, 0, -1)))
    again = lost[order]
    padj[order[again]] = 10.0 ** np.clip(scaled[again], np.log10(_LEAST), 0.0)
    return pvalue, padj
