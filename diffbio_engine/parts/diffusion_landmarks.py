"""Landmarks that stand for many cells, and the random walk among them."""

import numpy as np
import scipy.sparse

from diffbio_engine.parts.diffusion import SMALLEST_AFFINITY, Kernel
from diffbio_engine.parts.neighbours import nearest_neighbours


def find_landmarks(
    cells: np.ndarray,
    *,
    n_landmarks: int,
    n_neighbors: int,
    decay: float,
    kernel: Kernel,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Landmarks and the walk from landmark to landmark by way of the cells.

    The cells' symmetric kernel ``K`` is kept sparse. Landmarks are drawn among the cells, and
    every cell belongs to the nearest. With ``A`` the sum of ``K`` over the cells of a landmark,
    a step goes from landmark to cells with ``A`` (rows scaled) and back with ``A'`` (likewise).

    Cost: that of the neighbour search, O(cells * neighbours + landmarks^2) memory.

    Returns:
        Mean of each landmark's cells (landmarks, features), and steps (landmarks, landmarks).
    """
    affinities = sparse_kernel(cells, n_neighbors, decay, kernel)
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(cells), size=min(n_landmarks, len(cells)), replace=False)
    nearest, _ = nearest_neighbours(cells[chosen], 1, queries=cells)
    _, belongs = np.unique(nearest[:, 0], return_inverse=True)
    n_found = belongs.max() + 1
    membership = scipy.sparse.csr_matrix(
        (np.ones(len(cells), np.float32), (belongs, np.arange(len(cells)))),
        shape=(n_found, len(cells)),
    )
    sums = (membership @ affinities).tocsr()
    to_cells = scipy.sparse.diags(1.0 / np.asarray(sums.sum(axis=1))[:, 0]) @ sums
    back = (sums @ scipy.sparse.diags(1.0 / np.asarray(sums.sum(axis=0))[0])).T
    means = (membership @ cells) / np.asarray(membership.sum(axis=1))
    steps = (to_cells @ back.tocsr()).toarray()
    return means.astype(np.float32), steps.astype(np.float32)


def sparse_kernel(
    cells: np.ndarray, n_neighbors: int, decay: float, kernel: Kernel
) -> scipy.sparse.csr_matrix:
    """Symmetric kernel ``(K + K') / 2`` with ones on the diagonal; below 1e-4 it is 0."""
    reach = (
        np.sqrt(-np.log(SMALLEST_AFFINITY) / decay)
        if kernel == "exponential"
        else ((-np.log(SMALLEST_AFFINITY)) ** (1.0 / decay))
    )
    # Six times the neighbours reach far enough for a sharp kernel; a soft one is cut there.
    k = min(len(cells) - 1, (6 if reach < 1.5 else 20) * (n_neighbors + 1))
    indices, distances = nearest_neighbours(cells, k)
    return kernel_of_neighbours(indices, distances, n_neighbors, decay, kernel)


def kernel_of_neighbours(
    indices: np.ndarray, distances: np.ndarray, n_neighbors: int, decay: float, kernel: Kernel
) -> scipy.sparse.csr_matrix:
    """The same of lists of nearest others, (cells, k), nearest first: outside them it is 0."""
    n_cells, k = indices.shape
    width = np.maximum(distances[:, min(n_neighbors, k) - 1], 1e-6)
    ratio = (distances / width[:, None]).astype(np.float32)
    with np.errstate(over="ignore"):
        exponent = decay * ratio**2 if kernel == "exponential" else ratio**decay
    values = np.exp(-exponent)
    values[values < SMALLEST_AFFINITY] = 0.0
    rows = np.repeat(np.arange(n_cells), k)
    one_way = scipy.sparse.csr_matrix(
        (values.ravel(), (rows, indices.ravel())), shape=(n_cells, n_cells)
    )
    one_way.eliminate_zeros()
    one_way = one_way + scipy.sparse.eye(n_cells, dtype=np.float32, format="csr")
    return (0.5 * (one_way + one_way.T)).tocsr()
