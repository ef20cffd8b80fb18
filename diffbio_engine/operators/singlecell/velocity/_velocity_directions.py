"""Directions of velocities among cells: towards which neighbours a cell moves, and a time of it."""

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse
import scipy.sparse.linalg

from diffbio_engine import soft_ops


def cosines(places: jax.Array, moves: jax.Array, around: jax.Array) -> jax.Array:
    """Cosine of each cell's move with the way to each of its neighbours, (cells, k).

    Args:
        around: Places of the neighbours, (cells, k, features). A neighbour at the cell's own
            place, or a cell that stands still, gives 0.
    """
    ways = around - places[:, None, :]
    along = jnp.einsum("ikd,id->ik", ways, moves)
    lengths = soft_ops.norm(ways, axis=2) * soft_ops.norm(moves, axis=1, keepdims=True)
    return soft_ops.div(along, lengths)


def moves_on_map(shares: jax.Array, spots: jax.Array, around: jax.Array) -> jax.Array:
    """Velocities on a map: the mean step to a neighbour, less that of a cell without direction.

    With the share of each neighbour, ``sum_j (share_j - 1/k) unit(spot_j - spot_i)``.

    References:
        La Manno et al. (2018), Nature 560; Bergen et al. (2020), Nature Biotechnology 38.
    """
    steps = around - spots[:, None, :]
    steps = soft_ops.div(steps, soft_ops.norm(steps, axis=2, keepdims=True))
    return jnp.einsum("ik,ikd->id", shares - 1.0 / shares.shape[1], steps)


def time_of_flow(nearest: np.ndarray, cosine: np.ndarray) -> np.ndarray:
    """A time that grows along the velocities, 0 to 1: its steps between neighbours fit best.

    Least squares of ``t_j - t_i = cosine_ij`` over all pairs of neighbours (the gradient part of
    the flow in Hodge's decomposition), by conjugate gradients. Pieces of the graph that are not
    joined have clocks of their own.

    Cost: O(cells * neighbours) for each of some hundred iterations.

    References:
        Jiang, Lim, Yao, Ye (2011), Statistical ranking and combinatorial Hodge theory,
        Mathematical Programming 127.
    """
    n_cells, k = nearest.shape
    rows = np.repeat(np.arange(n_cells), k)
    flow = scipy.sparse.csr_matrix(
        (cosine.ravel().astype(float), (rows, nearest.ravel())), (n_cells, n_cells)
    )
    joined = scipy.sparse.csr_matrix((np.ones(n_cells * k), flow.indices, flow.indptr), flow.shape)
    joined = joined + joined.T
    degree = np.asarray(joined.sum(axis=1))[:, 0]
    arriving = np.asarray(flow.sum(axis=0))[0] - np.asarray(flow.sum(axis=1))[:, 0]
    laplacian = (scipy.sparse.diags(degree * (1 + 1e-7)) - joined).tocsr()
    found, _ = scipy.sparse.linalg.cg(
        laplacian, arriving, rtol=1e-4, maxiter=500, M=scipy.sparse.diags(1.0 / degree)
    )
    low, high = np.quantile(found, [0.005, 0.995])
    return np.clip((found - low) / max(high - low, 1e-12), 0.0, 1.0)
