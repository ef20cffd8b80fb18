"""Lengths of paths over a graph, soft: near-shortest paths count too, the more the warmer."""

import jax
import jax.numpy as jnp
import numpy as np

from diffbio_engine import soft_ops
from diffbio_engine.operators.singlecell._diffusion_maps import as_graph, links, neighbour_lists
from diffbio_engine.parts.neighbours import nearest_neighbours

_FAR = 1e6


def _log_sum(edges: jax.Array, values: jax.Array, n: int) -> jax.Array:
    """Logarithm of the sum of ``exp(values)`` over the edges that begin at each cell."""
    highest = jax.ops.segment_max(values, edges, num_segments=n)
    highest = jnp.where(jnp.isfinite(highest), highest, 0.0)
    total = jax.ops.segment_sum(jnp.exp(values - highest[edges]), edges, num_segments=n)
    return jnp.log(jnp.maximum(total, 1e-30)) + highest


def _one_more_step(
    far: jax.Array,
    lengths: jax.Array,
    temperature: jax.Array,
    graph: tuple[jax.Array, jax.Array, jax.Array],
    root: jax.Array,
) -> jax.Array:
    begins, ends, logs = graph
    values = logs - (lengths + far[ends]) / temperature
    reached = -temperature * _log_sum(begins, values, len(far))
    return reached.at[root].set(0.0)


@jax.custom_vjp
def path_lengths(
    lengths: jax.Array,
    temperature: jax.Array,
    graph: tuple[jax.Array, jax.Array, jax.Array],
    root: jax.Array,
    start: jax.Array,
) -> jax.Array:
    """Free energy of the paths from each cell to the root, (cells,).

    ``f_i = -t log sum_e p_e exp(-(length_e + f_end(e)) / t)`` over the edges ``e`` that begin at
    ``i``, with ``f_root = 0``: the randomised shortest path. As ``t`` goes to 0, the shortest path;
    as it grows, the mean length of a random walk to the root.

    Gradients are those of the fixed point: each edge counts by how often a walk, drawn towards the
    root, uses it. Cost: O(edges * steps of the longest path) time, O(edges) memory.

    Args:
        lengths: Of the edges, (edges,), at least 0.
        graph: Where each edge begins, where it ends, and the logarithm of its share ``p``.
        start: (cells,) At least as far as the answer, such as `_FAR`.

    References:
        Kivimaki, Shimbo, Saerens (2014), Developments in the theory of randomized shortest paths.
    """

    def unsettled(state):
        count, _, change = state
        return (count < 5000) & (change > 1e-6 if lengths.dtype == jnp.float32 else change > 1e-13)

    def turn(state):
        count, far, _ = state
        next_far = _one_more_step(far, lengths, temperature, graph, root)
        return count + 1, next_far, jnp.max(jnp.abs(next_far - far) / (1.0 + jnp.abs(far)))

    began = (0, start.at[root].set(0.0), jnp.asarray(jnp.inf, lengths.dtype))
    return jax.lax.while_loop(unsettled, turn, began)[1]


def _forward(lengths, temperature, graph, root, start):
    far = path_lengths(lengths, temperature, graph, root, start)
    return far, (far, lengths, temperature, graph, root)


def _backward(saved, slope):
    far, lengths, temperature, graph, root = saved
    begins, ends, logs = graph
    n = len(far)
    slope = jnp.where(far < 0.5 * _FAR, slope, 0.0)  # a cell without a path has no slope
    values = logs - (lengths + far[ends]) / temperature
    log_sum = _log_sum(begins, values, n)
    used = jnp.exp(values - log_sum[begins]) * (begins != root)

    def unsettled(state):
        count, _, added = state
        enough = 1e-7 if slope.dtype == jnp.float32 else 1e-14
        return (count < 5000) & (jnp.max(jnp.abs(added)) > enough * jnp.max(jnp.abs(slope)))

    def turn(state):
        count, total, added = state
        passed = jax.ops.segment_sum(used * added[begins], ends, num_segments=n)
        return count + 1, total + passed, passed

    _, visits, _ = jax.lax.while_loop(unsettled, turn, (0, slope, slope))
    on_edges = used * visits[begins]
    # How the free energy of one step turns with the temperature, the ends held.
    mean = on_edges * (lengths + far[ends])
    warmth = (jnp.sum(visits.at[root].set(0.0) * far) - jnp.sum(mean)) / temperature
    nothing = jax.tree.map(lambda x: np.zeros(x.shape, jax.dtypes.float0), graph[:2])
    no_root = np.zeros(jnp.shape(root), jax.dtypes.float0)
    return on_edges, warmth, (*nothing, jnp.zeros_like(logs)), no_root, jnp.zeros_like(far)


