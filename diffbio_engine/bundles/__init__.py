"""A trained pipeline to carry away: document, weights, genes and fields, as plain files."""

from diffbio_engine.bundles.axis_names import levels_of, names_along
from diffbio_engine.bundles.bundle import (
    Bundle,
    fields_of_bundle,
    genes_of_bundle,
    load_bundle,
    per_dataset_of_bundle,
    put_weights,
    save_bundle,
)
from diffbio_engine.bundles.new_cells import CellsToPlace, cells_for
from diffbio_engine.bundles.place import (
    NewCells,
    place_cells,
    placed_by,
    result_arrays,
    result_places,
)

__all__ = [
    "Bundle",
    "CellsToPlace",
    "NewCells",
    "cells_for",
    "fields_of_bundle",
    "genes_of_bundle",
    "per_dataset_of_bundle",
    "load_bundle",
    "levels_of",
    "names_along",
    "place_cells",
    "placed_by",
    "put_weights",
    "result_arrays",
    "result_places",
    "save_bundle",
]
