"""How mixed or how pure neighbourhoods are: LISI, for batches (iLISI) and cell types (cLISI)."""

import numpy as np
from sklearn.neighbors import NearestNeighbors

_STEPS = 50
_TOLERANCE = 1e-5


def local_inverse_simpson(
    cells: np.ndarray, labels: np.ndarray, *, perplexity: float = 30.0
) -> np.ndarray:
    """Effective number of labels around each cell, from 1 to the number of labels.

    Weights ``p ~ exp(-beta distance)`` over the ``3 perplexity - 1`` nearest other cells, with
    ``beta`` found for each cell so that the entropy of ``p`` is ``log perplexity``; the result is
    ``1 / sum_l (sum of p over label l)^2``. With batches as labels it is iLISI (high is mixed),
    with cell types cLISI (near 1 is pure).

    Cost: that of the neighbour search, and O(cells * perplexity) memory.

    References:
        Korsunsky et al. (2019), Nature Methods 16, Methods: "Local inverse Simpson's index".
    """
    cells = np.asarray(cells, dtype=np.float64)
    names, codes = np.unique(np.asarray(labels), return_inverse=True)
    n_neighbours = min(int(perplexity * 3), len(cells))
    distance, nearest = NearestNeighbors(n_neighbors=n_neighbours).fit(cells).kneighbors(cells)
    weights = _weights(distance[:, 1:], np.log(perplexity))
    around = codes[nearest[:, 1:]]
    simpson = sum(np.sum(weights * (around == name), axis=1) ** 2 for name in range(len(names)))
    return 1.0 / np.asarray(simpson)


def _weights(distance: np.ndarray, entropy: float) -> np.ndarray:
    """Rows ``exp(-beta distance)``, adding up to one, with this entropy."""
    n_cells = len(distance)
    beta = np.ones(n_cells)
    low, high = np.full(n_cells, -np.inf), np.full(n_cells, np.inf)
    # Distances beyond the nearest: the row is the same and cannot vanish altogether.
    beyond = distance - distance.min(axis=1, keepdims=True)
    for _ in range(_STEPS):
        raw = np.exp(-beyond * beta[:, None])
        total = raw.sum(axis=1)
        found = np.log(total) + beta * np.sum(beyond * raw, axis=1) / total
        off = found - entropy
        if np.all(np.abs(off) < _TOLERANCE):
            break
        flat, steep = off > _TOLERANCE, off < -_TOLERANCE
        low, high = np.where(flat, beta, low), np.where(steep, beta, high)
        up = np.where(np.isinf(high), beta * 2, (beta + high) / 2)
        down = np.where(np.isinf(low), beta / 2, (beta + low) / 2)
        beta = np.where(flat, up, np.where(steep, down, beta))
    return raw / total[:, None]
