"""Which cells of a map a hand has meant, and who they are."""

from dataclasses import replace
from typing import Any

import numpy as np

from app.map.drawing import Drawn, meant
from app.map.frames import MapFrame
from app.map.shading import Colouring, View, inside
from app.map.view_state import MapViewState

# Of a chosen column so many categories are listed; how many more there are is said.
MOST_LISTED = 12
# A cell whose largest share is below this belongs to no cluster for the most part.
UNDECIDED = 0.5
_REACH_PIXELS = 9.0


def outlined(frame: MapFrame, shape: dict[str, Any]) -> np.ndarray:
    """Which cells of the frame lie inside what was drawn.

    Args:
        shape: As Bokeh tells of it: ``{"type": "poly", "x", "y"}`` or ``{"type": "rect", "x0",
            "x1", "y0", "y1"}``.
    """
    if shape.get("type") == "rect":
        (x0, x1), (y0, y1) = (sorted(float(shape[side + end]) for end in "01") for side in "xy")
        x, y = frame.xy.T
        return (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)
    corners = np.column_stack([shape["x"], shape["y"]]).astype(np.float32)
    if len(corners) < 3:
        return np.zeros(len(frame.xy), bool)
    return inside(frame.xy, corners)


def not_grey(cells: np.ndarray, drawn: Drawn, state: MapViewState) -> np.ndarray:
    """Those of some cells that the legend and quality control leave: no others are meant."""
    shown = meant(drawn.colouring, replace(state, chosen=None), drawn.frame)
    return cells if shown is None else cells & shown


def combined(before: np.ndarray | None, chosen: np.ndarray, mode: str) -> np.ndarray | None:
    """A new selection, added to the one before or taken from it; None where no cell is left."""
    if before is not None and len(before) == len(chosen) and mode:
        chosen = before | chosen if mode == "add" else before & ~chosen
    elif mode == "subtract":
        return None
    return chosen if chosen.any() else None


def nearest(xy: np.ndarray, at: tuple[float, float], view: View, size: tuple[int, int]) -> int:
    """The cell under the pointer, or -1: the nearest within a few pixels of the screen.

    Cost: O(cells); 2 ms for a hundred thousand.
    """
    across, up = size[0] / (view[1] - view[0]), size[1] / (view[3] - view[2])
    far = ((xy[:, 0] - at[0]) * across) ** 2 + ((xy[:, 1] - at[1]) * up) ** 2
    if not np.isfinite(far).any():
        return -1
    found = int(np.nanargmin(far))
    return found if far[found] <= _REACH_PIXELS**2 else -1


def selection_card(
    frame: MapFrame, colouring: Colouring, chosen: np.ndarray, counted: Colouring | None = None
) -> dict[str, Any]:
    """Who the selected cells are: how many of how many, of which categories, how certain.

    Args:
        colouring: What the map shows. Where that is a gene or a score, its mean is told.
        counted: By what they are counted, if not by that. Numbers are told by their quartiles.
    """
    n, by = int(chosen.sum()), counted or colouring
    card: dict[str, Any] = {"n": n, "of": len(chosen), "rows": [], "more": 0, "title": by.title}
    if by.codes is not None and n:
        card["rows"], card["more"], card["none"] = _shares(by, chosen)
    elif by.values is not None and n:
        card["numbers"] = _numbers(by.values, chosen)
    if frame.certainty is not None and n:
        certainty = frame.certainty[chosen]
        card["certainty"] = float(np.nanmean(certainty))
        card["undecided"] = int((certainty < UNDECIDED).sum())
    if colouring.values is not None and by is not colouring and n:
        known = colouring.values[chosen]
        if np.isfinite(known).any():
            card["mean"], card["mean_of"] = float(np.nanmean(known)), colouring.title
    return card


def _shares(by: Colouring, chosen: np.ndarray) -> tuple[list[dict[str, Any]], int, int]:
    """The categories that are most often, how many others there are, and cells without one."""
    codes, n = by.codes, int(chosen.sum())
    assert codes is not None
    picked = codes[chosen]
    found = np.bincount(picked[picked >= 0], minlength=len(by.names))
    whole = np.bincount(codes[codes >= 0], minlength=len(by.names))
    order = [int(i) for i in np.argsort(-found, kind="stable") if found[i]]
    rows = [
        {"name": by.names[i], "color": by.colors[i], "n": int(found[i]),
         "share": float(found[i] / n), "covered": float(found[i] / whole[i])}
        for i in order[:MOST_LISTED]
    ]  # fmt: skip
    return rows, len(order) - len(rows), int((picked < 0).sum())


def _numbers(values: np.ndarray, chosen: np.ndarray) -> list[dict[str, Any]]:
    """Quartiles of the selected cells beside those of all."""
    told = []
    for name, some in (("selected", values[chosen]), ("all", values)):
        fine = some[np.isfinite(some)]
        quartiles = [float(q) for q in np.percentile(fine, (25, 50, 75))] if len(fine) else []
        told.append({"name": name, "n": len(fine), "quartiles": quartiles})
    return told
