"""Values of cells, spread over their neighbours: sparse, by lists of the nearest."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
import scipy.sparse
import scipy.sparse.csgraph
from sklearn.utils.extmath import randomized_range_finder

from diffbio_engine.operators.singlecell._principal_axes import principal_axes
from diffbio_engine.parts.diffusion import affinity, squared_bandwidth, squared_distances

_EXACT_AXES = 1000  # genes or cells, whichever are fewer; above, components are drawn at random
_MOST_STEPS = 128
_PLACED_AT_ONCE = 1024  # cells, so that (cells, prepared cells) stays near 100 MB
_SAME = 1e-6  # of its squared width: a cell that near to a prepared one is that one
_GENES_AT_ONCE = 512  # so that what a walk comes back to stays in the processor's cache


def leading_axes(centred: np.ndarray, n_axes: int, seed: int, rounds: int = 2) -> np.ndarray:
    """The first principal axes of centred cells, (genes, axes), exact up to 1000 cells or genes.

    Above, they are drawn at random and turned towards the strongest ``rounds`` times.
    """
    n_cells, n_genes = centred.shape
    fewer = min(n_cells, n_genes)
    if fewer > _EXACT_AXES:
        # Halko, Martinsson, Tropp (2011); some directions more than asked for, as they advise.
        fewer = min(fewer, n_axes + 10)
        finder = {"n_iter": rounds, "power_iteration_normalizer": "none", "random_state": seed}
        centred = randomized_range_finder(centred, size=fewer, **finder).T @ centred
    wanted = (fewer - n_axes, fewer - 1)
    if n_genes <= fewer:
        return scipy.linalg.eigh(centred.T @ centred, subset_by_index=wanted)[1]
    square, turned = scipy.linalg.eigh(centred @ centred.T, subset_by_index=wanted)
    return (centred.T @ turned) / np.sqrt(np.maximum(square, 1e-6 * square[-1]))


def in_principal_space(cells: jax.Array, n_components: int) -> jax.Array:
    """Centred cells in the space of their first components, not turned to these axes.

    Distances are those of the components; gradients are safe (``principal_axes``).
    """
    centred = cells - jnp.mean(cells, axis=0)
    if n_components >= min(len(cells) - 1, cells.shape[1]):
        return centred
    if cells.shape[1] <= len(cells):
        return centred @ principal_axes(centred.T @ centred, n_components)
    axes = principal_axes(centred @ centred.T, n_components)
    return axes @ (axes.T @ centred)


def walk_among(
    places: jax.Array, decay: jax.Array, *, n_neighbors: int, n_reached: int, cosine: bool
) -> jax.Array:
    """The walk among a few cells, dense (cells, cells), with gradients through the distances.

    A cell has affinity 1 to itself and none beyond its ``n_reached`` nearest; the kernel is made
    symmetric and its rows are scaled.

    Args:
        places: (cells, features); of length 1 for the cosine.
    """
    n_cells = len(places)
    square = squared_distances(places, places) * (1.0 - jnp.eye(n_cells, dtype=places.dtype))
    square = 0.25 * square**2 if cosine else square
    width = squared_bandwidth(square, n_neighbors, to_itself=True)
    others = jax.lax.stop_gradient(square) + jnp.diag(jnp.full(n_cells, jnp.inf))
    _, nearest = jax.lax.top_k(-others, max(1, min(n_reached, n_cells - 1)))
    reached = jnp.eye(n_cells, dtype=bool).at[jnp.arange(n_cells)[:, None], nearest].set(True)
    kernel = jnp.where(reached, affinity(square, width, decay, "alpha_decay"), 0.0)
    both_ways = 0.5 * (kernel + kernel.T)
    return both_ways / jnp.sum(both_ways, axis=1, keepdims=True)


def diffuse(
    steps: scipy.sparse.csr_matrix, values: np.ndarray, time: float
) -> tuple[np.ndarray, np.ndarray]:
    """Values after ``time`` steps of a sparse walk, and after one step less (at least none).

    Between whole steps it is the mean of the two, by distance.
    """
    now, before = np.empty_like(values), np.empty_like(values)
    # Neighbours side by side find each other in the processor's cache.
    order = scipy.sparse.csgraph.reverse_cuthill_mckee(steps, symmetric_mode=True)
    steps = steps[order][:, order]
    for start in range(0, values.shape[1], _GENES_AT_ONCE):
        some = slice(start, start + _GENES_AT_ONCE)
        now[order, some], before[order, some] = _walked(steps, values[order, some], time)
    return now, before


def _walked(
    steps: scipy.sparse.csr_matrix, values: np.ndarray, time: float
) -> tuple[np.ndarray, np.ndarray]:
    whole, rest = int(time), np.float32(time - int(time))
    before = now = values
    for _ in range(whole):
        before, now = now, steps @ now
    if rest == 0:
        return now, before
    after = steps @ now
    earlier = now if whole == 0 else before + rest * (now - before)
    return now + rest * (after - now), earlier


@jax.jit(static_argnames=("n_neighbors",))
def diffuse_by_lists(
    values: jax.Array,
    indices: jax.Array,
    square: jax.Array,
    decay: jax.Array,
    time: jax.Array,
    *,
    n_neighbors: int,
) -> tuple[jax.Array, jax.Array]:
    """As ``diffuse``, traced: the walk is made of lists of the nearest and their distances.

    No matrix of cells by cells and none of pairs by genes is made.

    Args:
        values: (cells, genes).
        indices, square: (cells, k) the nearest others of each and the squared distances to them,
            nearest first.
    """
    decay, time = decay.astype(values.dtype), time.astype(values.dtype)
    width = jnp.maximum(square[:, min(n_neighbors, square.shape[1]) - 1], 1e-12)
    weights = affinity(square, width, decay, "alpha_decay").astype(values.dtype)
    columns = jnp.arange(indices.shape[1])

    def both_ways(x: jax.Array) -> jax.Array:
        def add(total: jax.Array, k: jax.Array) -> tuple[jax.Array, None]:
            there, weight = indices[:, k], weights[:, k, None]
            return (total + 0.5 * weight * x[there]).at[there].add(0.5 * weight * x), None

        return jax.lax.scan(add, x, columns)[0]

    mass = both_ways(jnp.ones((len(values), 1), values.dtype))
    time = jnp.clip(time, 0.0, float(_MOST_STEPS))
    whole = jnp.floor(time).astype(jnp.int32)
    rest = time - whole

    def step(x: jax.Array) -> jax.Array:
        return both_ways(x) / mass

    # The loop begins with values of its own: those given would be copied, also where a caller
    # only might call this.
    earlier = jax.lax.fori_loop(0, whole - 2, lambda _, x: step(x), step(values))
    before = jnp.where(whole >= 2, earlier, values)
    now = jnp.where(whole >= 1, step(before), values)

    def between() -> tuple[jax.Array, jax.Array]:
        earlier = jnp.where(whole == 0, now, before + rest * (now - before))
        return now + rest * (step(now) - now), earlier

    return jax.lax.cond(rest > 0, between, lambda: (now, before))


@partial(jax.jit, static_argnames=("n_neighbors", "n_reached", "cosine"))
def join(
    own: jax.Array,
    places: jax.Array,
    known_places: jax.Array,
    known_widths: jax.Array,
    diffused: jax.Array,
    diffused_before: jax.Array,
    decay: jax.Array,
    time: jax.Array,
    *,
    n_neighbors: int,
    n_reached: int,
    cosine: bool,
) -> jax.Array:
    """Values of cells that join a prepared walk without anyone there taking notice of them.

    With ``m`` the share of a step that stays at the cell, ``m^t`` of its own values and the rest
    from its nearest prepared cells, after ``t - 1`` steps, by affinity. A prepared cell (one at
    the same place) gets its own diffused values; its gradient is that of a cell that joins.

    Args:
        own: (cells, genes) values of the cells.
        places: (cells, features) where they are; ``known_places``: where the prepared ones are.
        known_widths: (prepared cells,) squared width of the kernel of each.
        diffused, diffused_before: (prepared cells, genes) after ``time`` and one step less.
    """
    spare = min(n_reached + 1, len(known_places))

    def apart(places: jax.Array, others: jax.Array) -> jax.Array:
        """Squared distances, from differences: those from products lose digits."""
        square = jnp.sum((places[:, None] - others) ** 2, axis=2)
        return 0.25 * square**2 if cosine else square

    def nearness(places: jax.Array, known_places: jax.Array) -> jax.Array:
        rough = places @ known_places.T - 0.5 * jnp.sum(known_places**2, axis=1)
        return jax.lax.stop_gradient(rough)

    def joined(
        own: jax.Array,
        places: jax.Array,
        known_places: jax.Array,
        known_widths: jax.Array,
        diffused: jax.Array,
        diffused_before: jax.Array,
        decay: jax.Array,
        time: jax.Array,
    ) -> jax.Array:
        _, nearest = jax.lax.top_k(nearness(places, known_places), spare)
        square = apart(places, known_places[nearest])
        order = jnp.argsort(jax.lax.stop_gradient(square), axis=1)
        nearest = jnp.take_along_axis(nearest, order, axis=1)
        square = jnp.take_along_axis(square, order, axis=1)
        known = square[:, 0] <= _SAME * known_widths[nearest[:, 0]]
        last = min(n_neighbors, spare) - 1
        width = jnp.where(known, square[:, min(n_neighbors, spare - 1)], square[:, last])
        weights = affinity(square, jnp.maximum(width, 1e-12), decay, "alpha_decay")
        # A known cell is not its own neighbour; a new one has one candidate too many.
        skipped = jnp.where(known, 0, n_reached)[:, None] == jnp.arange(spare)
        weights = jnp.where(skipped, 0.0, weights) + 1e-9
        mass = jnp.sum(weights, axis=1, keepdims=True)
        kept = (1.0 / (1.0 + mass)) ** time

        def add(k: jax.Array, total: jax.Array) -> jax.Array:
            return total + weights[:, k, None] * diffused_before[nearest[:, k]]

        around = jax.lax.fori_loop(0, spare, add, jnp.zeros_like(own)) / mass
        mixed = kept * own + (1.0 - kept) * around
        exact = jnp.where(known[:, None], diffused[nearest[:, 0]] - mixed, 0.0)
        return mixed + jax.lax.stop_gradient(exact)

    @jax.custom_jvp
    def block(own: jax.Array, places: jax.Array, *walked: jax.Array) -> jax.Array:
        # Where all are known cells, as when a pipeline hands out those it was prepared with,
        # nothing need be averaged: they have values of their own.
        there, widths, values = walked[:3]
        one = jnp.argmax(nearness(places, there), axis=1)
        square = apart(places, there[one][:, None])[:, 0]
        return jax.lax.cond(
            jnp.all(square <= _SAME * widths[one]),
            lambda: values[one].astype(own.dtype),
            lambda: joined(own, places, *walked),
        )

    block.defjvp(lambda values, slopes: jax.jvp(joined, values, slopes))

    def of(own: jax.Array, places: jax.Array) -> jax.Array:
        walked = known_widths, diffused, diffused_before, decay, time
        return block(own, places, known_places, *walked)

    # Whole blocks, not a batched cell: a choice batched computes both ways, for every cell.
    whole = len(own) - len(own) % _PLACED_AT_ONCE
    blocks = [of(own[whole:], places[whole:])] if len(own) > whole or not whole else []
    if whole:
        cut = lambda x: x[:whole].reshape(-1, _PLACED_AT_ONCE, x.shape[1])  # noqa: E731
        first = jax.lax.map(lambda block: of(*block), (cut(own), cut(places)))
        blocks.insert(0, first.reshape(whole, -1))
    return jnp.concatenate(blocks)
