"""Settings that are the row of a cell, where quality control has removed some rows of the file."""

import numpy as np

from diffbio_engine.data import Dataset
from diffbio_engine.declare import find_operator
from diffbio_engine.errors import SettingError
from diffbio_engine.pipelines import PipelineSpec


def cells_that_are_kept(document: PipelineSpec, dataset: Dataset) -> PipelineSpec:
    """The document with the rows of chosen cells counted among those that are kept.

    A document counts the rows of the file, and so does who picks a cell on the map.

    Raises:
        SettingError: A chosen cell was removed.
    """
    rows = dataset.rows_kept
    if rows is None:
        return document
    for block in document.blocks:
        for setting in find_operator(block.operator).settings:
            chosen = block.config.get(setting.name)
            if setting.picks != "cell" or not isinstance(chosen, int):
                continue
            place = int(np.searchsorted(rows, chosen))
            if place == len(rows) or rows[place] != chosen:
                if chosen == setting.default:  # nobody chose it: the first one that is kept
                    continue
                raise SettingError(
                    f"cell {chosen:,} was removed by the quality control.",
                    fix="Choose another one, or widen the limits so that it is kept.",
                    where=f"{block.id}.{setting.name}",
                )
            document = document.with_config(block.id, **{setting.name: place})
    return document
