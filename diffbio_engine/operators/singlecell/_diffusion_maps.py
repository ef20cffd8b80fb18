"""Diffusion maps: a Gaussian kernel among neighbours, without their density, and its slow waves."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import eigsh

from diffbio_engine import soft_ops
from diffbio_engine.parts.diffusion import squared_distances
from diffbio_engine.parts.neighbours import nearest_neighbours

_SMALLEST = 1e-12


def neighbour_lists(points: jax.Array, k: int) -> tuple[jax.Array, jax.Array]:
    """Indices and squared distances of the ``k`` nearest others, (cells, k); traced, O(cells^2).

    Who is a neighbour is a choice; the distances carry the gradient.
    """
    held = jax.lax.stop_gradient(squared_distances(points, points))
    held = held + jnp.diag(jnp.full(len(points), jnp.inf, held.dtype))
    _, nearest = jax.lax.top_k(-held, k)
    apart = points[:, None, :] - points[nearest]
    return nearest, jnp.sum(apart * apart, axis=-1)


def gaussian_weights(
    square: jax.Array, own: jax.Array, theirs: jax.Array, width: jax.Array | float = 1.0
) -> jax.Array:
    """``sqrt(2 s_i s_j / (s_i^2 + s_j^2)) exp(-d^2 / (width^2 (s_i^2 + s_j^2)))``.

    Args:
        square: Squared distances.
        own, theirs: Squared local scales of both cells, that broadcast to ``square``.
        width: Of the kernel, in local scales.
    """
    total = own + theirs
    return jnp.sqrt(2.0 * jnp.sqrt(own * theirs) / total) * jnp.exp(-square / (width**2 * total))


def local_scales(square: jax.Array) -> jax.Array:
    """Median squared distance to the neighbours, not 0 for twins, (cells,)."""
    return jnp.maximum(jnp.median(square, axis=-1), _SMALLEST)


def dense_kernel(cells: jax.Array, k: int, width: jax.Array | float) -> jax.Array:
    """Kernel of each cell with those that are its neighbours or whose neighbour it is."""
    nearest, square = neighbour_lists(cells, k)
    scales = local_scales(square)
    values = gaussian_weights(square, scales[:, None], scales[nearest], width)
    rows = jnp.arange(len(cells))[:, None]
    empty = jnp.zeros((len(cells), len(cells)), values.dtype)
    weights = empty.at[rows, nearest].set(values)
    found = empty.at[rows, nearest].set(1.0)
    # Both directions hold the same value, so the mean over those present is that value.
    return (weights + weights.T) / jnp.maximum(found + found.T, 1.0)


def without_density(kernel: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Symmetric conjugate of the walk with the density of cells divided out, and root degrees.

    ``K = W / (q q')`` with ``q`` the row sums of ``W``; ``S = K / sqrt(z z')`` with ``z`` those of
    ``K``. The random walk is ``S sqrt(z)' / sqrt(z)``.
    """
    density = jnp.sum(kernel, axis=1)
    kernel = kernel / (density[:, None] * density)
    roots = jnp.sqrt(jnp.sum(kernel, axis=1))
    return kernel / (roots[:, None] * roots), roots


