"""Spots of a tissue, each of which holds several cells: files of cells whose rows are places."""

import re
from collections.abc import Collection, Mapping, Sequence

from diffbio_engine.axes import axis_of
from diffbio_engine.data.dataset import Dataset, shapes_in
from diffbio_engine.data.kinds.cells import Cells

_LOOKED_AT = 200
# Space Ranger writes these beside each barcode of a Visium slide.
_OF_A_SLIDE = ("in_tissue", "array_row", "array_col")
# A row and a column of an array, a barcode of a slide, or said outright.
_SPOT_NAMES = re.compile(r"(spot|bead)[\W_]?\d+|\d+(\.\d+)?x\d+(\.\d+)?|[ACGT]{14,20}(-\d+)?", re.I)


class Spots(Cells):
    """Spots by genes."""

    record = axis_of("spots")
    shares_files_of = "cells"
    order = 40
    same_names = True  # a barcode is a place, the same on each slide

    def told(self, dataset: Dataset, why: str) -> tuple[str, ...]:
        return ()

    def why(self, dataset: Dataset) -> str:
        return why_spots(dataset.obs.index, dataset.obs.columns, shapes_in(dataset.obsm))


def why_spots(
    names: Sequence[object], columns: Collection[str], obsm: Mapping[str, Sequence[int]]
) -> str:
    """Why rows are spots where the file says so, in words; else empty.

    Places in a tissue alone say nothing: those of MERFISH, Xenium or CosMx are of single cells.
    They have to come with names as spots have them, or with the columns of a Visium slide.

    Args:
        names: Of the rows.
        columns: Of ``obs``.
        obsm: Shapes by key.
    """
    of_slide = [name for name in _OF_A_SLIDE if name in columns]
    if len(of_slide) >= 2:
        return f"there are the columns {' and '.join(of_slide[:2])} of a Visium slide"
    placed = any("spatial" in key.lower() and shape[-1] in (2, 3) for key, shape in obsm.items())
    looked = [str(name) for name in names[:_LOOKED_AT]]
    spots = sum(bool(_SPOT_NAMES.match(name)) for name in looked)
    if placed and looked and spots > 0.9 * len(looked):
        return f"they have places in a tissue and names as spots have them ({looked[0]})"
    return ""
