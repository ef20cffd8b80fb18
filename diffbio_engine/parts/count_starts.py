"""Where a model of counts starts: principal components in, a Poisson factor model out.

NumPy on a sample of cells, outside any transform. The encoder starts as a projection on principal
components, the decoder as the log-linear Poisson model that explains the counts from them, so an
untrained network already separates cell types and already predicts counts.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln
from sklearn.utils.extmath import randomized_svd

_WORK = 2e10  # multiplications spent on one step of the Poisson fit
_SHRINK = 1.0  # prior precision of a decoder slope, in units of the latent's prior


@dataclass(frozen=True)
class CountStart:
    """First weights of an encoder and a decoder of counts.

    Attributes:
        typical_library: Median total count, to which cells are scaled before the logarithm.
        centre, project: Encoder mean = ``(f - centre) @ project`` with
            ``f = log1p(counts / library * typical_library)``.
        latent_log_var: Log posterior variance of each latent dimension.
        log_profile: Log mean share of each gene, (genes,).
        slopes: Change of the log share with each latent dimension, (latent, genes).
        batch_slopes: Change of the log share in each batch, (batches, genes).
        log_theta: Log inverse dispersion of each gene (negative binomial, by moments).
        excess_zeros: Share of zeros that the negative binomial does not explain, (genes,).
        input_mean: Mean of ``log1p(counts)``, (genes,).
    """

    typical_library: float
    centre: np.ndarray
    project: np.ndarray
    latent_log_var: np.ndarray
    log_profile: np.ndarray
    slopes: np.ndarray
    batch_slopes: np.ndarray
    log_theta: np.ndarray
    excess_zeros: np.ndarray
    input_mean: np.ndarray


def start_of_counts(
    counts: np.ndarray,
    n_latent: int,
    *,
    batches: np.ndarray | None = None,
    n_batches: int = 1,
    seed: int = 0,
) -> CountStart:
    """First weights for these cells, (cells, genes); a few seconds for 8192 x 2000."""
    x = np.asarray(counts, dtype=np.float32)
    x = x[x.sum(axis=1) > 0]
    if not len(x):
        x = np.ones((1, counts.shape[1]), np.float32)
    known = np.zeros(len(x), int)
    if batches is not None:
        known = np.asarray(batches)[np.asarray(counts).sum(axis=1) > 0].astype(int)
    library = x.sum(axis=1)
    typical = float(np.median(library))
    log_profile, batch_slopes = _profiles(x, known, n_batches)

    features = np.log1p(x * (typical / library)[:, None])
    centre = features.mean(axis=0)
    scores, project, signal = principal_scores(features - centre, known, n_latent, seed)

    design = np.concatenate([np.ones((len(x), 1), np.float32), scores], axis=1)
    fixed = np.log(library)[:, None] + (log_profile + batch_slopes[known])
    weights = _poisson_fit(x, design, fixed, seed)
    # As in probabilistic PCA: a score is signal + noise, so the latent keeps only its signal and
    # the slopes, which were fitted to the same counts, are taken back by as much.
    reach = np.sqrt(signal)
    slopes = weights[1:] * reach[:, None]
    project = project * reach

    kept = np.clip(fixed + weights[0] + scores @ (reach[:, None] * slopes), -30, 12)
    log_theta, excess = _dispersion(x, np.exp(kept), seed)
    return CountStart(
        typical_library=typical,
        centre=centre,
        project=project,
        latent_log_var=np.log(np.clip(1 - signal, 0.01, 1.0)),
        log_profile=log_profile + weights[0],
        slopes=slopes,
        batch_slopes=batch_slopes,
        log_theta=log_theta,
        excess_zeros=excess,
        input_mean=np.log1p(x).mean(axis=0),
    )


def _profiles(x: np.ndarray, batch: np.ndarray, n_batches: int) -> tuple[np.ndarray, np.ndarray]:
    """Log mean share of each gene, and its difference in each batch."""
    total = x.sum(axis=0) + 0.5
    log_profile = np.log(total / total.sum())
    shifts = np.zeros((n_batches, x.shape[1]), np.float32)
    if n_batches > 1:
        for b in range(n_batches):
            # A pseudo-count in proportion to the mean keeps unseen genes at no difference.
            seen = x[batch == b].sum(axis=0) + 10 * x.shape[1] * np.exp(log_profile)
            shifts[b] = np.log(seen / seen.sum()) - log_profile
    return log_profile.astype(np.float32), shifts


def principal_scores(
    centred: np.ndarray, batch: np.ndarray, n_latent: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Principal scores with variance 1, the projection that makes them, and their signal's share.

    Genes are scaled to one variance first, or a few loud genes would make up the components.
    """
    spread = centred.std(axis=0)
    # A gene seen in a handful of cells must not weigh more than one seen in one cell in fifty.
    centred = centred / np.maximum(spread, 0.1)
    within = centred
    if batch.any():
        within = centred.copy()
        for b in np.unique(batch):
            within[batch == b] -= within[batch == b].mean(axis=0)
    n_found = min(n_latent + 20, min(within.shape))
    _, scale, axes = randomized_svd(within, n_found, n_iter=3, random_state=seed)
    n_kept = min(n_latent, n_found)
    variance = scale**2 / len(within)
    project = np.zeros((centred.shape[1], n_latent), np.float32)
    project[:, :n_kept] = axes[:n_kept].T / np.sqrt(np.maximum(variance[:n_kept], 1e-6))
    signal = np.full(n_latent, 0.01, np.float32)
    signal[:n_kept] = np.clip(1 - variance[-1] / np.maximum(variance[:n_kept], 1e-6), 0.01, 0.99)
    return centred @ project, project / np.maximum(spread, 0.1)[:, None], signal


