"""Coordinates of cells in a map: attraction along a fuzzy graph, repulsion from cells at random."""

import numba
import numpy as np
import scipy.sparse as sp

_LARGEST_STEP = 4.0


def lay_out(
    graph: sp.csr_matrix,
    start: np.ndarray,
    *,
    a: float,
    b: float,
    n_epochs: int = 200,
    first_step: float = 1.0,
    negative_sample_rate: int = 5,
    seed: int = 0,
) -> np.ndarray:
    """Stochastic descent of UMAP's cross-entropy from ``start``; returns the coordinates.

    In every epoch an edge is visited in proportion to its weight: its ends attract each other
    by the gradient of ``-log q``, and each end is pushed off ``negative_sample_rate`` random cells
    by the gradient of ``-log(1 - q)``, ``q = 1 / (1 + a d^(2 b))``. The step falls linearly from
    ``first_step`` to 0.

    Cost: O(edges * epochs * negative_sample_rate) time, O(edges) memory.

    References:
        McInnes, Healy, Melville (2018), UMAP, arXiv:1802.03426.
    """
    graph = graph.tocsr()
    heads = np.repeat(np.arange(graph.shape[0], dtype=np.int32), np.diff(graph.indptr))
    chance = (graph.data / graph.data.max()).astype(np.float32)
    # Edges too weak to be visited even once.
    kept = chance * n_epochs >= 1.0
    places = np.ascontiguousarray(start, np.float32).copy()
    _descend(
        places,
        heads[kept],
        graph.indices[kept].astype(np.int32),
        chance[kept],
        np.float32(a),
        np.float32(b),
        n_epochs,
        np.float32(first_step),
        negative_sample_rate,
        seed,
    )
    return places


@numba.njit(cache=True, nogil=True, fastmath=True)
def _descend(places, heads, tails, chance, a, b, n_epochs, first_step, n_negatives, seed):
    n, n_components = places.shape
    # A small generator of our own (xorshift): numba's costs more than the arithmetic here.
    state = np.uint64(seed * 2654435761 + 88172645463325252)
    # Each edge starts at another moment, so that they do not come in waves.
    owed = np.empty(len(heads), np.float32)
    for e in range(len(heads)):
        state ^= state << np.uint64(13)
        state ^= state >> np.uint64(7)
        state ^= state << np.uint64(17)
        owed[e] = np.float32(state >> np.uint64(40)) / np.float32(16777216)
    for epoch in range(n_epochs):
        step = first_step * np.float32(1.0 - epoch / n_epochs)
        for e in range(len(heads)):
            owed[e] += chance[e]
            if owed[e] < 1:
                continue
            owed[e] -= 1
            i, j = heads[e], tails[e]
            square = np.float32(0)
            for c in range(n_components):
                square += (places[i, c] - places[j, c]) ** 2
            if square > 0:
                power = square**b
                pull = -2 * a * b * power / (square * (1 + a * power))
                for c in range(n_components):
                    move = pull * (places[i, c] - places[j, c])
                    move = step * min(max(move, -_LARGEST_STEP), _LARGEST_STEP)
                    places[i, c] += move
                    places[j, c] -= move
            for _ in range(n_negatives):
                state ^= state << np.uint64(13)
                state ^= state >> np.uint64(7)
                state ^= state << np.uint64(17)
                other = np.int64((state >> np.uint64(33)) % np.uint64(n))
                square = np.float32(0)
                for c in range(n_components):
                    square += (places[i, c] - places[other, c]) ** 2
                if square > 0:
                    push = 2 * b / ((np.float32(0.001) + square) * (1 + a * square**b))
                    for c in range(n_components):
                        move = push * (places[i, c] - places[other, c])
                        places[i, c] += step * min(max(move, -_LARGEST_STEP), _LARGEST_STEP)


def smoothed_start(
    graph: sp.csr_matrix, features: np.ndarray, n_components: int, n_walks: int = 50
) -> np.ndarray:
    """A start near the graph's slowest modes: principal components, averaged along random walks.

    Block power iteration of the lazy walk ``(1 + D^-1 W) / 2`` on the leading principal components,
    centred and made orthogonal as it goes: many steps give the spectral layout; few keep the broad
    arrangement of the data, also where the graph falls into parts. Widest side 20, as in UMAP.

    Cost: O(cells * features^2 + walks * edges).
    """
    n = graph.shape[0]
    degree = np.asarray(graph.sum(axis=1)).ravel()
    weight = degree / degree.sum()
    walk = sp.diags(0.5 / np.maximum(degree, 1e-12)) @ graph
    centred = features - features.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    modes = centred @ axes[:, ::-1][:, : min(n_components, features.shape[1])]
    if modes.shape[1] < n_components:
        spare = np.random.default_rng(0).normal(size=(n, n_components - modes.shape[1]))
        modes = np.hstack([modes, 1e-3 * spare])
    for turn in range(n_walks):
        modes = 0.5 * modes + walk @ modes
        if turn % 10 == 9:
            modes -= weight @ modes
            modes /= np.maximum(np.abs(modes).max(axis=0), 1e-12)
    modes -= weight @ modes
    span = np.abs(modes).max(axis=0)
    return (10 * modes / np.where(span > 0, span, 1.0)).astype(np.float32)
