"""Settings that are the row of a cell, such as the root of a pseudotime: picked on the map."""

import numpy as np

from app.session.session import Session
from diffbio_engine.declare import find_operator
from diffbio_engine.pipelines.spec import PipelineSpec


def pickable(spec: PipelineSpec) -> list[tuple[str, str, str]]:
    """Block, setting, and what such a cell is called."""
    return [
        (block.id, setting.name, _called(setting.name))
        for block in spec.blocks
        for setting in find_operator(block.operator).settings
        if setting.picks == "cell"
    ]


def _called(setting: str) -> str:
    return setting.removesuffix("_index").replace("_", " ")


def unchosen(spec: PipelineSpec) -> dict[str, str]:
    """For each block that starts from a cell which nobody has chosen, what to do about it."""
    wired = {w.target for w in spec.wires}
    return {
        block: f"Nobody has chosen the {called}, so it is the first cell of the file. Draw a lasso"
        f" on the map around cells of the start and press 'Use as {called}'; then run again."
        for block, name, called in pickable(spec)
        if name not in spec.block(block).config
        and f"{block}.{name.removesuffix('_index')}" not in wired
    }


def pickable_here(session: Session) -> list[tuple[str, str, str]]:
    """What a cell of the shown map can be made; nothing if its cells are not those in use."""
    shown, used = session.cells_shown, session.data.card
    same = shown is not None and used is not None and shown.path == used.path
    same = same and not session.run.is_looked_at
    return pickable(session.document.spec) if same else []


def take_as(
    session: Session, block: str, xy: np.ndarray, cells: np.ndarray | None, chosen: np.ndarray
) -> None:
    """Makes the cell in the middle of a selection what a block asks for, such as its root.

    Args:
        session: The tab.
        block: Which block.
        xy: Where the cells lie on the map.
        cells: The row of each in the data set; ``None`` if all are drawn, in their order.
        chosen: Which are selected.
    """
    place = xy[chosen]
    row = int(np.flatnonzero(chosen)[((place - place.mean(0)) ** 2).sum(1).argmin()])
    cell = int(cells[row]) if cells is not None else row
    for owner, name, called in pickable_here(session):
        if owner == block:
            session.document.set_setting(block, name, cell)
            session.say(f"Cell {cell:,} is the {called} of {block} from the next run on.")
