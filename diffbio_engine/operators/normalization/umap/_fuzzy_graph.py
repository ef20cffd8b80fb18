"""The fuzzy neighbour graph of UMAP, sparse for many cells and differentiable for few."""

from dataclasses import dataclass
from functools import cache

import jax
import jax.numpy as jnp
import numba
import numpy as np
import scipy.sparse as sp
from scipy.optimize import curve_fit

from diffbio_engine import soft_ops

_SMALLEST_WIDTH = 1e-3  # of the mean distance: a cell among its twins keeps some width
_BISECTIONS = 64


@dataclass(frozen=True)
class FuzzyGraph:
    """A symmetric graph of ``n`` cells in the form of its directed neighbour lists.

    Attributes:
        indices: (cells, k) int32, each cell's nearest neighbours.
        memberships: (cells, k) float32, how much each is a neighbour, from that cell's own view.
        unions: (cells, k) float32, the same after the fuzzy union of both views.
        shares: (cells, k) float32; the share of each pair's union that is counted in this row.
            Summed over all lists, every pair is counted once. Pairs that are in two lists are
            divided so that the rows have nearly the same sum: drawing cells evenly and then a
            neighbour by its share draws pairs by their union.
    """

    indices: np.ndarray
    memberships: np.ndarray
    unions: np.ndarray
    shares: np.ndarray

    def matrix(self) -> sp.csr_matrix:
        """The symmetric graph, (cells, cells) sparse."""
        n, k = self.indices.shape
        rows = np.repeat(np.arange(n), k)
        half = sp.csr_matrix((self.shares.ravel(), (rows, self.indices.ravel())), shape=(n, n))
        whole = (half + half.T).tocsr()
        whole.eliminate_zeros()
        return whole


def fuzzy_graph(indices: np.ndarray, distances: np.ndarray) -> FuzzyGraph:
    """UMAP's fuzzy graph from nearest neighbours (without the cell itself), nearest first.

    ``a[i, j] = exp(-max(0, d[i, j] - rho[i]) / sigma[i])`` where ``rho`` is the distance to the
    nearest distinct neighbour and ``sigma`` makes the row's sum ``log2(k + 1)`` (published UMAP
    counts the cell itself among its k neighbours); the graph is ``a + a.T - a * a.T``.

    Cost: O(cells * k^2) time, O(cells * k) memory.

    References:
        McInnes, Healy, Melville (2018), UMAP, arXiv:1802.03426.
    """
    indices = np.ascontiguousarray(indices, np.int32)
    distances = np.ascontiguousarray(distances, np.float32)
    memberships = np.empty_like(distances)
    _calibrate(distances, float(distances.mean(dtype=np.float64)), memberships)
    twins = _positions_of_mutual(indices)
    unions, shares = np.empty_like(memberships), np.empty_like(memberships)
    _unite(indices, memberships, twins, unions, shares)
    return FuzzyGraph(indices, memberships, unions, shares)


@numba.njit(cache=True, nogil=True)
def _calibrate(distances, mean_of_all, memberships):
    n, k = distances.shape
    target = np.log2(k + 1.0)
    for i in range(n):
        rho, total = 0.0, 0.0
        for s in range(k):
            total += distances[i, s]
            if rho == 0.0 and distances[i, s] > 0.0:
                rho = np.float64(distances[i, s])
        low, high, width = 0.0, np.inf, 1.0
        for _ in range(_BISECTIONS):
            found = 0.0
            for s in range(k):
                beyond = distances[i, s] - rho
                found += np.exp(-beyond / width) if beyond > 0.0 else 1.0
            if abs(found - target) < 1e-5:
                break
            if found > target:
                high = width
                width = (low + high) / 2
            else:
                low = width
                width = width * 2 if high == np.inf else (low + high) / 2
        # Cells whose neighbours are all at one distance have no width of their own.
        scale = total / k if rho > 0.0 else mean_of_all
        width = max(width, _SMALLEST_WIDTH * scale)
        for s in range(k):
            beyond = distances[i, s] - rho
            memberships[i, s] = np.exp(-beyond / width) if beyond > 0.0 and width > 0.0 else 1.0


@numba.njit(cache=True, nogil=True)
def _positions_of_mutual(indices):
    """Where in ``j``'s list ``i`` stands, for each ``j`` in ``i``'s list; -1 if nowhere."""
    n, k = indices.shape
    positions = np.full((n, k), -1, np.int32)
    for i in range(n):
        for s in range(k):
            j = indices[i, s]
            for t in range(k):
                if indices[j, t] == i:
                    positions[i, s] = t
                    break
    return positions


