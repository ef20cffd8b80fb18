"""A smooth curve through many points: local quadratic regression (LOESS) of one variable."""

import numpy as np

_CELL = 0.2  # vertices are so near that no cell holds more than this share of a neighbourhood
_MARGIN = 0.1  # of the range, by which the first and the last vertex lie outside


def local_quadratic(x: np.ndarray, y: np.ndarray, span: float = 0.3) -> np.ndarray:
    """The curve at each ``x``.

    At some vertices a parabola is fitted to the ``span`` nearest share of the points, weighted by
    the tricube of their distance; between vertices the curve is the cubic that has the heights and
    the slopes of these parabolas, as in the authors' own program.

    Cost: O(points) for each of some thirty vertices.

    References:
        Cleveland and Grosse (1991), Computational methods for local regression.
    """
    order = np.argsort(x, kind="stable")
    sorted_x, sorted_y = np.asarray(x, float)[order], np.asarray(y, float)[order]
    n = len(sorted_x)
    n_near = min(n, max(3, int(n * span + 1e-5)))
    if sorted_x[0] == sorted_x[-1]:
        return np.full(n, sorted_y.mean())
    margin = _MARGIN * (sorted_x[-1] - sorted_x[0])
    inner = _cuts(sorted_x, max(1, int(n * span * _CELL)))
    at = np.unique([sorted_x[0] - margin, *inner, sorted_x[-1] + margin])
    height, slope = np.array([_parabola(sorted_x, sorted_y, v, n_near) for v in at]).T
    cell = np.clip(np.searchsorted(at, x, side="right") - 1, 0, len(at) - 2)
    width = at[cell + 1] - at[cell]
    t = (x - at[cell]) / width
    left = (1 + 2 * t) * height[cell] + t * width * slope[cell]
    right = (3 - 2 * t) * height[cell + 1] - (1 - t) * width * slope[cell + 1]
    return (1 - t) ** 2 * left + t**2 * right


def _cuts(x: np.ndarray, most: int) -> list[float]:
    """Where sorted points are cut in halves until no part has more than ``most``."""
    if len(x) <= most or x[0] == x[-1]:
        return []
    middle = (len(x) - 1) // 2
    cut = (x[middle] + x[middle + 1]) / 2
    if cut == x[middle]:  # ties: everything that is equal lies left of the cut
        middle = int(np.searchsorted(x, cut, side="right")) - 1
    return (
        [*_cuts(x[: middle + 1], most), cut, *_cuts(x[middle + 1 :], most)]
        if (middle + 1 < len(x))
        else [cut]
    )


def _parabola(x: np.ndarray, y: np.ndarray, at: float, n_near: int) -> tuple[float, float]:
    """Height and slope at a place of the parabola through the nearest points."""
    distance = np.abs(x - at)
    reach = np.partition(distance, n_near - 1)[n_near - 1] * 1.000001
    near = np.flatnonzero(distance < 0.999 * reach)
    if len(near) < 3:
        near = np.argsort(distance)[:n_near]
    weight = np.sqrt(np.clip(1 - (distance[near] / max(reach, 1e-300)) ** 3, 0.0, 1.0) ** 3)
    step = (x[near] - at) / max(reach, 1e-300)
    design = np.stack([np.ones_like(step), step, step**2], axis=1)
    fit, *_ = np.linalg.lstsq(design * weight[:, None], y[near] * weight, rcond=1e-7)
    return fit[0], fit[1] / max(reach, 1e-300)
