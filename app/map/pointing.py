"""What lies under the pointer: which cell, what it is, how sure that is."""

from typing import Any

import numpy as np

from app.map.colouring import name_of_cell
from app.map.components import MapStage
from app.map.drawing import Drawn, colouring_of
from app.map.selection import nearest
from app.map.shading import Colouring, View
from app.map.view_state import MapViewState
from app.session.session import Session
from app.style.colour_key import CLUSTER


class Pointing:
    """Answers the pointer, one place at a time: of several meanwhile only the last."""

    def __init__(self, session: Session, stage: MapStage):
        self._session, self._stage = session, stage
        self._busy = False
        self._last: Any = None

    def at(
        self, drawn: Drawn, state: MapViewState, axes: View, size: tuple[int, int], x: int, y: int
    ) -> None:
        """Tells of the cell at a pixel of the plot; of none, if there is none."""
        if self._busy:
            self._last = (drawn, state, axes, size, x, y)
            return
        self._busy, self._last = True, None
        place = (
            axes[0] + x / size[0] * (axes[1] - axes[0]),
            axes[3] - y / size[1] * (axes[3] - axes[2]),
        )

        def work() -> list[list[str]] | Exception:
            try:
                found = nearest(drawn.frame.xy, place, axes, size)
                return told_of(drawn, state, found) if found >= 0 else []
            except Exception as error:
                return error

        self._session.work(work, lambda lines: self._tell(x, y, lines))

    def _tell(self, x: int, y: int, lines: list[list[str]] | Exception) -> None:
        self._busy = False
        if isinstance(lines, Exception):  # a file that has gone: told of where it is asked for
            lines = []
        self._stage.told = {"x": x, "y": y, "lines": lines} if lines else {}
        if self._last is not None:
            self.at(*self._last)

    def leave(self) -> None:
        """The pointer is elsewhere."""
        self._last, self._stage.told = None, {}


def told_of(drawn: Drawn, state: MapViewState, i: int) -> list[list[str]]:
    """A cell in lines of two: its name, what the map shows of it, its label, its certainty."""
    frame = drawn.frame
    row = int(frame.cells[i]) if frame.cells is not None else i
    name = name_of_cell(state.path, row) if state.path else ""
    lines = [[state.record.capitalize(), name or f"row {row:,}"]]
    if drawn.colouring.key not in ("certainty", "none"):
        lines.append([drawn.colouring.title, said_of(drawn.colouring, i)])
    if frame.labels is not None and drawn.colouring.key != CLUSTER:
        label = colouring_of(frame, MapViewState(colour=CLUSTER, class_names=state.class_names))
        lines.append([label.title, said_of(label, i)])
    if frame.certainty is not None:
        lines.append(["Certainty", f"{float(frame.certainty[i]):.2f}"])
    return lines


def said_of(colouring: Colouring, i: int) -> str:
    """What a colouring says of one cell, in words."""
    if colouring.values is not None:
        value = float(colouring.values[i])
        return f"{value:.3g}" if np.isfinite(value) else "no value"
    code = int(colouring.codes[i]) if colouring.codes is not None else -1
    return colouring.names[code] if code >= 0 else "none"
