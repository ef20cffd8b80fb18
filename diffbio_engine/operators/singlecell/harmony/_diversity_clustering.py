"""Harmony's rounds: soft clusters that hold every batch in its share, then a ridge per cluster."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from diffbio_engine import soft_ops


class Knobs(NamedTuple):
    """The numbers of the method that may be turned: all traced."""

    width: jax.Array  # sigma * temperature
    theta: jax.Array
    ridge: jax.Array  # lambda


class Replay(NamedTuple):
    """What placing any one cell needs, for each round of correction.

    Attributes:
        centroids: (rounds, clusters, features), unit rows.
        log_diversity: (rounds, clusters, batches), log of expected over observed mass.
        mass: (rounds, clusters, batches), observed mass O.
        sums: (rounds, clusters, batches, features), sum of share times cell.
    """

    centroids: jax.Array
    log_diversity: jax.Array
    mass: jax.Array
    sums: jax.Array


def unit_rows(x: jax.Array) -> jax.Array:
    """Each row divided by its length; a row of zeros stays, with a finite gradient."""
    square = jnp.sum(x * x, axis=-1, keepdims=True)
    safe = jnp.where(square > 0, square, 1.0)
    return x * jnp.where(square > 0, jax.lax.rsqrt(safe), 0.0)


def log_diversity(mass: jax.Array, batch_shares: jax.Array, *, bounded: bool) -> jax.Array:
    """Log of expected over observed mass, (clusters, batches).

    Args:
        mass: Observed mass O by cluster and batch.
        batch_shares: Share of all cells that each batch holds.
        bounded: ``(E + 1) / (O + E + 1)``, which never draws cells into a cluster by more than a
            factor of one, as the second version of the method does; else ``(E + 1) / (O + 1)``.
            The ones keep small masses quiet and a batch without cells neutral.
    """
    expected = jnp.sum(mass, axis=1, keepdims=True) * batch_shares
    # Mass is a difference of sums in float32 and may fall a rounding error below zero.
    observed = jnp.maximum(mass, 0.0)
    against = observed + expected if bounded else observed
    return jnp.log((expected + 1.0) / (against + 1.0))


def shares(
    unit_cells: jax.Array, centroids: jax.Array, bias: jax.Array, width: jax.Array
) -> jax.Array:
    """Share of each cell per cluster, ``softmax(-2 (1 - cos) / width + bias)``."""
    return nearest(2.0 * (unit_cells @ centroids.T - 1.0), bias, width)


def nearest(nearness: jax.Array, bias: jax.Array, width: jax.Array) -> jax.Array:
    """Which cluster is nearest, softly, with a head start of ``width * bias``."""
    with_start = nearness + width * bias
    return soft_ops.argmax(with_start, axis=-1, softness=width, standardize=False)


def ridge_coefficients(
    mass: jax.Array, sums: jax.Array, ridge: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Ridge regression on batch in each cluster, intercept unpenalised, in closed form.

    With weights R, ``O[k, b]`` their sum and ``S[k, b]`` the sum of R times cell, the normal
    equations give ``a = sum_b w S / sum_b w O`` with ``w = 1 / (O + lambda)``, and the effect of
    a batch ``(S - O a) / (O + lambda)``: 0 for a batch without cells in the cluster.

    Returns:
        Intercepts (clusters, features) and effects (clusters, batches, features).
    """
    total = mass + ridge
    safe = jnp.where(total > 0, total, 1.0)
    weight = jnp.where(total > 0, 1.0 / safe, 0.0)
    heft = jnp.sum(weight * mass, axis=1, keepdims=True)
    full = heft > 0
    intercept = jnp.einsum("kb,kbd->kd", weight, sums) / jnp.where(full, heft, 1.0)
    effects = weight[..., None] * (sums - mass[..., None] * intercept[:, None])
    return intercept, jnp.where(full[..., None], effects, 0.0)


