"""Archetypal analysis: corners, themselves mixtures of cells, of which all cells are mixtures.

``min |X - S C X|^2`` with rows of ``S`` (cells by archetypes) and ``C`` (archetypes by cells) that
add up to 1, by turns in ``S`` and ``C``, as in PCHA; ``C`` may use a set of candidate cells only.
"""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from diffbio_engine.operators.singlecell.archetypal_analysis._simplex_least_squares import (
    hard_shares,
    mixing_weights,
)

_EXCHANGES = 10  # how often the start gives up its oldest cell for a further one
_INNER = 10  # gradient steps in one set of unknowns before it is the other's turn


def furthest_cells(cells: jax.Array, n: int) -> jax.Array:
    """``n`` cells far from each other (FurthestSum): the sum of distances to the others is great.

    The first is the furthest from the middle; in the end ten are exchanged, the oldest first.
    """
    cells = jax.lax.stop_gradient(cells)
    far = jnp.argmax(jnp.sum((cells - jnp.mean(cells, axis=0)) ** 2, axis=1))

    def distances(cell: jax.Array) -> jax.Array:
        return jnp.sqrt(jnp.sum((cells - cells[cell]) ** 2, axis=1))

    def exchange(
        step: jax.Array, state: tuple[jax.Array, jax.Array]
    ) -> tuple[jax.Array, jax.Array]:
        chosen, lengths = state
        place = step % n
        chosen, lengths = chosen.at[place].set(-1), lengths.at[place].set(0.0)
        # -1, an empty place, would count from the end.
        taken = jnp.where(chosen < 0, len(cells), chosen)
        total = jnp.sum(lengths, axis=0).at[taken].set(-jnp.inf, mode="drop")
        new = jnp.argmax(total)
        return chosen.at[place].set(new), lengths.at[place].set(distances(new))

    chosen = jnp.full(n, -1).at[0].set(far)
    lengths = jnp.zeros((n, len(cells)), cells.dtype).at[0].set(distances(far))
    return jax.lax.fori_loop(1, n + _EXCHANGES, exchange, (chosen, lengths))[0]


@partial(jax.jit, static_argnames="n_rounds")
def rounds(
    points: jax.Array,
    candidates: jax.Array,
    shares: jax.Array,
    weights: jax.Array,
    *,
    n_rounds: int,
) -> tuple[jax.Array, jax.Array]:
    """``n_rounds`` turns: shares for the archetypes, then archetypes for the shares."""

    def turn(state: tuple[jax.Array, jax.Array], _: None) -> tuple[tuple, None]:
        shares, weights = state
        shares = hard_shares(points, weights @ candidates, shares, _INNER)
        weights = mixing_weights(points, shares, candidates, weights, _INNER)
        return (shares, weights), None

    (shares, weights), _ = jax.lax.scan(turn, (shares, weights), None, length=n_rounds)
    return hard_shares(points, weights @ candidates, shares, 3 * _INNER), weights


def start_of(candidates: jax.Array, n: int, n_points: int) -> tuple[jax.Array, jax.Array]:
    """Equal shares, and archetypes that are single cells."""
    chosen = furthest_cells(candidates, n)
    weights = jax.nn.one_hot(chosen, len(candidates), dtype=candidates.dtype)
    return jnp.full((n_points, n), 1.0 / n, candidates.dtype), weights


@dataclass(frozen=True)
class ArchetypeFit:
    """Archetypes of cells.

    Attributes:
        rows: The cells that the archetypes are mixtures of, (corners,).
        weights: These mixtures, (archetypes, corners); rows add up to 1.
        unexplained: Mean squared distance of a cell to the hull of the archetypes.
    """

    rows: np.ndarray
    weights: np.ndarray
    unexplained: float


def fit_archetypes(
    points: np.ndarray,
    n: int,
    *,
    n_candidates: int,
    n_corners: int,
    seed: int,
    tolerance: float = 1e-6,
) -> ArchetypeFit:
    """Archetypes of these points, (cells, features), that are mixtures of few of them.

    Candidates are all cells, or ``n_candidates`` of them: those that stick out furthest in random
    directions. Once they are found, the ``n_corners`` cells that matter most are kept, and the
    mixtures are found again among these.
    """
    cells = jnp.asarray(points, jnp.float32)
    rows = _sticking_out(points, n_candidates, seed)
    shares, weights = start_of(cells[rows], n, len(points))
    shares, weights, _ = _until_still(cells, cells[rows], shares, weights, tolerance)
    matters = np.asarray(weights).max(axis=0)
    kept = np.sort(np.argsort(-matters, kind="stable")[:n_corners])
    rows, few = rows[kept], np.asarray(weights)[:, kept]
    few = few / np.maximum(few.sum(axis=1, keepdims=True), 1e-12)
    corners = jnp.asarray(few)
    shares, corners, left = _until_still(cells, cells[rows], shares, corners, tolerance)
    return ArchetypeFit(rows, np.asarray(corners), left)


def _until_still(
    cells: jax.Array,
    candidates: jax.Array,
    shares: jax.Array,
    weights: jax.Array,
    tolerance: float,
    most: int = 60,
) -> tuple[jax.Array, jax.Array, float]:
    """Rounds of ten until the misfit falls by less than ``tolerance`` of itself in each."""
    before = np.inf
    for _ in range(most):
        shares, weights = rounds(cells, candidates, shares, weights, n_rounds=10)
        left = float(_misfit(cells, candidates, shares, weights))
        if before - left <= tolerance * left:
            break
        before = left
    return shares, weights, left


@jax.jit
def _misfit(
    cells: jax.Array, candidates: jax.Array, shares: jax.Array, weights: jax.Array
) -> jax.Array:
    return jnp.mean(jnp.sum((cells - shares @ (weights @ candidates)) ** 2, axis=1))


def _sticking_out(points: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Rows of at most ``n`` cells, first those that are extreme in some random direction."""
    if len(points) <= n:
        return np.arange(len(points))
    random = np.random.default_rng(seed)
    extreme = np.zeros(len(points), int)
    for _ in range(8):
        seen = points @ random.normal(size=(points.shape[1], 256)).astype(points.dtype)
        np.add.at(extreme, np.concatenate([seen.argmax(axis=0), seen.argmin(axis=0)]), 1)
    # Among cells that are never extreme, the furthest from the middle.
    far = np.sum((points - points.mean(axis=0)) ** 2, axis=1)
    return np.sort(np.lexsort((-far, -extreme))[:n])
