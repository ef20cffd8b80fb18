"""Any contrast of an estimate that is there: Wald's test from coefficients and their covariance."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from diffbio_engine.operators.statistical._nb_significance import (
    LOG2_E,
    as_table,
    filtered,
    wald,
)


def of_contrast(
    config: Any, found: Mapping[str, np.ndarray], contrast: np.ndarray, members: np.ndarray
) -> dict[str, np.ndarray]:
    """What is said of each gene for another contrast ``c``: ``c' beta`` and ``c' Sigma c``.

    As DESeq2's ``results(contrast=)``: nothing is estimated anew, genes that one outlier rules
    stay without a p-value, and which are filtered is decided again. A gene of which none of the
    samples compared has counts has changed by 0, with p-value 1.

    Args:
        config: ``NBGLMConfig``.
        found: Outputs by port, as the block gave them.
        contrast: (P,), over the columns of the design.
        members: (P,), the same columns so added up that they are 1 for the samples compared.
    """
    c = np.asarray(contrast, float)
    beta, covariance = (np.asarray(found[n], float) for n in ("coefficients", "covariance"))
    seen = np.isfinite(np.asarray(found["log2_fold_change"], float))
    judged = np.isfinite(np.asarray(found["pvalue"], float))
    change = np.where(seen, c @ beta * LOG2_E, np.nan)
    variance = np.einsum("k,klg,l->g", c, covariance, c)
    error = np.where(seen, np.sqrt(np.maximum(variance, 0.0)) * LOG2_E, np.nan)
    stat, p = wald(change, error, config.lfc_threshold, config.alternative)
    # Counts of samples are whole, and those of the reference come from a difference.
    none = seen & (np.abs(np.asarray(members, float) @ np.asarray(found["detected"], float)) < 0.5)
    if np.any(members):
        change, stat = (np.where(none, 0.0, values) for values in (change, stat))
        p = np.where(none, 1.0, p)
    p = np.where(judged, p, np.nan)
    kept = seen
    if config.independent_filtering:
        base_mean = np.asarray(found["base_mean"], float)
        kept = seen & filtered(base_mean, p, config.significance)
    return as_table(change, error, stat, p, kept)
