"""A walk among real cells, the same for CellRank and for ours."""

import numpy as np


def walk_among_nearest(places: np.ndarray, k: int = 15) -> np.ndarray:
    """Gaussian affinities of each cell to its k nearest, width the distance to the last; rows 1."""
    square = ((places[:, None] - places[None]) ** 2).sum(axis=2)
    order = np.argsort(square, axis=1, kind="stable")[:, 1 : k + 1]
    near = np.take_along_axis(square, order, axis=1)
    weight = np.exp(-near / near[:, -1:])
    steps = np.zeros_like(square)
    np.put_along_axis(steps, order, weight / weight.sum(axis=1, keepdims=True), axis=1)
    return steps


def cells_and_ends(stored: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Places of every third cell, and the rows of the three nearest to each end, (2, 3)."""
    space = stored["space"].astype(np.float64)
    places = space[::3]
    apart = ((places[None] - space[stored["ends"]][:, None]) ** 2).sum(axis=2)
    return places, np.argsort(apart, axis=1)[:, :3]
