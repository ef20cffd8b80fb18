"""Nearest neighbours of cells: exact by blocks up to some tens of thousands, approximate above."""

from typing import Literal

import numba
import numpy as np

from diffbio_engine.errors import DataError

Metric = Literal["euclidean", "cosine"]

EXACT_LIMIT = 30_000
"""Up to this many cells the neighbours are exact; above, pynndescent finds nearly all of them."""

_BLOCK_NUMBERS = 8_000_000  # float32 numbers of one block of distances: 32 MB
_SPARE = 8  # candidates beyond k, because float32 can put near-equal distances in a wrong order


def nearest_neighbours(
    cells: np.ndarray,
    k: int,
    *,
    queries: np.ndarray | None = None,
    metric: Metric = "euclidean",
    seed: int = 0,
    exact_limit: int = EXACT_LIMIT,
) -> tuple[np.ndarray, np.ndarray]:
    """The ``k`` nearest other cells of each cell, or the ``k`` cells nearest to each query.

    Exact up to ``exact_limit`` cells: float32 products block by block choose ``k`` candidates and
    some more, whose distances are then computed from differences and put in order. Above it,
    nearest-neighbour descent (Dong 2011), which misses about one neighbour in a hundred.

    Cost: O(cells * queries * features) time when exact; memory O(cells * (features + k)).

    Args:
        cells: (cells, features).
        k: How many; at most the number of (other) cells.
        queries: (queries, features); None for the cells themselves, each without itself.
        metric: ``"euclidean"``, or ``"cosine"``: one minus the cosine of the angle.
        seed: For the approximate search.
        exact_limit: Most cells for the exact search.

    Returns:
        Indices (queries, k) int32 and distances (queries, k) float32, nearest first. Among equal
        distances the order is not defined.

    References:
        Dong, Moses, Li (2011), Efficient k-nearest neighbor graph construction for generic
        similarity measures.
    """
    cells = _checked(cells, "cells")
    to_themselves = queries is None
    rows = cells if queries is None else _checked(queries, "queries")
    available = len(cells) - to_themselves
    if not 1 <= k <= available:
        raise DataError(
            f"{k} neighbours are asked where there are {available}.",
            fix="Lower the number of neighbours, or use more cells.",
            where="n_neighbors",
        )
    if metric == "cosine":
        cells = _unit(cells)
        rows = cells if to_themselves else _unit(rows)
    elif metric != "euclidean":
        raise DataError(
            f"'{metric}' is not a known distance.",
            fix="Use 'euclidean' or 'cosine'.",
            where="metric",
        )
    if len(cells) <= exact_limit:
        indices, squares = _exact(cells, rows, k, to_themselves)
    else:
        indices, squares = _descent(cells, rows, k, to_themselves, seed)
    # Of unit vectors, |u - v|^2 = 2 (1 - cos).
    distances = squares / 2 if metric == "cosine" else np.sqrt(squares)
    return indices, distances.astype(np.float32)


def _checked(points: np.ndarray, where: str) -> np.ndarray:
    points = np.ascontiguousarray(points, dtype=np.float32)
    if points.ndim != 2:
        raise DataError(
            f"has {points.ndim} axes where 2 were expected.", fix="Give a matrix.", where=where
        )
    if not np.isfinite(points).all():
        raise DataError(
            "holds values that are not finite, so that cells have no distances.",
            fix="Remove these cells or fill the values in.",
            where=where,
        )
    return points


def _unit(points: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(points, axis=1, keepdims=True)
    return points / np.maximum(length, np.finfo(np.float32).tiny)


def _exact(
    cells: np.ndarray, rows: np.ndarray, k: int, to_themselves: bool
) -> tuple[np.ndarray, np.ndarray]:
    # Centred, since the expanded square loses digits far from the origin.
    centre = cells.mean(axis=0)
    shifted = cells - centre
    norms = np.einsum("ij,ij->i", shifted, shifted)
    n_candidates = min(k + _SPARE, len(cells) - to_themselves)
    indices = np.empty((len(rows), k), np.int32)
    squares = np.empty((len(rows), k), np.float32)
    n_block = max(1, _BLOCK_NUMBERS // len(cells))
    for start in range(0, len(rows), n_block):
        block = rows[start : start + n_block]
        nearness = (block - centre) @ shifted.T
        found = slice(start, start + len(block))
        _choose(
            nearness,
            norms,
            block,
            cells,
            start if to_themselves else -1,
            n_candidates,
            indices[found],
            squares[found],
        )
    return indices, squares


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _squared_distance(one, other):
    """In double precision, in any order of the sum: that many terms at once."""
    total = 0.0
    for f in range(len(one)):
        step = np.float64(one[f]) - np.float64(other[f])
        total += step * step
    return total


@numba.njit(cache=True, nogil=True)
def _choose(nearness, norms, rows, cells, first, n_candidates, indices, squares):
    """Of each row of a block: the candidates by ``norm - 2 product``, then exactly in order."""
    n_cells, k = cells.shape[0], indices.shape[1]
    best = np.empty(n_candidates, np.float32)
    who = np.empty(n_candidates, np.int32)
    exact = np.empty(n_candidates, np.float64)
    for i in range(nearness.shape[0]):
        best[:] = np.inf
        for j in range(n_cells):
            value = norms[j] - 2 * nearness[i, j]
            if value >= best[-1] or (first >= 0 and j == first + i):
                continue
            place = n_candidates - 1
            while place > 0 and best[place - 1] > value:
                best[place], who[place] = best[place - 1], who[place - 1]
                place -= 1
            best[place], who[place] = value, j
        for c in range(n_candidates):
            exact[c] = _squared_distance(rows[i], cells[who[c]])
        order = np.argsort(exact)
        for c in range(k):
            indices[i, c], squares[i, c] = who[order[c]], exact[order[c]]


def _descent(
    cells: np.ndarray, rows: np.ndarray, k: int, to_themselves: bool, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    # Imported here: it takes a second, and small data never need it.
    from pynndescent import NNDescent

    index = NNDescent(cells, n_neighbors=k + 1, metric="euclidean", random_state=seed)
    if not to_themselves:
        indices, distances = index.query(rows, k=k)
        return indices.astype(np.int32), distances**2
    indices, distances = index.neighbor_graph
    # Twins at distance 0 can stand before the cell itself, or push it out of the list.
    myself = indices == np.arange(len(cells))[:, None]
    myself[~myself.any(axis=1), -1] = True
    keep = ~myself
    shape = (len(cells), k)
    return indices[keep].reshape(shape).astype(np.int32), distances[keep].reshape(shape) ** 2