path_lengths.defvjp(_forward, _backward)


def both_ways(begins: jax.Array, ends: jax.Array, n: int) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Edges in both directions, each with its share of those of its cell, as a logarithm."""
    begins, ends = jnp.concatenate([begins, ends]), jnp.concatenate([ends, begins])
    count = jax.ops.segment_sum(jnp.ones(len(begins)), begins, num_segments=n)
    return begins, ends, -jnp.log(count[begins])


def soft_distances_to_root(
    lengths: jax.Array,
    temperature: jax.Array,
    begins: jax.Array,
    ends: jax.Array,
    n: int,
    root: jax.Array | int,
) -> tuple[jax.Array, jax.Array]:
    """Path lengths of ``n`` cells to the root over edges without direction, and who has a path."""
    graph = both_ways(begins, ends, n)
    start = jnp.full(n, _FAR, lengths.dtype)
    far = path_lengths(
        jnp.concatenate([lengths, lengths]), temperature, graph, jnp.asarray(root), start
    )
    return far, far < 0.5 * _FAR


def soft_ways(apart: jax.Array, far: jax.Array, heat: jax.Array) -> jax.Array:
    """Free energy of the ways to the root over cells nearby, (cells,).

    Args:
        apart: (cells, k, axes) from each cell to those nearby, and how far these are, (cells, k).
    """
    ways = soft_ops.sqrt(jnp.sum(apart**2, axis=-1)) + far
    least = -soft_ops.logsumexp_max(-ways, axis=1, softness=heat)
    return least + heat * jnp.log(float(ways.shape[1]))


def distances_to_root_among(
    places: jax.Array, k: int, temperature: jax.Array, root: jax.Array | int
) -> jax.Array:
    """Path lengths to the root among a few cells, traced; those without a path are the last.

    Args:
        temperature: In mean steps.
    """
    nearest, square = neighbour_lists(places, k)
    return _along(soft_ops.sqrt(square), nearest, temperature, root)


def distances_along(
    places: jax.Array, nearest: jax.Array, temperature: jax.Array, root: jax.Array | int
) -> jax.Array:
    """As ``distances_to_root_among`` between given neighbours, (cells, k)."""
    square = jnp.sum((places[:, None] - places[nearest]) ** 2, axis=-1)
    return _along(soft_ops.sqrt(square), nearest, temperature, root)


def _along(
    steps: jax.Array, nearest: jax.Array, temperature: jax.Array, root: jax.Array | int
) -> jax.Array:
    n, k = nearest.shape
    begins = jnp.repeat(jnp.arange(n), k)
    heat = temperature * jnp.mean(steps)
    far, joined = soft_distances_to_root(steps.ravel(), heat, begins, nearest.ravel(), n, root)
    return jnp.where(joined, far, jnp.max(jnp.where(joined, far, 0.0)))


def prepared_distances_to_root(
    places: np.ndarray, k: int, temperature: float, root: int
) -> tuple[np.ndarray, float]:
    """Path lengths to the root among many cells in few coordinates, and the mean step.

    Each cell is joined to its ``k`` nearest; parts are joined by their nearest pair.

    Args:
        temperature: In mean steps.
    """
    nearest, distances = nearest_neighbours(places, k)
    joined = links(as_graph(nearest, np.maximum(distances, 1e-12)), places)
    return prepared_distances_along(places, nearest, joined, temperature, root)


def prepared_distances_along(
    places: np.ndarray,
    nearest: np.ndarray,
    joined: list[tuple[int, int, float]],
    temperature: float,
    root: int,
) -> tuple[np.ndarray, float]:
    """As ``prepared_distances_to_root`` between given neighbours, (cells, k), and pairs."""
    n, k = nearest.shape
    begins = np.append(np.repeat(np.arange(n), k), [a for a, _, _ in joined]).astype(np.int32)
    ends = np.append(nearest.ravel(), [b for _, b, _ in joined]).astype(np.int32)
    lengths = np.linalg.norm(places[begins] - places[ends], axis=1)
    mean_step = max(float(lengths[: n * k].mean()), 1e-12)
    far, _ = jax.jit(soft_distances_to_root, static_argnames="n")(
        jnp.asarray(lengths, float),
        jnp.asarray(temperature * mean_step, float),
        jnp.asarray(begins),
        jnp.asarray(ends),
        n=n,
        root=root,
    )
    return np.asarray(far), mean_step
