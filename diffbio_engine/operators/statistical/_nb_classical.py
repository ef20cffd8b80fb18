"""The published estimate from all samples at once: dispersions, coefficients, outliers."""

from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from diffbio_engine.operators.statistical import _nb_coefficients as coefficients
from diffbio_engine.operators.statistical import _nb_dispersions as dispersions
from diffbio_engine.operators.statistical import _nb_outliers as outliers
from diffbio_engine.operators.statistical._nb_design_basis import Basis
from diffbio_engine.operators.statistical._nb_significance import LOG2_E
from diffbio_engine.operators.statistical._nb_trend import (
    Trend,
    fitted_trend,
    prior_variance,
    spread_around,
)

_OUTLIER = 2.0  # standard deviations above the trend, beyond which a gene keeps its own dispersion


@dataclass(frozen=True)
class Estimate:
    """What is found of each gene; NaN for a gene without counts.

    Attributes:
        base_mean: Mean of the normalised counts, outliers replaced.
        gene_wise, trend, alpha: Dispersions: by itself, of the trend, final.
        own: Which genes keep their own dispersion, as they lie far above the trend.
        prior_variance: Of the log dispersions around the trend.
        beta, variance: Coefficients and their variance, (P, genes), natural logarithms.
        cooks: Cook's distance of each count, (samples, genes); of the counts as they are.
        largest_cooks: The largest of each gene that judges it; NaN where none can.
        replaced: Genes of which outliers were replaced.
        robust: Dispersions that Cook's distances are measured with.
        trend_at: The trend itself.
        scatter: Variance of the log dispersions around it.
    """

    base_mean: np.ndarray
    gene_wise: np.ndarray
    trend: np.ndarray
    alpha: np.ndarray
    own: np.ndarray
    prior_variance: float
    beta: np.ndarray
    variance: np.ndarray
    cooks: np.ndarray
    largest_cooks: np.ndarray
    replaced: np.ndarray
    robust: np.ndarray
    trend_at: Trend
    scatter: float
    said: tuple[str, ...] = ()

    def log2_change(self, column: int) -> tuple[np.ndarray, np.ndarray]:
        """log2 fold change with a column of the design, and its standard error."""
        return self.beta[column] * LOG2_E, np.sqrt(self.variance[column]) * LOG2_E


def estimated(
    counts: np.ndarray,
    design: np.ndarray,
    size_factors: np.ndarray,
    *,
    weights: np.ndarray | None = None,
    trend_kind: str = "parametric",
    fewest_to_replace: int = 7,
) -> Estimate:
    """Of whole counts (samples, genes) and a design of full rank (samples, P)."""
    with jax.enable_x64(True):
        counts, design = np.asarray(counts, float), np.asarray(design, float)
        sizes = np.asarray(size_factors, float)
        w = np.ones((len(counts), 1)) if weights is None else np.asarray(weights, float)[:, None]
        w = w / w.max()
        first = _once(counts, Basis.of(design), sizes, w, trend_kind)
        enough = outliers.replicates(design) >= fewest_to_replace
        if not fewest_to_replace or not enough.any():
            return first
        return _without_outliers(first, counts, Basis.of(design), sizes, w, fewest_to_replace)


def _once(
    counts: np.ndarray, basis: Basis, sizes: np.ndarray, weights: np.ndarray, trend_kind: str
) -> Estimate:
    seen = np.flatnonzero(counts.sum(axis=0) > 0)
    y = counts[:, seen]
    levels = y / sizes[:, None]
    base_mean = levels.mean(axis=0)
    gene_wise, mu = _gene_wise(y, levels, basis, sizes, weights)
    trend = fitted_trend(base_mean, gene_wise, trend_kind)
    expected = trend(base_mean)
    variance = prior_variance(gene_wise, expected, *basis.q.shape)
    scatter = spread_around(gene_wise, expected)
    part = _given_trend(y, basis, sizes, weights, gene_wise, mu, expected, variance, scatter)
    said = (trend.said,) if trend.said else ()
    whole = _of_all(counts.shape[1], seen, part | {"base_mean": base_mean})
    whole["base_mean"] = np.nan_to_num(whole["base_mean"])
    return Estimate(
        **whole,
        replaced=np.zeros(counts.shape[1], bool),
        prior_variance=variance,
        trend_at=trend,
        scatter=scatter,
        said=said,
    )


