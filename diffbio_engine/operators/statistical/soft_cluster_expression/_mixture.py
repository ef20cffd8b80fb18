"""Cells as a mixture: which cluster each is from, told by its counts and by where it lies."""

import jax
import jax.numpy as jnp
import numpy as np

from diffbio_engine.parts.count_likelihoods import log_factorial, log_rising

_LEAST_SHARE = 1e-6
_ROUNDS = 8
_LARGEST = float(np.log(1e4))
_FEWEST, _MOST = 1e-2, 1e2  # of theta at the start


def evidence(
    counts: jax.Array,
    log_size: jax.Array,
    condition: jax.Array,
    base: jax.Array,
    change: jax.Array,
    log_theta: jax.Array,
) -> jax.Array:
    """``sum_g log NB(counts | cluster)`` of each cell, (cells, clusters).

    Args:
        log_size, condition: Of each cell.
        base, change: Log level and its change with the condition, (clusters, genes).
        log_theta: (genes,).
    """
    log_theta = jnp.clip(log_theta, -_LARGEST, _LARGEST)
    theta = jnp.exp(log_theta)
    alone = jnp.sum(log_rising(counts, theta) - log_factorial(counts), axis=1)

    def of_one(base: jax.Array, change: jax.Array) -> jax.Array:
        odds = log_size[:, None] + base + condition[:, None] * change - log_theta
        grown = jax.nn.softplus(odds)  # log(1 + mu / theta)
        return jnp.sum(counts * (odds - grown) - theta * grown, axis=1)

    return alone[:, None] + jax.lax.map(lambda b: of_one(*b), (base, change)).T


def joined(shares: jax.Array, told: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Posterior of each cell's cluster, and ``log sum_k share_k p(counts | k)``."""
    logits = jnp.log(jnp.maximum(shares, _LEAST_SHARE)) + told
    return jax.nn.softmax(logits, axis=1), jax.nn.logsumexp(logits, axis=1)


def first_levels(
    counts: np.ndarray, sizes: np.ndarray, condition: np.ndarray, shares: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Log levels and changes (clusters, genes) as means of cells, each as much as its share."""
    levels = []
    for side in (0, 1):
        own = shares * (condition == side)[:, None]
        overall = counts[condition == side].sum(axis=0) / sizes[condition == side].sum()
        # A count of the whole condition's level keeps a cluster without cells where that is.
        levels.append(np.log((own.T @ counts + overall + 1e-9) / (own.T @ sizes + 1.0)[:, None]))
    return levels[0], levels[1] - levels[0]


def first_theta(
    counts: np.ndarray,
    sizes: np.ndarray,
    condition: np.ndarray,
    shares: np.ndarray,
    base: np.ndarray,
    change: np.ndarray,
) -> np.ndarray:
    """Inverse dispersions (genes,) by moments around the levels of the clusters."""
    excess, squares = np.zeros(counts.shape[1]), np.full(counts.shape[1], 1e-9)
    for k in range(len(base)):
        mu = sizes[:, None] * np.exp(base[k] + condition[:, None] * change[k])
        w = shares[:, k : k + 1]
        excess += (w * ((counts - mu) ** 2 - mu)).sum(axis=0)
        squares += (w * mu**2).sum(axis=0)
    return 1.0 / np.clip(excess / squares, 1 / _MOST, 1 / _FEWEST)


def responsibilities(
    counts: np.ndarray,
    log_size: np.ndarray,
    condition: np.ndarray,
    shares: np.ndarray,
    model: dict[str, np.ndarray],
    weight: float = 1.0,
) -> np.ndarray:
    """``joined``, of NumPy: the posterior with the counts weighed by ``weight``.

    Args:
        model: ``base``, ``change`` and ``log_theta``.
    """
    told = _evidence(counts, log_size, np.asarray(condition == 1, float), **model)
    return np.asarray(joined(jnp.asarray(shares), weight * told)[0], float)


_evidence = jax.jit(evidence)


def started(
    counts: np.ndarray, sizes: np.ndarray, condition: np.ndarray, shares: np.ndarray
) -> dict[str, np.ndarray]:
    """Levels, changes and inverse dispersions after a few rounds of expectation-maximisation."""
    own = shares
    model: dict[str, np.ndarray] = {}
    for _ in range(_ROUNDS):
        base, change = first_levels(counts, sizes, condition, own)
        theta = first_theta(counts, sizes, condition, own, base, change)
        model = {"base": base, "change": change, "log_theta": np.log(theta)}
        own = responsibilities(counts, np.log(sizes), condition, shares, model)
    return model
