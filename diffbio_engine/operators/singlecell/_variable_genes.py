"""Genes that vary between cells by more than molecule counting and overall noise explain."""

import numpy as np
from scipy.optimize import minimize_scalar

_BINS = 50  # of log mean expression, for the curve of the least noise
_ROWS = 2048  # cells at a time, so that no second matrix of all cells is made


def variable_genes(
    counts: np.ndarray,
    *,
    share: float = 0.15,
    at_least: int = 1,
    min_counts: float = 3.0,
    min_cells: int = 3,
) -> np.ndarray:
    """Indices of the most variable genes, the most variable first.

    By the v-score: the variance over the mean, divided by what a gene of that mean has where cells
    do not differ, ``(1 + a)(1 + b) + b mean``. ``b`` is the squared variation of cell size and
    efficiency, fitted to the least noisy genes; ``(1 + a)(1 + b)`` is the commonest ratio. Counts
    are scaled to the mean total first.

    Kept is the upper ``share`` of genes, of these only those with ``min_counts`` scaled counts in
    ``min_cells`` cells; where that leaves fewer than ``at_least``, the next in order are added.

    Cost: O(cells * genes) time, O(genes) memory beyond the counts.

    References:
        Klein et al. (2015), Droplet barcoding for single-cell transcriptomics applied to
        embryonic stem cells, Cell 161.
    """
    mean, variance, n_high = _moments(counts, min_counts)
    seen = np.flatnonzero((mean > 0) & (variance > 0))
    if not len(seen):
        return np.arange(min(at_least, counts.shape[1]))
    excess = v_scores(mean[seen], variance[seen])
    order = seen[np.argsort(-excess, kind="stable")]
    limit = np.percentile(excess, 100 * (1 - share))
    kept = (excess >= limit) & (n_high[seen] >= min_cells)
    n_kept = int(kept.sum())
    chosen = set(seen[kept].tolist())
    first = [gene for gene in order if gene in chosen]
    if n_kept < at_least:
        expressed = [g for g in order if g not in chosen and n_high[g] >= min_cells]
        rest = [g for g in order if g not in chosen and n_high[g] < min_cells]
        first += [*expressed, *rest][: at_least - n_kept]
    return np.asarray(first, np.int64)


def v_scores(mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """How many times as variable a gene is as one of its mean in cells that do not differ."""
    ratio = variance / mean
    log_mean, log_noise = np.log(mean), np.log(ratio / mean)
    edges = np.linspace(log_mean.min(), log_mean.max(), _BINS + 1)
    which = np.clip(np.searchsorted(edges, log_mean, side="right") - 1, 0, _BINS - 1)
    floor = np.empty(_BINS)
    for place in range(_BINS):
        inside = log_noise[(which == place) & (log_mean < edges[-1])]
        # An empty bin repeats the one before: the curve is flat where nothing is known.
        floor[place] = np.percentile(inside, 0.1) if len(inside) else floor[place - 1]
    heights, places = np.histogram(np.log(ratio), bins=200)
    top = int(np.argmax(heights))
    usual = max(float(np.exp(0.5 * (places[top] + places[top + 1]))), 1.0)
    at = np.exp(-0.5 * (edges[:-1] + edges[1:]))

    def misfit(log_b: float) -> float:
        return float(np.abs(np.log(usual * at + np.exp(log_b)) - floor).sum())

    # A grid first: the sum of absolute differences has more than one dip.
    grid = np.linspace(np.log(1e-6), np.log(10.0), 200)
    best = int(np.argmin([misfit(g) for g in grid]))
    ends = (grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)])
    b = float(np.exp(minimize_scalar(misfit, bounds=ends, method="bounded").x))
    return ratio / (usual + b * mean)


def _moments(counts: np.ndarray, high: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and variance of each gene's scaled counts, and in how many cells they are high."""
    totals = counts.sum(axis=1, dtype=np.float64)
    scale = np.divide(totals.mean(), totals, out=np.zeros_like(totals), where=totals > 0)
    n_genes = counts.shape[1]
    first, second, n_high = np.zeros(n_genes), np.zeros(n_genes), np.zeros(n_genes, int)
    for start in range(0, len(counts), _ROWS):
        some = counts[start : start + _ROWS] * scale[start : start + _ROWS, None].astype(np.float32)
        first += some.sum(axis=0, dtype=np.float64)
        second += np.einsum("ij,ij->j", some, some, dtype=np.float64)
        n_high += (some >= high).sum(axis=0)
    mean = first / len(counts)
    return mean, np.maximum(second / len(counts) - mean**2, 0.0), n_high
