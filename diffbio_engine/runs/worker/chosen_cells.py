"""Settings that are the row of a cell, where quality control has removed some rows of the file."""

from collections.abc import Iterator

import numpy as np

from diffbio_engine.declare import find_operator
from diffbio_engine.errors import SettingError
from diffbio_engine.pipelines import Block, PipelineSpec


def cells_that_are_kept(document: PipelineSpec, rows: np.ndarray | None) -> PipelineSpec:
    """The document with the rows of chosen cells counted among those that are kept.

    A document counts the rows of the file, and so does who picks a cell on the map.

    Args:
        document: As it was written.
        rows: Which rows of the file are kept; None: all.

    Raises:
        SettingError: A chosen cell was removed.
    """
    if rows is None:
        return document
    for block, name, _ in _of_cells(document):
        chosen = block.config.get(name)
        if not isinstance(chosen, int):
            continue
        place = int(np.searchsorted(rows, chosen))
        if place == len(rows) or rows[place] != chosen:
            raise SettingError(
                f"cell {chosen:,} was removed by the quality control.",
                fix="Choose another one, or widen the limits so that it is kept.",
                where=f"{block.id}.{name}",
            )
        document = document.with_config(block.id, **{name: place})
    return document


def chosen_by_nobody(document: PipelineSpec, rows: np.ndarray | None) -> tuple[str, ...]:
    """Which cell stands where nobody has chosen one, if it is not the one of the whole file."""
    if rows is None:
        return ()
    return tuple(
        f"{block.id}.{name} was not set: it is cell {rows[usual]:,} of the file, as quality control"
        " removed cells before it."
        for block, name, usual in _of_cells(document)
        if name not in block.config and usual < len(rows) and rows[usual] != usual
    )


def _of_cells(document: PipelineSpec) -> Iterator[tuple[Block, str, int]]:
    """Blocks with a setting that is the row of a cell, its name, and its usual value."""
    for block in document.blocks:
        for setting in find_operator(block.operator).settings:
            if setting.picks == "cell":
                yield block, setting.name, setting.default
