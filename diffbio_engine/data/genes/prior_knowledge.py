"""What is known of genes by their names, as fields of a data set: pairs, regulators, markers."""

from collections.abc import Callable, Sequence

import numpy as np

from diffbio_engine.data.genes.known_genes import (
    find_markers,
    find_pairs,
    find_regulators,
    known_pairs,
    known_regulators,
)
from diffbio_engine.ports import DATA_PORTS

# An array, what its rows stand for, and how many are left out, in words.
type Known = tuple[np.ndarray, list[str], str]


def _pairs(names: Sequence[str] | np.ndarray) -> Known:
    positions, pairs, _ = find_pairs(names)
    n_all = len(known_pairs())
    told = (
        f"{len(pairs):,} of {n_all:,} known ligand-receptor pairs have all their genes in the file;"
        " the others are left out. The genes of these pairs are kept, however little they vary."
    )
    return positions, pairs, told


def _regulators(names: Sequence[str] | np.ndarray) -> Known:
    positions, found = find_regulators(names)
    n_all = len(known_regulators())
    told = (
        f"{len(found):,} of {n_all:,} known transcription factors are among the genes of the file."
        " They are kept, however little they vary."
    )
    return positions, found, told


def _markers(names: Sequence[str] | np.ndarray) -> Known:
    return *find_markers(names), ""


# Place: from names of genes to an array and what its rows stand for.
KNOWN_GENES: dict[str, Callable[[Sequence[str] | np.ndarray], Known]] = {
    "genes:ligand-receptor-pairs": _pairs,
    "genes:transcription-factors": _regulators,
    "genes:cell-type-markers": _markers,
}
# Port: the place that stands for it, as `obs/batch` stands for a column.
PLACES = {
    name: port.offer.computed
    for name, port in DATA_PORTS.items()
    if port.offer and port.offer.computed in KNOWN_GENES
}
# Fields that no file holds: they follow from the names of its genes.
FROM_SYMBOLS = frozenset(PLACES)


def n_known(names: Sequence[str] | np.ndarray) -> dict[str, int]:
    """By port, how many pairs, regulators and cell types are known among these genes."""
    return {port: len(KNOWN_GENES[place](names)[1]) for port, place in PLACES.items()}
