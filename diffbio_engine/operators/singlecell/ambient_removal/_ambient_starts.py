"""How much of each cell's counts is ambient, before any training, from the ambient profile.

In NumPy, on a sample of cells. First one level for all cells, from two signs of it (below); then,
given the level and so each cluster's own profile, the share of each cell, which is the weight of a
mixture of two known profiles, by expectation-maximisation.

What can be known. Counts of a cluster give only an upper bound of the level: any smaller one is
made up for by letting the cluster express a little of everything. Two signs decide, each under an
assumption of its own.

* Genes that are off. Where many genes are silent in many clusters, their ratios to the ambient
  share pile up at the level, and nowhere else. The ratios are fitted by a mixture of log-normals
  shifted by the level, with and without such a pile; the gain in likelihood is the evidence.
* Cells that are clean. The level differs from cell to cell, and no cell has less than nothing: the
  lower spread of the cells along the way from their cluster to the ambient, free of sampling
  noise, is about half the level (0.45 of it for a gamma distribution of shape 2). Only a scale,
  good to half its size; it decides where no gene is off.

With neither (no gene off, all cells equally dirty) the level cannot be known from these data, and
the prior stays. Which sign decided is told with the level (``SIGNS``): to real cells of three
origins 0.15 was added, evenly, and without a sure gene 0.01 to 0.09 of it was found.

References:
    Young and Behjati (2020), SoupX removes ambient RNA contamination.
    Yang et al. (2020), Decontamination of ambient RNA with DecontX.
    Stephens (2017), False discovery rates: a new deal (the mixture with a pile).
"""

from typing import NamedTuple

import numpy as np
from scipy.special import gammaln
from sklearn.cluster import KMeans

from diffbio_engine.parts.count_starts import principal_scores

_COMPONENTS = 20  # in which cells are clustered, each as far as it is signal
_LEVELS = np.geomspace(0.003, 0.5, 36)
_LOG_RATIOS = np.linspace(-6.0, 3.0, 73)
_SPREADS = np.array([0.1, 0.2, 0.4, 0.7, 1.1, 1.6, 2.3])  # of the log-normals, centred at -0.2
# Molecules a ratio may count as. Many, or a gene that is low looks like one that is off: of genes
# that were chosen because they vary, many are low in some clusters, and pile up less sharply.
_MOST = 240.0
_PAIRS = 4000  # ratios (of a cluster and a gene) looked at
# Nats a pile must gain: what the other log-normals miss grows with the number of ratios. Where no
# gene is off, the lowest ratios have an edge too, above the level, and a pile there gained up to
# 0.017 a ratio in simulations; a true pile gained 0.13 to 0.5. Between them, in equal ratios.
_DOUBT, _DOUBT_A_RATIO = 10.0, 0.045
_TEMPER = 3.0  # nats beyond that count as one: the ratios of a gene are not independent
_SPREAD_TO_LEVEL = 2.0
_SPREAD_ERROR = 0.5  # of the logarithm of the level that the spread says
_STRENGTH = 200.0  # molecules that the level weighs as much as, in each cell

NOT_TOLD, GENES_OFF, CELLS_DIFFER, NO_SIGN = range(4)
SIGNS = (
    "It was not recorded how the level was found: not prepared, or by an earlier version.",
    "Genes that are off in whole clusters: their ratios to the ambient share pile up at the level.",
    "A guess, from how much cells differ: no gene was surely off. Where all cells are about equally"
    " dirty it is too low, by half or more in trials.",
    "Not known from these data: no gene is surely off, and cells differ by no more than chance. It"
    " stays near the expected share that was set.",
)


class AmbientStart(NamedTuple):
    """What ``ambient_parts`` gives, and which of the ``SIGNS`` the level is from."""

    fractions: np.ndarray
    cleaned: np.ndarray
    sign: int