def _gene_wise(
    y: np.ndarray, levels: np.ndarray, basis: Basis, sizes: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Each gene's own dispersion, and the means that it is measured around."""
    start = dispersions.rough_start(levels, basis, sizes)
    groups = len(np.unique(basis.design, axis=0)) == basis.design.shape[1]
    if groups and np.ptp(weights) == 0:
        # A group for each coefficient: the means of the groups are the fit.
        mu = sizes[:, None] * (basis.q @ (basis.q.T @ levels))
    else:
        mu = coefficients.fitted(y, start, basis, sizes, weights)["mu"]
    mu = np.maximum(mu, coefficients.LEAST_MEAN)
    return dispersions.searched(start, y, mu, basis, weights), mu


def _given_trend(
    y: np.ndarray,
    basis: Basis,
    sizes: np.ndarray,
    weights: np.ndarray,
    gene_wise: np.ndarray,
    mu: np.ndarray,
    expected: np.ndarray,
    variance: float,
    scatter: float,
) -> dict[str, np.ndarray]:
    """What follows once the trend is known: shrunk dispersions, coefficients, distances."""
    start = np.where(gene_wise > 0.1 * expected, gene_wise, expected)
    shrunk = dispersions.searched(start, y, mu, basis, weights, np.log(expected), variance)
    own = np.log(gene_wise) > np.log(expected) + _OUTLIER * np.sqrt(scatter)
    alpha = np.where(own, gene_wise, shrunk)
    fit = coefficients.fitted(y, alpha, basis, sizes, weights)
    robust = outliers.robust_dispersions(y / sizes[:, None], basis.design)
    cooks = outliers.distances(y, fit["mu"], fit["leverage"], robust, basis.design.shape[1])
    return {
        "gene_wise": gene_wise,
        "trend": expected,
        "alpha": alpha,
        "own": own,
        "beta": fit["beta"],
        "variance": fit["variance"],
        "cooks": cooks,
        "largest_cooks": outliers.largest(cooks, basis.design),
        "robust": robust,
    }


def _of_all(n: int, seen: np.ndarray, part: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Arrays of some genes as arrays of all: NaN, or no, for the others."""
    whole = {}
    for name, value in part.items():
        empty = False if value.dtype == bool else np.nan
        whole[name] = np.full((*value.shape[:-1], n), empty, value.dtype)
        whole[name][..., seen] = value
    return whole


def _without_outliers(
    first: Estimate,
    counts: np.ndarray,
    basis: Basis,
    sizes: np.ndarray,
    weights: np.ndarray,
    fewest: int,
) -> Estimate:
    """Genes with outliers, estimated anew with these replaced; the trend stays."""
    cooks = np.nan_to_num(first.cooks)
    new, had, enough = outliers.replaced(counts, cooks, sizes, basis.design, fewest)
    if not had.any():
        return first
    base_mean = (new / sizes[:, None]).mean(axis=0)
    again = np.flatnonzero(had & (base_mean > 0))
    y = new[:, again]
    levels = y / sizes[:, None]
    gene_wise, mu = _gene_wise(y, levels, basis, sizes, weights)
    expected = first.trend_at(base_mean[again])
    part = _given_trend(
        y, basis, sizes, weights, gene_wise, mu, expected, first.prior_variance, first.scatter
    )
    fields: dict[str, Any] = {}
    for name, value in part.items():
        if name in ("cooks", "largest_cooks", "robust"):
            continue
        old = np.array(getattr(first, name))
        old[..., had] = False if old.dtype == bool else np.nan
        old[..., again] = value
        fields[name] = old
    # Where a sample has too few replicates to be replaced, its distance still judges the gene.
    left = np.where(enough[:, None], 0.0, first.cooks)
    judged = outliers.largest(left, basis.design)
    return replace(
        first,
        **fields,
        base_mean=base_mean,
        replaced=had,
        largest_cooks=np.full_like(judged, np.nan) if enough.all() else judged,
    )
