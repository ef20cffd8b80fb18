"""Doublets as neighbours of simulated doublets: soft neighbour counts, odds, the threshold."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from scipy.ndimage import uniform_filter1d

from diffbio_engine import soft_ops

_AT_ONCE = 128  # queries, so that their distances to 60 000 points are 30 MB
_GROUP = 16  # points of which at first only the nearest is looked at
_BINS = 256
_MOST_SMOOTHINGS = 10_000
# Width of the soft edge of a neighbourhood at temperature 1, as a share of the squared distance
# to its last neighbour.
_EDGE = 0.1
# A point nearer than this share of the squared distance to the k-th is the cell itself.
_ITSELF = 1e-6


def doublet_odds(share: jax.Array, rate: jax.Array, ratio: float) -> jax.Array:
    """Posterior that a cell is a doublet, given the ``share`` of simulated neighbours.

    ``q rho / r / (1 - rho - q (1 - rho - rho / r))``: doublets of density ``rho`` among observed
    cells are ``rho / r`` as dense as simulated ones.
    """
    return share * rate / ratio / (1 - rate - share * (1 - rate - rate / ratio))


def share_of_odds(odds: jax.Array, rate: jax.Array, ratio: float) -> jax.Array:
    """The inverse of ``doublet_odds``."""
    return odds * (1 - rate) / (rate / ratio + odds * (1 - rate - rate / ratio))


@partial(jax.jit, static_argnames=("n_neighbors", "simulated_queries"))
def simulated_share(
    queries: jax.Array,
    observed: jax.Array,
    simulated: jax.Array,
    temperature: jax.Array,
    *,
    n_neighbors: int,
    simulated_queries: bool = False,
) -> jax.Array:
    """Share of simulated doublets among the nearest points of each query, (queries,).

    ``(sum w s + 1) / (k + 2)``: ``w`` softly marks the ``k`` nearest points and adds up to ``k``.
    Points that lie exactly where the query lies and are of its sort are the query itself (one of
    them), which is not its own neighbour.

    Hard limit: as ``temperature`` goes to 0, ``w`` marks exactly the ``k`` nearest.
    Cost: O(queries * points * features) time; O(points) memory for each of 128 queries at a time.
    """
    points = jnp.concatenate([observed, simulated])
    is_simulated = jnp.arange(len(points)) >= len(observed)
    k = max(1, min(n_neighbors, len(points) - 1))
    # Those beyond k that a soft edge can reach, and the query itself.
    n_candidates = min(k + max(8, k // 3) + 1, len(points))

    def block(some: jax.Array) -> jax.Array:
        near = _nearest(jax.lax.stop_gradient(some), jax.lax.stop_gradient(points), n_candidates)
        square = jnp.sum((some[:, None] - points[near]) ** 2, axis=2)
        simulated_near = is_simulated[near]
        farthest = jnp.max(jax.lax.stop_gradient(square), axis=1, keepdims=True)
        there = (square <= _ITSELF * farthest) & (simulated_near == simulated_queries)
        others = ~(there & (jnp.cumsum(there, axis=1) == 1))
        ordered = jnp.sort(jnp.where(others, square, jnp.inf), axis=1)
        last = jnp.maximum(ordered[:, k - 1 : k], 1e-30)
        marked = soft_ops.top_k_mask(
            -square / last, k, axis=1, softness=_EDGE * temperature, where=others
        )
        return (jnp.sum(marked * simulated_near, axis=1) + 1) / (k + 2)

    n_queries = len(queries)
    if n_queries <= _AT_ONCE:
        return block(queries)
    # Filled up to whole blocks, so that one form is compiled.
    n_blocks = -(-n_queries // _AT_ONCE)
    filled = jnp.pad(queries, ((0, n_blocks * _AT_ONCE - n_queries), (0, 0)), mode="edge")
    shares = jax.lax.map(block, filled.reshape(n_blocks, _AT_ONCE, -1))
    return shares.reshape(-1)[:n_queries]


def _nearest(queries: jax.Array, points: jax.Array, k: int) -> jax.Array:
    """Indices of the ``k`` nearest points, exactly, in two looks.

    The k nearest lie in the k groups whose nearest points are nearest, so that only these groups
    are searched: a fifth of the time of one look at all points.
    """
    centre = jnp.mean(points, axis=0)
    points, queries = points - centre, queries - centre
    norms = jnp.sum(points * points, axis=1)
    n_groups = -(-len(points) // _GROUP)
    if n_groups <= 2 * k:
        return jax.lax.top_k(2 * queries @ points.T - norms, k)[1]
    # Points that only fill up the last group are infinitely far.
    spare = n_groups * _GROUP - len(points)
    points = jnp.pad(points, ((0, spare), (0, 0)))
    norms = jnp.pad(norms, (0, spare), constant_values=jnp.inf)
    # Written once: fused into what follows, the distances would be computed twice.
    square = jax.lax.optimization_barrier(norms - 2 * queries @ points.T)
    groups = square.reshape(len(queries), n_groups, _GROUP)
    _, chosen = jax.lax.top_k(-jnp.min(groups, axis=2), k)
    values = jnp.take_along_axis(groups, chosen[:, :, None], axis=1).reshape(len(queries), -1)
    places = (chosen[:, :, None] * _GROUP + jnp.arange(_GROUP)).reshape(len(queries), -1)
    _, first = jax.lax.top_k(-values, k)
    return jnp.take_along_axis(places, first, axis=1)


def valley_threshold(scores: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Score in the valley between the two kinds of simulated doublets, and whether there is one.

    Doublets of two cells of one kind look like a cell and score low, the others high. Of the
    histogram of 256 bins, smoothed until two peaks are left, the lowest bin between them.

    Gradients: reach the least and the greatest score, between which the bin lies.
    """
    low, high = jnp.min(scores), jnp.max(scores)
    fixed = jax.lax.stop_gradient(scores)
    if isinstance(fixed, jax.core.Tracer):
        shape = jax.ShapeDtypeStruct((), jnp.int32)
        valley = jax.pure_callback(_valley, shape, fixed, vmap_method="sequential")
    else:
        valley = jnp.asarray(_valley(np.asarray(fixed)))
    return low + (jnp.maximum(valley, 0) + 0.5) / _BINS * (high - low), valley >= 0


