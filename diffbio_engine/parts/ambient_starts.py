"""How much of each cell's counts is ambient, in closed form from the ambient profile.

Two facts are used, in NumPy on a sample of cells. A cluster that makes none of a gene shows it
only as ambient, so the least ratio of its share to the ambient share bounds the fraction from
above (SoupX). And given each cluster's own profile, a cell's fraction is the weight of a mixture
of two known profiles, found by expectation-maximisation.

References:
    Young and Behjati (2020), SoupX removes ambient RNA contamination.
    Yang et al. (2020), Decontamination of ambient RNA with DecontX.
"""

import numpy as np
from sklearn.cluster import KMeans

_MOLECULES = 400  # expected ambient molecules, at fraction 1, that the bound is counted on


def ambient_fractions(
    counts: np.ndarray,
    profile: np.ndarray,
    scores: np.ndarray,
    *,
    prior: float,
    seed: int = 0,
    n_rounds: int = 15,
) -> np.ndarray:
    """Estimated ambient share of each cell's counts, (cells,), between 1e-4 and 0.9.

    Args:
        counts: Raw counts, (cells, genes).
        profile: Ambient share of each gene, adding up to 1.
        scores: Coordinates in which cells of one kind lie together, (cells, any).
        prior: Expected fraction; weighs as much as 200 molecules in each cell.
    """
    x = np.asarray(counts, np.float32)
    library = np.maximum(x.sum(axis=1), 1.0)
    n_clusters = int(np.clip(len(x) // 50, 1, 15))
    group = KMeans(n_clusters, n_init=2, random_state=seed).fit_predict(scores)
    level = _least_ratio(x, group, profile, prior)
    fraction = np.full(len(x), level)
    for k in range(n_clusters):
        rows = np.flatnonzero(group == k)
        share = x[rows].sum(axis=0) / library[rows].sum()
        own = np.maximum(share - level * profile, 1e-3 * share + 1e-9)
        own /= own.sum()
        rho = np.full(len(rows), level)
        strength = 200.0
        for _ in range(n_rounds):
            # Share of each molecule that is ambient, then the weight that this makes likely.
            ambient = rho[:, None] * profile
            owed = (x[rows] * ambient / (ambient + (1 - rho)[:, None] * own)).sum(axis=1)
            rho = (owed + strength * level) / (library[rows] + strength)
        fraction[rows] = rho
    return np.clip(fraction, 1e-4, 0.9)


def _least_ratio(x: np.ndarray, group: np.ndarray, profile: np.ndarray, prior: float) -> float:
    """Ambient fraction from the genes that clusters show least of, relative to the ambient.

    One fraction for all clusters, as in SoupX: the median of what each cluster says (clusters
    may differ by their fraction, so the least would be too low).
    Genes are picked on one half of the cells and counted on the other, so that genes picked
    because they happened to be low do not bias the count.
    """
    clusters = np.unique(group)
    half = np.arange(len(x)) % 2 == 0
    pick = np.stack([x[half & (group == k)].sum(axis=0) for k in clusters])
    count = np.stack([x[~half & (group == k)].sum(axis=0) for k in clusters])
    expected = profile * pick.sum(axis=1, keepdims=True)
    could_be = profile * count.sum(axis=1, keepdims=True)
    ratio = np.where(expected > 20, pick / np.maximum(expected, 1e-9), np.inf)
    bounds = []
    for r, c, e in zip(ratio, count, could_be, strict=True):
        order = np.argsort(r)
        order = order[np.isfinite(r[order])]
        low = order[: int(np.searchsorted(np.cumsum(e[order]), _MOLECULES)) + 1]
        # Ten expected molecules at the prior keep a cluster with few counts near it.
        bounds.append((c[low].sum() + 10 * prior) / (e[low].sum() + 10))
    return float(np.clip(np.median(bounds), 1e-4, 0.9))
