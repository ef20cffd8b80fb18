"""Arrows along a process: which way time runs on the map, read from the cells that lie there."""

import numpy as np

from app.map.shading import View

_ACROSS = 16
_MOST_CELLS = 6000
# An arrow needs so many cells around it, and time must run one way among them.
_FEWEST_CELLS = 6.0
_LEAST_EXPLAINED = 0.2


def arrows_of(xy: np.ndarray, time: np.ndarray, view: View) -> np.ndarray:
    """Arrows ``(n, 4)``, from x, y to x, y: the steepest rise of time around points of a grid.

    At each point a plane is fitted to the times of the cells around it, weighted by a Gaussian as
    wide as a field of the grid; its slope is the arrow's direction. Arrows are left out where there
    are few cells, or where the plane explains little of what differs between them.

    Cost: O(256 * cells), of at most 6000 cells, evenly taken.
    """
    fine = np.isfinite(xy).all(1) & np.isfinite(time)
    xy, time = xy[fine].astype(float), time[fine].astype(float)
    if len(xy) > _MOST_CELLS:
        some = np.linspace(0, len(xy) - 1, _MOST_CELLS).astype(int)
        xy, time = xy[some], time[some]
    x0, x1, y0, y1 = view
    step = np.array([x1 - x0, y1 - y0]) / _ACROSS
    if len(xy) < 10 or (step <= 0).any() or np.ptp(time) <= 0:
        return np.zeros((0, 4))
    middle = (np.arange(_ACROSS) + 0.5)[:, None] * step + np.array([x0, y0])
    points = np.stack(np.meshgrid(middle[:, 0], middle[:, 1], indexing="ij"), -1).reshape(-1, 2)
    # In fields of the grid, so that both directions count alike on the screen.
    away = (xy[None] - points[:, None]) / step
    weight = np.exp(-0.5 * (away**2).sum(-1))
    total = weight.sum(1)
    share = weight / np.maximum(total, 1e-12)[:, None]
    mean, level = np.einsum("pn,pnd->pd", share, away), share @ time
    off, late = away - mean[:, None], time[None] - level[:, None]
    spread = np.einsum("pn,pnd,pne->pde", share, off, off) + 1e-6 * np.eye(2)
    slope = np.linalg.solve(spread, np.einsum("pn,pnd,pn->pd", share, off, late)[..., None])[..., 0]
    explained = np.einsum("pd,pde,pe->p", slope, spread, slope)
    explained /= np.maximum((share * late**2).sum(1), 1e-12)
    kept = (total > _FEWEST_CELLS) & (explained > _LEAST_EXPLAINED)
    length = np.linalg.norm(slope, axis=1, keepdims=True)
    way = slope / np.maximum(length, 1e-12) * step * 0.38
    # Where the cells are, not where the grid happens to be.
    at = points + mean * step
    return np.concatenate([at - way, at + way], axis=1)[kept]