def _poisson_fit(
    x: np.ndarray, design: np.ndarray, fixed: np.ndarray, seed: int, n_steps: int = 5
) -> np.ndarray:
    """Slopes of log-linear Poisson regressions, one for each gene, (1 + latent, genes).

    Newton steps from zero with a ridge; each slope moves at most 1 in a step.
    """
    n_terms, n_genes = design.shape[1], x.shape[1]
    n_used = int(np.clip(_WORK / (n_genes * n_terms**2), 200, len(x)))
    rows = np.random.default_rng(seed).permutation(len(x))[:n_used]
    x, design, fixed = x[rows], design[rows].astype(np.float32), fixed[rows]
    outer = (design[:, :, None] * design[:, None, :]).reshape(len(x), -1)
    ridge = _SHRINK * len(x) / np.float32(1000) * np.eye(n_terms, dtype=np.float32) + 1e-3
    weights = np.zeros((n_terms, n_genes), np.float32)
    for _ in range(n_steps):
        rate = np.exp(np.clip(fixed + design @ weights, -30, 12))
        slope = design.T @ (x - rate) - ridge.diagonal()[:, None] * weights
        curve = (rate.T @ outer).reshape(n_genes, n_terms, n_terms) + ridge
        step = np.linalg.solve(curve, slope.T[:, :, None])[:, :, 0].T
        weights += np.clip(step, -1, 1)
    return weights


def _dispersion(x: np.ndarray, rate: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Log inverse dispersion of greatest likelihood, and the share of zeros left unexplained."""
    rows = np.random.default_rng(seed).permutation(len(x))[:2000]
    x, rate = x[rows], rate[rows]
    cell, gene = np.nonzero(x)
    seen = x[cell, gene]
    grid = np.linspace(np.log(0.05), np.log(500.0), 14)
    fits = []
    for theta in np.exp(grid):
        log_zero = -(theta + x) * np.log1p(rate / theta)
        more = gammaln(seen + theta) - gammaln(theta) - seen * np.log(theta)
        # The prior, log-normal around 3, only decides for genes that are hardly seen.
        prior = -0.5 * ((np.log(theta) - np.log(3.0)) / 2.0) ** 2
        fits.append(log_zero.sum(axis=0) + np.bincount(gene, more, x.shape[1]) + prior)
    theta = np.exp(grid[np.argmax(fits, axis=0)])
    expected = np.exp(-theta * np.log1p(rate / theta)).mean(axis=0)
    excess = np.clip(((x == 0).mean(axis=0) - expected) / np.maximum(expected, 0.05), 0.01, 0.5)
    return np.log(theta).astype(np.float32), excess.astype(np.float32)
