"""What a row of a data set is called: a cell, or a spot of a tissue that holds several."""

import re
from collections.abc import Collection, Mapping, Sequence

CELLS, SPOTS = "cells", "spots"

_LOOKED_AT = 200
# Space Ranger writes these beside each barcode of a Visium slide.
_OF_A_SLIDE = ("in_tissue", "array_row", "array_col")
# A row and a column of an array, a barcode of a slide, or said outright.
_SPOT_NAMES = re.compile(r"(spot|bead)[\W_]?\d+|\d+(\.\d+)?x\d+(\.\d+)?|[ACGT]{14,20}(-\d+)?", re.I)


def called(
    names: Sequence[object], columns: Collection[str], obsm: Mapping[str, Sequence[int]]
) -> str:
    """``"spots"`` where the file says so, else ``"cells"``.

    Places in a tissue alone say nothing: those of MERFISH, Xenium or CosMx are of single cells.
    They have to come with names as spots have them, or with the columns of a Visium slide.

    Args:
        names: Of the rows.
        columns: Of ``obs``.
        obsm: Shapes by key.
    """
    if sum(name in columns for name in _OF_A_SLIDE) >= 2:
        return SPOTS
    placed = any("spatial" in key.lower() and shape[-1] in (2, 3) for key, shape in obsm.items())
    looked = [str(name) for name in names[:_LOOKED_AT]]
    spots = sum(bool(_SPOT_NAMES.match(name)) for name in looked)
    return SPOTS if placed and looked and spots > 0.9 * len(looked) else CELLS
