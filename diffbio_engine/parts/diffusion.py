"""Diffusion over cells: adaptive kernels, random walks and their powers, how long to walk."""

from typing import Literal

import jax
import jax.numpy as jnp

Kernel = Literal["exponential", "alpha_decay"]
SMALLEST_AFFINITY = 1e-4
"""The alpha-decay kernel is 0 below this, so that far cells do not meet."""

_PLACED_AT_ONCE = 4096  # cells, so that (cells, landmarks) stays near 32 MB


def squared_distances(x: jax.Array, y: jax.Array) -> jax.Array:
    """Squared Euclidean distances through the product of the matrices, (rows, columns).

    Both are centred first: the product loses digits to a common offset.
    """
    centre = jax.lax.stop_gradient(jnp.mean(y, axis=0))
    x, y = x - centre, y - centre
    square = jnp.sum(x * x, axis=1)[:, None] + jnp.sum(y * y, axis=1) - 2.0 * x @ y.T
    return jnp.maximum(square, 0.0)


def squared_bandwidth(square: jax.Array, k: int, *, to_itself: bool) -> jax.Array:
    """Squared distance to the ``k``-th nearest, exactly; to a cell itself is not counted.

    The gradient goes to that one distance.
    """
    n_columns = square.shape[1]
    if to_itself:
        square = square + jnp.diag(jnp.full(n_columns, jnp.inf, square.dtype))
    k = max(1, min(k, n_columns - (1 if to_itself else 0)))
    # Where the cell is, is a choice; the gather carries the gradient.
    _, nearest = jax.lax.top_k(-jax.lax.stop_gradient(square), k)
    kth = jnp.take_along_axis(square, nearest[:, -1:], axis=1)[:, 0]
    # Twins would give a width of zero.
    return jnp.maximum(kth, 1e-12)


def affinity(
    square: jax.Array, bandwidth: jax.Array, decay: jax.Array, kernel: Kernel
) -> jax.Array:
    """Affinity of each row's cell to the columns, from 1 at itself to 0.

    ``exponential``: ``exp(-decay (d / sigma)^2)``. ``alpha_decay``: ``exp(-(d / sigma)^decay)``,
    0 below 1e-4; as ``decay`` grows it becomes the ball of the ``k`` nearest.
    """
    ratio = square / bandwidth[:, None]
    if kernel == "exponential":
        return jnp.exp(-decay * ratio)
    # The power is taken of a logarithm that is kept in range, so that no gradient is inf * 0.
    apart = ratio > 1e-20
    raised = 0.5 * decay * jnp.log(jnp.where(apart, ratio, 1.0))
    exponent = jnp.where(apart, jnp.exp(jnp.minimum(raised, 4.0)), 0.0)
    found = jnp.exp(-exponent)
    return jnp.where(found < SMALLEST_AFFINITY, 0.0, found)


def random_walk(cells: jax.Array, k: int, decay: jax.Array, kernel: Kernel) -> jax.Array:
    """Probability of each step from cell to cell, (cells, cells), rows adding up to one."""
    square = squared_distances(cells, cells)
    square = square * (1.0 - jnp.eye(len(cells), dtype=square.dtype))
    one_way = affinity(square, squared_bandwidth(square, k, to_itself=True), decay, kernel)
    both_ways = 0.5 * (one_way + one_way.T)
    return both_ways / jnp.sum(both_ways, axis=1, keepdims=True)


