"""A trained pipeline to carry away: document, weights, genes and fields, as plain files."""

from diffbio_engine.bundles.bundle import Bundle, load_bundle, save_bundle
from diffbio_engine.bundles.class_names import names_along
from diffbio_engine.bundles.place import NewCells, place_cells, result_arrays

__all__ = [
    "Bundle",
    "NewCells",
    "load_bundle",
    "names_along",
    "place_cells",
    "result_arrays",
    "save_bundle",
]