VALLEY, NO_VALLEY, FEW_SEEN, TOO_MANY = range(4)
_EXPECTED = "As many cells are called as doublets are expected{}: "
_GUESSED = " from the number of cells of a batch (10x: 0.8 % per 1000; 0.8 to 30 %)"
_WHY = (
    "the scores of simulated doublets have no valley.",
    "beyond the valley lie so few simulated doublets that it is no border between two kinds.",
    "the valley would call many times more.",
)
# The first as it is; then why the expected rate is called: a rate that was set, or was guessed.
RULES = (
    "The threshold lies in the valley between the scores of simulated doublets of one kind of cell"
    " and of two.",
    *(_EXPECTED.format(whence) + why for whence in ("", _GUESSED) for why in _WHY),
)
# The same for a classifier's probability, which needs no valley.
EVIDENCE, EVIDENCE_TOO_MANY = range(2)
EVIDENCE_RULES = (
    "The evidence for two cells outweighs that for one: the probability is above 1/2.",
    *(
        _EXPECTED.format(whence) + "a probability above 1/2 would call many times more."
        for whence in ("", _GUESSED)
    ),
)
# Of the simulated doublets, this share at least must lie beyond the valley.
_LEAST_SEEN = 0.1
# What may be called in any case where the rate was only guessed: chips are loaded more densely
# than the rule has it, and 5 % of the cells is less than what other filters take.
_NEVER_MANY = 0.05


def plausible_threshold(
    scores: jax.Array,
    simulated: jax.Array,
    rate: jax.Array,
    most: jax.Array | float,
    guessed: jax.Array | bool = False,
) -> tuple[jax.Array, jax.Array]:
    """The threshold, and which of the ``RULES`` made it.

    The valley counts if it parts the simulated doublets into two kinds (a tenth of them at least
    beyond it) and calls no more than ``most`` times the expected rate. Else the expected share of
    cells with the highest scores is called.

    Args:
        scores, simulated: Of the cells and of simulated doublets.
        rate: Expected share of doublets.
        guessed: Whether the rate follows from the number of cells only; 5 % are then never many.
    """
    valley, there = valley_threshold(simulated)
    seen, called = jnp.mean(simulated > valley), jnp.mean(scores > valley)
    rule = jnp.where(called > _bound(rate, most, guessed), TOO_MANY, VALLEY)
    rule = jnp.where(seen < _LEAST_SEEN, FEW_SEEN, rule)
    rule = jnp.where(there, rule, NO_VALLEY)
    threshold = jnp.where(rule == VALLEY, valley, jnp.quantile(scores, 1 - rate))
    return threshold, jnp.where((rule != VALLEY) & guessed, rule + len(_WHY), rule)


def bounded_threshold(
    probabilities: jax.Array,
    rate: jax.Array,
    most: jax.Array | float,
    guessed: jax.Array | bool = False,
) -> tuple[jax.Array, jax.Array]:
    """1/2, or where that calls more than is believed, the expected share; and the rule's number.

    Args:
        probabilities: Of all cells.
        rate, most, guessed: As of ``plausible_threshold``; the rules are ``EVIDENCE_RULES``.
    """
    many = jnp.mean(probabilities > 0.5) > _bound(rate, most, guessed)
    threshold = jnp.where(many, jnp.quantile(probabilities, 1 - rate), 0.5)
    rule = jnp.where(many, EVIDENCE_TOO_MANY + jnp.asarray(guessed, int), EVIDENCE)
    return threshold, rule


def _bound(rate: jax.Array, most: jax.Array | float, guessed: jax.Array | bool) -> jax.Array:
    """The largest share of cells that may be called before a threshold is not believed."""
    return jnp.where(guessed, jnp.maximum(most * rate, _NEVER_MANY), most * rate)


def _valley(scores: np.ndarray) -> np.ndarray:
    """Bin of the valley, or -1 where there is none."""
    scores = np.asarray(scores, np.float64)
    if not np.ptp(scores) > 0:
        return np.asarray(-1, np.int32)
    heights = np.histogram(scores, bins=_BINS)[0].astype(float)
    for _ in range(_MOST_SMOOTHINGS):
        heights = uniform_filter1d(heights, 3)
        peaks = _peaks(heights)
        if len(peaks) <= 2:
            break
    if len(peaks) != 2:
        return np.asarray(-1, np.int32)
    return np.asarray(peaks[0] + np.argmin(heights[peaks[0] : peaks[1] + 1]), np.int32)


def _peaks(heights: np.ndarray) -> np.ndarray:
    """Where heights stop rising and begin to fall (the last bin of a plateau)."""
    steps = np.sign(np.diff(heights))
    at = np.flatnonzero(steps)
    before = np.concatenate([[1.0], steps[at][:-1]])
    return at[(steps[at] < 0) & (before > 0)]
