"""What is known of genes by their names, as fields of a data set: pairs, regulators, markers."""

from collections.abc import Callable, Sequence

import numpy as np

from diffbio_engine.data.known_genes import find_markers, find_pairs, find_regulators

type Known = tuple[np.ndarray, list[str]]


def _pairs(names: Sequence[str] | np.ndarray) -> Known:
    positions, pairs, _ = find_pairs(names)
    return positions, pairs


# Port: the place that stands for it, as `obs/batch` stands for a column.
PLACES = {
    "lr_pairs": "genes:ligand-receptor-pairs",
    "tf_indices": "genes:transcription-factors",
    "marker_matrix": "genes:cell-type-markers",
}
# Fields that no file holds: they follow from the names of its genes.
FROM_SYMBOLS = frozenset(PLACES)
# Place: from names of genes to an array and what its rows stand for.
KNOWN_GENES: dict[str, Callable[[Sequence[str] | np.ndarray], Known]] = {
    "genes:ligand-receptor-pairs": _pairs,
    "genes:transcription-factors": find_regulators,
    "genes:cell-type-markers": find_markers,
}


def n_known(names: Sequence[str] | np.ndarray) -> dict[str, int]:
    """By port, how many pairs, regulators and cell types are known among these genes."""
    return {port: len(KNOWN_GENES[place](names)[1]) for port, place in PLACES.items()}
