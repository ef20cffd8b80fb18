"""Which ports a block shows, and where they and its wires lie on the canvas."""

from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from diffbio_engine.declare import Declaration, find_operator

WIDTH, HEAD, ROW = 256.0, 52.0, 22.0
# How the row that folds ports out or in begins; no port's name does.
MORE, FEWER = "+", "–"
# Of a wire, so many points are looked at.
_POINTS = 32

Point = tuple[float, float]
Box = tuple[float, float, float, float]


@lru_cache
def usual_outputs(operator: str) -> tuple[str, ...]:
    """The outputs of an operator that are mostly wanted: read from the declarations alone.

    These are its first one, those that go into a result file, and those that have a role for the
    blocks after it. Loss terms are not among them: the objective has them without a wire.
    """
    declared = find_operator(operator)
    names = [p.name for p in declared.outputs]
    usual = [p.name for p in declared.outputs if p.result or p.role]
    return tuple(n for n in names if n in usual or n == names[0])


def folded(names: Iterable[str], usual: Iterable[str], wired: Iterable[str], at_least: int) -> list:
    """Names that stand behind "+5 more": neither usual nor wired, and worth a row of their own."""
    kept = {*usual, *wired}
    hidden = [n for n in names if n not in kept]
    return hidden if len(hidden) >= at_least else []


def n_rows(declared: Declaration, n_outputs: int) -> int:
    """How many rows of ports the block has."""
    return max(sum(not p.drawn for p in declared.inputs), n_outputs, 1)


def port_height(row: int) -> float:
    """How far below the top of its block the port of this row lies."""
    return HEAD + row * ROW + 13.0


def curves(starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Points along wires, ``(..., points, 2)``, as the graph library draws them."""
    gap = ends[..., 0] - starts[..., 0]
    # The handles of the curve, as the graph library sets them.
    reach = np.where(gap >= 0, 0.5 * gap, 0.25 * 25.0 * np.sqrt(np.abs(gap)))
    out = np.stack([reach, np.zeros_like(reach)], -1)
    corners = np.stack([starts, starts + out, ends - out, ends], -2)
    t = np.arange(1, _POINTS) / _POINTS
    shares = np.stack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3], -1)
    return shares @ corners


def within(points: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Whether points lie in boxes (left, top, width, height), not just at their edge."""
    low = boxes[..., :2] + 3
    return ((points > low) & (points < low + boxes[..., 2:] - 6)).all(-1)


def passes_over(start: Point, end: Point, boxes: Iterable[Box]) -> bool:
    """Whether the curve of a wire runs over one of the boxes (left, top, width, height)."""
    points = curves(np.array(start, float), np.array(end, float))
    return bool(within(points[:, None], np.array(list(boxes), float).reshape(-1, 4)).any())