def ambient_parts(
    counts: np.ndarray, profile: np.ndarray, *, prior: float, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """The first two of ``ambient_start``."""
    return ambient_start(counts, profile, prior=prior, seed=seed)[:2]


def ambient_start(
    counts: np.ndarray,
    profile: np.ndarray,
    *,
    prior: float,
    seed: int = 0,
    n_rounds: int = 15,
) -> AmbientStart:
    """Ambient share of each cell's counts, (cells,), and the expected counts of its own.

    The latter, (cells, genes), are the counts times the chance that a molecule is the cell's own;
    counts less the expected ambient ones would leave half of the noise where a gene is off.

    Args:
        counts: Raw counts, (cells, genes).
        profile: Ambient share of each gene, adding up to 1.
        prior: Level where the data say nothing, and the least that their spread may say.
    """
    x = np.asarray(counts, np.float32)
    library = np.maximum(x.sum(axis=1), 1.0)
    n_clusters = int(np.clip(len(x) // 50, 1, 15))
    features = np.log1p(x * (np.median(library) / library)[:, None])
    scores, _, signal = principal_scores(
        features - features.mean(axis=0), np.zeros(len(x), int), _COMPONENTS, seed
    )
    group = KMeans(n_clusters, n_init=2, random_state=seed).fit_predict(scores * np.sqrt(signal))
    level, sign = level_and_sign(x, profile, group, prior=prior, seed=seed)
    fraction, cleaned = np.full(len(x), level), x.copy()
    for k in range(n_clusters):
        rows = np.flatnonzero(group == k)
        share = x[rows].sum(axis=0) / library[rows].sum()
        own = np.maximum(share - level * profile, 1e-3 * share + 1e-9)
        own /= own.sum()
        rho = np.full(len(rows), level)
        for _ in range(n_rounds):
            # Share of each molecule that is ambient, then the weight that this makes likely.
            ambient = rho[:, None] * profile
            owed = (x[rows] * ambient / (ambient + (1 - rho)[:, None] * own)).sum(axis=1)
            rho = (owed + _STRENGTH * level) / (library[rows] + _STRENGTH)
        fraction[rows] = rho
        kept = (1 - rho[:, None]) * own
        cleaned[rows] *= kept / (kept + rho[:, None] * profile)
    # Doublets and the like pull their own fraction up; the level of all cells stays the level.
    fraction = np.clip(fraction * (level / fraction.mean()), 1e-4, 0.9)
    return AmbientStart(fraction, cleaned, sign)


def ambient_level(
    counts: np.ndarray, profile: np.ndarray, group: np.ndarray, *, prior: float, seed: int = 0
) -> float:
    """Ambient share common to all cells, whose clusters are ``group``, (cells,)."""
    return level_and_sign(counts, profile, group, prior=prior, seed=seed)[0]


def level_and_sign(
    counts: np.ndarray, profile: np.ndarray, group: np.ndarray, *, prior: float, seed: int = 0
) -> tuple[float, int]:
    """``ambient_level``, and which of the ``SIGNS`` decided."""
    rng = np.random.default_rng(seed)
    spread = _lower_spread(counts, profile, group, rng)
    centre = np.log(max(_SPREAD_TO_LEVEL * spread, prior))
    belief = -0.5 * ((np.log(_LEVELS) - centre) / _SPREAD_ERROR) ** 2
    gain, n_ratios = _gain_of_a_pile(counts, profile, group, rng)
    told = np.maximum(gain - _DOUBT - _DOUBT_A_RATIO * n_ratios, 0.0)
    belief += told / _TEMPER
    weight = np.exp(belief - belief.max())
    level = float(np.exp(np.sum(weight * np.log(_LEVELS)) / weight.sum()))
    guessed = CELLS_DIFFER if _SPREAD_TO_LEVEL * spread > prior else NO_SIGN
    return level, GENES_OFF if told.any() else guessed


def _gain_of_a_pile(
    x: np.ndarray, profile: np.ndarray, group: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, int]:
    """Nats gained by a pile at each level, over the best fit without one; how many ratios."""
    seen = np.stack([x[group == k].sum(axis=0) for k in np.unique(group)]).astype(float)
    expected = seen.sum(axis=1, keepdims=True) * profile
    told = expected > 5
    if not told.any():
        return np.zeros(len(_LEVELS)), 0
    chosen = rng.permutation(int(told.sum()))[:_PAIRS]
    count, mean = seen[told][chosen], expected[told][chosen]
    scale = np.minimum(1.0, _MOST / mean)
    count, mean = np.round(count * scale), mean * scale
    with_pile, without = (
        np.array([_fit_of_ratios(count, mean, level, pile) for level in _LEVELS])
        for pile in (True, False)
    )
    return with_pile - without.max(), len(chosen)


def _fit_of_ratios(
    count: np.ndarray, mean: np.ndarray, level: float, pile: bool, n_rounds: int = 15
) -> float:
    """Log-likelihood of Poisson counts, given the level, with the best mixture of ratios."""
    shape = np.exp(-0.5 * ((_LOG_RATIOS[:, None] + 0.2) / _SPREADS) ** 2)
    ratios = level + (1 - level) * np.append(np.exp(_LOG_RATIOS), 0.0)
    rate = mean[:, None] * ratios
    log_fit = count[:, None] * np.log(rate) - rate - gammaln(count + 1)[:, None]
    best = log_fit.max(axis=1, keepdims=True)
    fit = np.exp(log_fit - best)
    parts = fit[:, :-1] @ (shape / shape.sum(axis=0))
    if pile:
        parts = np.column_stack([parts, fit[:, -1]])
    weights = np.full(parts.shape[1], 1 / parts.shape[1])
    for _ in range(n_rounds):
        weights = weights * (parts / (parts @ weights)[:, None]).mean(axis=0)
    return float(np.sum(np.log(parts @ weights) + best[:, 0]))


def _lower_spread(
    x: np.ndarray, profile: np.ndarray, group: np.ndarray, rng: np.random.Generator
) -> float:
    """Standard deviation of the cells' levels below their median, without sampling noise.

    Each cell's place between its cluster and the ambient is measured twice, on two halves of the
    genes; what the halves disagree by is noise. Only the lower side counts: doublets and cells
    between two kinds also look more like the average cell, so they lie on the upper.
    """
    library = np.maximum(x.sum(axis=1), 1.0)
    half = rng.random(x.shape[1]) < 0.5
    places, differences = [np.zeros(1)], [np.zeros(1)]
    for k in np.unique(group):
        rows = np.flatnonzero(group == k)
        if len(rows) < 25:
            continue
        share = x[rows] / library[rows, None]
        own = x[rows].sum(axis=0) / library[rows].sum()
        first = second = np.zeros(len(rows))
        for _ in range(2):
            way = profile - own
            noise = (own + 0.05 * profile + 1e-9) * (1 + 0.3 * own * library[rows].mean())
            first, second = (
                (share - own)
                @ (way / noise * genes)
                / max(float(np.sum(way**2 / noise * genes)), 1e-9)
                for genes in (half, ~half)
            )
            cleaner = first + second <= np.quantile(first + second, 0.6)
            own = x[rows[cleaner]].sum(axis=0) / library[rows[cleaner]].sum()
        place = (first + second) / 2
        places.append(place - np.median(place))
        differences.append((first - second) / 2)
    noise_sd = np.median(np.abs(np.concatenate(differences))) / 0.6745
    lower_sd = -np.quantile(np.concatenate(places), 0.1) / 1.2816
    return float(np.sqrt(max(lower_sd**2 - noise_sd**2, 0.0)))