@numba.njit(cache=True, nogil=True)
def _unite(indices, memberships, twins, unions, shares):
    n, k = indices.shape
    wanted = np.ones(n)
    sums = np.zeros(n)
    total = 0.0
    for i in range(n):
        for s in range(k):
            a, t = np.float64(memberships[i, s]), twins[i, s]
            b = np.float64(memberships[indices[i, s], t]) if t >= 0 else 0.0
            unions[i, s] = a + b - a * b
            shares[i, s] = unions[i, s] if t < 0 else unions[i, s] / 2
            total += shares[i, s]
    for _ in range(20):
        sums[:] = 0.0
        for i in range(n):
            for s in range(k):
                sums[i] += shares[i, s]
        for i in range(n):
            wanted[i] *= (total / n) / max(sums[i], 1e-12)
        for i in range(n):
            for s in range(k):
                if twins[i, s] >= 0:
                    other = wanted[indices[i, s]]
                    shares[i, s] = unions[i, s] * wanted[i] / (wanted[i] + other)


@cache
def find_ab(min_dist: float = 0.1, spread: float = 1.0) -> tuple[float, float]:
    """The ``a, b`` for which ``1 / (1 + a d^(2 b))`` comes nearest to UMAP's wanted curve.

    The wanted curve is 1 up to ``min_dist`` and ``exp(-(d - min_dist) / spread)`` beyond; least
    squares at 300 distances from 0 to ``3 spread``.
    """
    distances = np.linspace(0, 3 * spread, 300)
    wanted = np.where(distances < min_dist, 1.0, np.exp(-(distances - min_dist) / spread))
    (a, b), _ = curve_fit(lambda d, a, b: 1 / (1 + a * d ** (2 * b)), distances, wanted)
    return float(a), float(b)


def dense_fuzzy_graph(sq_distances: jax.Array, k: int) -> jax.Array:
    """The same graph from all squared distances, (cells, cells), with a zero diagonal.

    Differentiable: ``rho`` and the choice of the ``k`` nearest are exact order statistics, whose
    gradient belongs to the cells chosen; that of ``sigma`` is found by the implicit function
    theorem, as one Newton step at the calibrated value.

    Cost: O(cells^2 * k) time and O(cells^2) memory: for a few thousand cells.
    """
    n = sq_distances.shape[0]
    myself = jnp.eye(n, dtype=bool)
    negative, indices = jax.lax.top_k(-jnp.where(myself, jnp.inf, sq_distances), k)
    # Where two cells coincide the plain root has no gradient; this one has 0.
    distances = soft_ops.sqrt(-negative)
    memberships = _calibrated(distances, jnp.log2(k + 1.0))
    own = jnp.zeros_like(sq_distances).at[jnp.arange(n)[:, None], indices].set(memberships)
    return own + own.T - own * own.T


def _calibrated(distances: jax.Array, target: jax.Array) -> jax.Array:
    apart = distances > 0
    nearest = jnp.min(jnp.where(apart, distances, jnp.inf), axis=1, keepdims=True)
    rho = jnp.where(jnp.isfinite(nearest), nearest, 0.0)
    beyond = jnp.maximum(distances - rho, 0.0)

    def excess(width: jax.Array, beyond: jax.Array) -> jax.Array:
        return jnp.sum(jnp.exp(-beyond / width), axis=1, keepdims=True) - target

    fixed = jax.lax.stop_gradient(beyond)
    row_mean = jnp.mean(distances, axis=1, keepdims=True)
    scale = jnp.where(jnp.any(apart, axis=1, keepdims=True), row_mean, jnp.mean(distances))
    floor = jnp.maximum(_SMALLEST_WIDTH * scale, jnp.finfo(distances.dtype).tiny ** 0.5)

    def halve(_: int, bounds: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        low, high = bounds
        middle = jnp.sqrt(low * high)
        too_wide = excess(middle, fixed) > 0
        return jnp.where(too_wide, low, middle), jnp.where(too_wide, middle, high)

    # The width lies between the smallest allowed and where even the farthest counts fully.
    low = jax.lax.stop_gradient(floor)
    low, high = jax.lax.fori_loop(0, 50, halve, (low, low * 1e10))
    width = jnp.sqrt(low * high)
    _, slope = jax.jvp(lambda w: excess(w, fixed), (width,), (jnp.ones_like(width),))
    solvable = (slope > 0) & (jnp.abs(excess(width, fixed)) < 1e-3)
    residual = excess(width, beyond)
    step = jnp.where(solvable, residual / jnp.where(solvable, slope, 1.0), 0.0)
    # The Newton step is nearly nothing in value and carries the gradient.
    width = jnp.where(solvable, width - step, floor)
    return jnp.exp(-beyond / width)
