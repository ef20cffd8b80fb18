"""Which cells are on the map, of how many, and what they are called."""

from dataclasses import replace

import numpy as np

from app.map.drawing import passing
from app.map.frames import MapFrame
from app.map.view_state import MapViewState
from app.session.session import Session
from diffbio_engine.axes import axis_of
from diffbio_engine.data.kinds import USUAL
from diffbio_engine.declare import DATA_PORTS
from diffbio_engine.runs.folder.snapshots import MOST_DRAWN


def rows_of(session: Session) -> str:
    """What the rows on the map are; by the wires of the run, where its file was not looked at."""
    if session.cells_shown is not None:
        return session.cells_shown.rows
    fields = (DATA_PORTS.get(wire.field) for wire in session.run.spec.wires if wire.from_data)
    records = (port.record for port in fields if port is not None)
    return next((axis.name for axis in records if axis and not axis.general), USUAL)


def kept_rows(session: Session) -> np.ndarray | None:
    """Which rows of the data set on the map pass its quality control; None where not measured."""
    dataset = session.cells_shown
    same = dataset is not None and session.data.passing.get("source") == dataset.source
    return session.data.passing["kept"] if same else None


def of_cells_shown(state: MapViewState, session: Session) -> MapViewState:
    """The same state, of the cells that are on the map and in the theme of the page."""
    dataset = session.cells_shown
    path, fields = (dataset.source, dataset.fields) if dataset else ("", {})
    return replace(
        state, path=path, kept=kept_rows(session), counts=fields.get("counts", "X"),
        theme=session.theme, gene_sets=session.gene_sets, record=axis_of(rows_of(session)).one,
    )  # fmt: skip


def cells_in_words(frame: MapFrame, session: Session) -> str:
    """How many cells are on the map, of how many; and how many are grey as limits remove them."""
    dataset, rows = session.cells_shown, rows_of(session)
    kept = passing(kept_rows(session), frame)
    grey = "" if kept is None else f", {int((~kept).sum()):,} removed (grey)"
    n, total = len(frame.xy), dataset.n_cells if dataset else 0
    if frame.cells is not None and n < total:
        how = ", an even sample"
        if session.run.pipeline is not None and session.run.spec.quality_control.removes:
            how = ", an even sample of those kept" if n >= MOST_DRAWN else " (quality control)"
        return f"{n:,} of {total:,} {rows} shown{how}{grey}"
    return f"{n:,} {rows} shown{grey}"
