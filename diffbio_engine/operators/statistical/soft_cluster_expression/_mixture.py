"""Cells as a mixture: which cluster each is from, told by its counts and by where it lies."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from diffbio_engine.parts.count_likelihoods import log_factorial, log_rising

_LEAST_SHARE = 1e-6
_ROUNDS = 8
_LARGEST = float(np.log(1e4))
_TOGETHER = 2**22  # counts in 64 bits: 32 MB
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


class Moments:
    """Sums over cells, each as much as its share, that levels and dispersions are made from.

    By condition, (2, ...); added up some cells at a time, so that memory does not grow with them.
    """

    def __init__(self, clusters: int, genes: int) -> None:
        self.counts = np.zeros((2, clusters, genes))
        self.counts_by_size = np.zeros((2, clusters, genes))
        self.all_counts, self.squares = np.zeros((2, genes)), np.zeros(genes)
        self.sizes, self.squared_sizes = np.zeros((2, clusters)), np.zeros((2, clusters))
        self.all_sizes = np.zeros(2)

    def add(
        self, counts: np.ndarray, sizes: np.ndarray, condition: np.ndarray, shares: np.ndarray
    ) -> None:
        """Takes some cells of either condition; counts in 64 bits."""
        for side in (0, 1):
            there = condition == side
            y, s, own = counts[there], sizes[there], shares[there]
            self.counts[side] += own.T @ y
            self.counts_by_size[side] += (own * s[:, None]).T @ y
            self.all_counts[side] += y.sum(axis=0)
            self.squares += own.sum(axis=1) @ y**2
            self.sizes[side] += own.T @ s
            self.squared_sizes[side] += own.T @ s**2
            self.all_sizes[side] += s.sum()

    def levels(self) -> tuple[np.ndarray, np.ndarray]:
        """Log levels and changes (clusters, genes) as means of cells."""
        overall = self.all_counts / self.all_sizes[:, None]
        # A count of the whole condition's level keeps a cluster without cells where that is.
        found = np.log((self.counts + overall[:, None] + 1e-9) / (self.sizes + 1.0)[:, :, None])
        return found[0], found[1] - found[0]

    def theta(self, base: np.ndarray, change: np.ndarray) -> np.ndarray:
        """Inverse dispersions (genes,) by moments around these levels.

        ``alpha = sum w ((y - mu)^2 - mu) / sum w mu^2`` with ``mu = size level``, multiplied out.
        """
        level = np.exp(np.stack([base, base + change]))
        squared_means = level**2 * self.squared_sizes[:, :, None]
        excess = -2 * level * self.counts_by_size + squared_means - level * self.sizes[:, :, None]
        alpha = (self.squares + excess.sum(axis=(0, 1))) / (squared_means.sum(axis=(0, 1)) + 1e-9)
        return 1.0 / np.clip(alpha, 1 / _MOST, 1 / _FEWEST)


def in_pieces(n_cells: int, n_genes: int) -> Iterator[slice]:
    """Cells that are looked at together."""
    rows = max(1, _TOGETHER // max(n_genes, 1))
    return (slice(start, min(start + rows, n_cells)) for start in range(0, n_cells, rows))


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
    own = np.empty(shares.shape)
    pieces = list(in_pieces(*counts.shape))
    for cells in pieces:
        piece = counts[cells], log_size[cells], condition[cells], shares[cells]
        own[cells] = _of_piece(*piece, model, weight, pieces[0].stop)
    return own


def _of_piece(
    counts: np.ndarray,
    log_size: np.ndarray,
    condition: np.ndarray,
    shares: np.ndarray,
    model: dict[str, np.ndarray],
    weight: float,
    length: int,
) -> np.ndarray:
    """Of some cells, filled up to the length for which it is compiled."""
    n = len(counts)
    filled = np.minimum(np.arange(length), n - 1)
    treated = np.asarray(condition == 1, float)
    told = _evidence(counts[filled], log_size[filled], treated[filled], **model)
    return np.asarray(joined(jnp.asarray(shares), weight * told[:n])[0], float)


_evidence = jax.jit(evidence)


def started(
    counts: np.ndarray, sizes: np.ndarray, condition: np.ndarray, shares: np.ndarray
) -> dict[str, np.ndarray]:
    """Levels, changes and inverse dispersions after a few rounds of expectation-maximisation.

    Cells of neither condition (neither 0 nor 1) say nothing.
    """
    own = shares
    model: dict[str, np.ndarray] = {}
    for _ in range(_ROUNDS):
        moments = Moments(shares.shape[1], counts.shape[1])
        for cells in in_pieces(*counts.shape):
            y = np.asarray(counts[cells], float)
            moments.add(y, sizes[cells], condition[cells], own[cells])
        base, change = moments.levels()
        theta = moments.theta(base, change)
        model = {"base": base, "change": change, "log_theta": np.log(theta)}
        own = responsibilities(counts, np.log(sizes), condition, shares, model)
    return model