@jax.custom_vjp
def symmetric_eigen(matrix: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Eigenvalues, rising, and -vectors; those of equal values may turn freely without a slope."""
    values, vectors = jnp.linalg.eigh(matrix)
    return values, vectors


def _eigen_forward(matrix):
    found = symmetric_eigen(matrix)
    return found, found


def _eigen_backward(found, slopes):
    values, vectors = found
    gap = values[None, :] - values[:, None]
    apart = jnp.abs(gap) > 20.0 * jnp.finfo(values.dtype).eps
    inverse = jnp.where(apart, 1.0 / jnp.where(apart, gap, 1.0), 0.0)
    inside = inverse * (vectors.T @ slopes[1]) + jnp.diag(slopes[0])
    slope = vectors @ inside @ vectors.T
    return (0.5 * (slope + slope.T),)


symmetric_eigen.defvjp(_eigen_forward, _eigen_backward)


def slow_waves(
    conjugate: jax.Array, roots: jax.Array, n: int, root: jax.Array | int
) -> tuple[jax.Array, jax.Array]:
    """The ``n`` slowest waves of the walk besides the still one, growing away from the root.

    Returns:
        Eigenvalues (n,), falling; right eigenvectors of the walk (cells, n), with mean 0 and
        variance 1 where the walk stays. Zeros where there are fewer.
    """
    values, vectors = symmetric_eigen(conjugate)
    kept = min(n, len(roots) - 1)
    values, vectors = values[::-1][1 : kept + 1], vectors[:, ::-1][:, 1 : kept + 1]
    waves = vectors / roots[:, None] * jnp.sqrt(jnp.sum(roots**2))
    side = jax.lax.stop_gradient(jnp.where(waves[root] > 0, -1.0, 1.0))
    extra = n - kept
    return jnp.pad(values, (0, extra)), jnp.pad(waves * side, ((0, 0), (0, extra)))


def from_0_to_1(waves: jax.Array) -> jax.Array:
    """Each wave over its range; one that is 0 everywhere stays so."""
    low, high = jnp.min(waves, axis=0), jnp.max(waves, axis=0)
    return (waves - low) / jnp.where(high > low, high - low, 1.0)


def diffusion_distances(
    values: jax.Array, waves: jax.Array, roots: jax.Array, root: jax.Array | int
) -> jax.Array:
    """Distance of each cell to one over walks of all lengths, (cells,).

    ``dpt(i)^2 = sum_k (l_k / (1 - l_k))^2 (u_k(i) - u_k(root))^2`` with the eigenvectors ``u`` of
    the symmetric conjugate. Waves slower than 0.9994 tell parts apart; they are held there.
    """
    vectors = waves * (roots / jnp.sqrt(jnp.sum(roots**2)))[:, None]
    held = jnp.minimum(values, 0.9994)
    apart = (vectors - vectors[root]) * (held / (1.0 - held))
    # Exactly 0 at the root itself, whatever the order in which a compiler adds.
    return soft_ops.sqrt(jnp.sum(apart**2, axis=1).at[root].set(0.0))


def sparse_diffusion_map(
    cells: np.ndarray, n_neighbors: int, n: int, width: float, root: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Eigenvalues, waves and root degrees of many cells; as ``slow_waves``, in O(cells k) memory.

    Parts that no neighbours join are joined by their nearest pair.
    """
    n_cells = len(cells)
    nearest, distances = nearest_neighbours(cells, n_neighbors)
    square = distances.astype(np.float64) ** 2
    scales = np.maximum(np.median(square, axis=1), _SMALLEST)
    total = scales[:, None] + scales[nearest]
    values = np.sqrt(2.0 * np.sqrt(scales[:, None] * scales[nearest]) / total)
    # What is far too small to matter is kept above 0, so that the walk can leave every cell.
    values = np.maximum(values * np.exp(-square / (width**2 * total)), 1e-12)
    one_way = as_graph(nearest, values)
    kernel = one_way.maximum(one_way.T)
    for a, b, _ in links(kernel, cells):
        kernel = kernel + scipy.sparse.csr_matrix(
            (np.full(2, values.min()), ([a, b], [b, a])), shape=(n_cells, n_cells)
        )
    density = np.asarray(kernel.sum(axis=1))[:, 0]
    inverse = scipy.sparse.diags(1.0 / density)
    kernel = inverse @ kernel @ inverse
    roots = np.sqrt(np.asarray(kernel.sum(axis=1))[:, 0])
    inverse = scipy.sparse.diags(1.0 / roots)
    conjugate = inverse @ kernel @ inverse
    kept = min(n, n_cells - 2)
    found, vectors = eigsh(conjugate, kept + 1, which="LA", v0=roots)
    falling = np.argsort(-found)[1:]
    waves = vectors[:, falling] / roots[:, None] * np.sqrt(np.sum(roots**2))
    waves = waves * np.where(waves[root] > 0, -1.0, 1.0)
    extra = n - kept
    return (
        np.pad(found[falling], (0, extra)),
        np.pad(waves, ((0, 0), (0, extra))),
        roots,
    )


def as_graph(nearest: np.ndarray, values: np.ndarray) -> scipy.sparse.csr_matrix:
    """Lists of neighbours as a sparse matrix, (cells, cells)."""
    n, k = nearest.shape
    rows = np.repeat(np.arange(n), k)
    return scipy.sparse.csr_matrix((values.ravel(), (rows, nearest.ravel())), shape=(n, n))


def links(graph: scipy.sparse.csr_matrix, points: np.ndarray) -> list[tuple[int, int, float]]:
    """Pairs (and their distances) that join the parts of a graph, each to the nearest other."""
    found = []
    n_parts, part = connected_components(graph, directed=False)
    while n_parts > 1:
        smallest = np.argmin(np.bincount(part, minlength=n_parts))
        inside, outside = np.flatnonzero(part == smallest), np.flatnonzero(part != smallest)
        nearest, distance = nearest_neighbours(points[outside], 1, queries=points[inside])
        best = int(np.argmin(distance[:, 0]))
        a, b = int(inside[best]), int(outside[nearest[best, 0]])
        found.append((a, b, float(distance[best, 0])))
        part[part == smallest] = part[b]
        _, part = np.unique(part, return_inverse=True)
        n_parts = part.max() + 1
    return found


def in_metric(cells: Any, metric: str) -> Any:
    """Coordinates whose Euclidean distance is the one asked: ``cosine`` looks at directions."""
    if metric == "euclidean":
        return cells
    # Of unit vectors, |u - v|^2 = 2 (1 - cos).
    return cells / ((cells**2).sum(axis=1, keepdims=True) + 1e-12) ** 0.5