def batch_effects(shares: jax.Array, labels: jax.Array, effects: jax.Array) -> jax.Array:
    """What is subtracted from each cell: the effects of its batch, weighted by its shares.

    A label outside the batches gives zero. One batch at a time, so that no array of
    cells x clusters x features is made.
    """

    def add(total: jax.Array, numbered: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        batch, effect = numbered
        return total + (shares * (labels == batch)[:, None]) @ effect, None

    start = jnp.zeros((shares.shape[0], effects.shape[-1]), shares.dtype)
    numbers = jnp.arange(effects.shape[1])
    return jax.lax.scan(add, start, (numbers, jnp.moveaxis(effects, 1, 0)))[0]


def _batch_sums(shares: jax.Array, labels: jax.Array, cells: jax.Array, n: int) -> jax.Array:
    """Sum of share times cell by cluster and batch, (clusters, batches, features)."""
    by_batch = jax.lax.map(
        lambda batch: (shares * (labels == batch)[:, None]).T @ cells, jnp.arange(n)
    )
    return jnp.moveaxis(by_batch, 0, 1)


@partial(jax.jit, static_argnames=("n_clusters", "refinements"))
def start_from_data(
    unit_cells: jax.Array, width: jax.Array, *, n_clusters: int, refinements: int = 10
) -> jax.Array:
    """Starting centroids: k-means++ on the sphere with a fixed seed, then soft k-means.

    Which cells are picked is a choice without gradient; where they lie has one.
    """
    n_cells = unit_cells.shape[0]
    seen = jax.lax.stop_gradient(unit_cells)
    draws = jax.random.gumbel(jax.random.key(0), (n_clusters, n_cells), unit_cells.dtype)

    def pick(nearest: jax.Array, draw: jax.Array) -> tuple[jax.Array, jax.Array]:
        # The largest of log-probability plus Gumbel noise is a draw in proportion to distance.
        chosen = jnp.argmax(jnp.log(jnp.maximum(nearest, 1e-12)) + draw)
        distance = jnp.maximum(1.0 - seen @ seen[chosen], 0.0)
        return jnp.minimum(nearest, distance), chosen

    first = jnp.ones(n_cells, unit_cells.dtype)
    chosen = jax.lax.scan(pick, first, draws)[1]

    flat = jnp.zeros((), unit_cells.dtype)

    @jax.checkpoint
    def refine(centroids: jax.Array, _: None) -> tuple[jax.Array, None]:
        return unit_rows(shares(unit_cells, centroids, flat, width).T @ unit_cells), None

    return jax.lax.scan(refine, unit_cells[chosen], None, length=refinements)[0]


def blocks_of(n_cells: int, n_blocks: int) -> tuple[jax.Array, jax.Array]:
    """A fixed random partition: cell of each place (blocks, size), and 0 where a place is empty."""
    n_blocks = max(1, min(n_blocks, n_cells))
    size = -(-n_cells // n_blocks)
    order = jax.random.permutation(jax.random.key(0), n_cells)
    padded = jnp.concatenate([order, jnp.zeros(n_blocks * size - n_cells, order.dtype)])
    full = jnp.arange(n_blocks * size) < n_cells
    return padded.reshape(n_blocks, size), full.reshape(n_blocks, size)


@partial(
    jax.jit,
    static_argnames=(
        "n_batches",
        "n_iterations",
        "n_kmeans_iterations",
        "n_blocks",
        "centroids_rest",
    ),
)
def harmonize(
    cells: jax.Array,
    labels: jax.Array,
    centroids: jax.Array,
    knobs: Knobs,
    *,
    n_batches: int,
    n_iterations: int,
    n_kmeans_iterations: int,
    n_blocks: int = 20,
    centroids_rest: bool = False,
) -> tuple[jax.Array, jax.Array, Replay]:
    """Runs every round on these cells.

    Args:
        cells: (cells, features).
        labels: Batch of each cell; one outside ``0 .. n_batches - 1`` is left uncorrected and
            does not count.
        centroids: Starting centroids, unit rows.
        n_blocks: Parts of the cells that are updated in turn.
        centroids_rest: As in the second version of the method, centroids move with the correction
            only, not between clustering rounds, and the pull towards rare batches is bounded.

    Returns:
        Corrected cells, their shares in the last round, and what replaying needs.
    """
    places, full = blocks_of(cells.shape[0], n_blocks)
    known = (labels >= 0) & (labels < n_batches)
    one_hot = jax.nn.one_hot(labels, n_batches, dtype=cells.dtype)
    batch_shares = jnp.sum(one_hot, axis=0) / jnp.maximum(jnp.sum(known), 1)
    weight = known.astype(cells.dtype)[:, None]

    def cluster(
        unit: jax.Array, centroids: jax.Array, mass_shares: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """One pass over the blocks: new shares, and the mean log diversity that blocks saw."""
        nearness = 2.0 * (unit @ centroids.T - 1.0)

        def block(
            mass: jax.Array, at: tuple[jax.Array, jax.Array]
        ) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
            place, is_full = at
            batch = one_hot[place] * is_full[:, None]
            mass = mass - mass_shares[place].T @ batch
            term = log_diversity(mass, batch_shares, bounded=centroids_rest)
            new = nearest(nearness[place], knobs.theta * (batch @ term.T), knobs.width)
            return mass + new.T @ batch, (new, term)

        start = mass_shares.T @ one_hot
        _, (new, terms) = jax.lax.scan(block, start, (places, full))
        flat = new.reshape(-1, new.shape[-1])
        # Empty places repeat cell 0: they write to a row past the end, which is dropped.
        target = jnp.where(full, places, cells.shape[0]).reshape(-1)
        return jnp.zeros_like(nearness).at[target].set(flat, mode="drop"), jnp.mean(terms, axis=0)

    @jax.checkpoint
    def iteration(
        carry: tuple[jax.Array, jax.Array, jax.Array], _round: None
    ) -> tuple[tuple[jax.Array, jax.Array, jax.Array], Replay]:
        corrected, start, belongs = carry
        unit = unit_rows(corrected)

        def kmeans(
            state: tuple[jax.Array, jax.Array, jax.Array, jax.Array], _look: None
        ) -> tuple[tuple[jax.Array, jax.Array, jax.Array, jax.Array], None]:
            _, next_centroids, belongs, _ = state
            new, term = cluster(unit, next_centroids, belongs)
            moved = next_centroids if centroids_rest else unit_rows((new * weight).T @ unit)
            return (next_centroids, moved, new, term), None

        term = jnp.zeros((start.shape[0], n_batches), cells.dtype)
        (used, _, _, term), _ = jax.lax.scan(
            kmeans, (start, start, belongs, term), None, length=n_kmeans_iterations
        )
        # One last look with one term for all, so that a cell's share depends on the cell alone.
        belongs = shares(unit, used, knobs.theta * (one_hot @ term.T), knobs.width)
        mass = belongs.T @ one_hot
        sums = _batch_sums(belongs, labels, cells, n_batches)
        intercept, effects = ridge_coefficients(mass, sums, knobs.ridge)
        corrected = cells - batch_effects(belongs, labels, effects)
        return (corrected, unit_rows(intercept), belongs), Replay(used, term, mass, sums)

    first = shares(unit_rows(cells), centroids, jnp.zeros((), cells.dtype), knobs.width)
    (corrected, _, belongs), replay = jax.lax.scan(
        iteration, (cells, centroids, first), None, length=n_iterations
    )
    return corrected, belongs, replay


@jax.jit
def place(
    cells: jax.Array, labels: jax.Array, replay: Replay, knobs: Knobs
) -> tuple[jax.Array, jax.Array]:
    """Corrects each cell on its own by walking through the stored rounds.

    Returns:
        Corrected cells and their shares in the last round.
    """
    n_batches = replay.mass.shape[-1]
    one_hot = jax.nn.one_hot(labels, n_batches, dtype=cells.dtype)

    def iteration(
        carry: tuple[jax.Array, jax.Array], stored: Replay
    ) -> tuple[tuple[jax.Array, jax.Array], None]:
        corrected, _ = carry
        bias = knobs.theta * (one_hot @ stored.log_diversity.T)
        belongs = shares(unit_rows(corrected), stored.centroids, bias, knobs.width)
        _, effects = ridge_coefficients(stored.mass, stored.sums, knobs.ridge)
        return (cells - batch_effects(belongs, labels, effects), belongs), None

    start = (cells, jnp.zeros((cells.shape[0], replay.mass.shape[1]), cells.dtype))
    return jax.lax.scan(iteration, start, replay)[0]