def walk(steps: jax.Array, time: jax.Array, *, longest: int = 128) -> jax.Array:
    """Where a walk ends after ``time`` steps: the matrix power, with a traced exponent.

    Between whole numbers it is the mean of the two powers, by distance: still a random walk,
    continuous in time, and exact at whole numbers. No eigenvalues are needed, so walks with
    equal ones have gradients too.

    Args:
        steps: (cells, cells), rows adding up to one.
        time: At least 0, at most ``longest - 1``.
    """
    time = jnp.clip(time, 0.0, longest - 1.0)
    whole = jnp.floor(jax.lax.stop_gradient(time)).astype(jnp.int32)
    result, squared = jnp.eye(len(steps), dtype=steps.dtype), steps
    for bit in range((longest - 1).bit_length()):
        wanted = (whole >> bit) & 1
        result = jax.lax.cond(wanted == 1, lambda r, s: r @ s, lambda r, s: r, result, squared)
        squared = jax.lax.cond(whole >> (bit + 1) > 0, lambda s: s @ s, lambda s: s, squared)
    rest = time - whole
    moving = jax.lax.stop_gradient(rest) != 0
    # At a whole number the next power is not computed; the slope there is not needed.
    return jax.lax.cond(moving, lambda r: r + rest * (r @ steps - r), lambda r: r, result)


def potential(walked: jax.Array, gamma: jax.Array) -> jax.Array:
    """Potential of each cell: the logarithm (``gamma = 1``) or a root of where its walk ends.

    ``(p^c - 1) / c`` with ``c = (1 - gamma) / 2``, which goes over into ``log p``; distances
    between potentials are those of ``p^c / c`` and of ``-log p``.
    """
    c = 0.5 * (1.0 - gamma)
    logs = jnp.log(walked + 1e-7)
    nearly_log = jnp.abs(c) < 1e-6
    safe = jnp.where(nearly_log, 1.0, c)
    return jnp.where(nearly_log, logs, jnp.expm1(safe * logs) / safe)


def entropy_knee(steps: jax.Array, longest: int = 100) -> jax.Array:
    """Time at which the von Neumann entropy of the walk stops falling quickly, whole, from 1.

    Singular values raised to ``t``, as shares; the knee is where two straight lines, one left and
    one right of it, fit the curve of entropies with the least absolute error.
    """
    values = jnp.linalg.svd(jax.lax.stop_gradient(steps), compute_uv=False)
    logs = jnp.log(jnp.maximum(values, 1e-30))
    times = jnp.arange(longest, dtype=values.dtype)
    shares = jax.nn.softmax((times[:, None] + 1.0) * logs, axis=1)
    entropy = -jnp.sum(jax.scipy.special.xlogy(shares, shares), axis=1)

    def misfit(use: jax.Array) -> jax.Array:
        n = jnp.sum(use)
        x, y = jnp.sum(use * times) / n, jnp.sum(use * entropy) / n
        spread = jnp.sum(use * (times - x) ** 2)
        slope = jnp.sum(use * (times - x) * (entropy - y)) / spread
        return jnp.sum(use * jnp.abs(entropy - y - slope * (times - x)))

    bends = jnp.arange(2, longest - 2)
    error = jax.vmap(lambda b: misfit(1.0 * (times <= b)) + misfit(1.0 * (times >= b)))(bends)
    return jnp.maximum(times[bends[jnp.argmin(error)]], 1.0)


@jax.jit(static_argnames=("k", "kernel"))
def place_between(
    features: jax.Array,
    landmarks: jax.Array,
    places: jax.Array,
    decay: jax.Array,
    *,
    k: int,
    kernel: Kernel,
) -> jax.Array:
    """Mean of the landmarks' places, weighted by their affinity to each cell."""

    def block(cells: jax.Array) -> jax.Array:
        square = squared_distances(cells, landmarks)
        # One more than k: a cell of the data is, or lies in, a landmark.
        width = squared_bandwidth(square, k + 1, to_itself=False)
        near = affinity(square, width, decay, kernel)
        # A sharp kernel may reach no landmark: then the nearest counts.
        nearest = jax.nn.one_hot(jnp.argmin(square, axis=1), len(landmarks), dtype=near.dtype)
        near = near + 1e-6 * nearest
        return (near / jnp.sum(near, axis=1, keepdims=True)) @ places

    if len(features) <= _PLACED_AT_ONCE:
        return block(features)
    return jax.lax.map(lambda cell: block(cell[None])[0], features, batch_size=_PLACED_AT_ONCE)
