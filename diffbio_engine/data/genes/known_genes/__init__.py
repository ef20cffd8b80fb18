"""What is known of genes beforehand: ligands with their receptors, regulators, cell type markers.

Three small tables, written for this project from textbooks and reviews: human gene symbols, pairs
and markers that are well established; none is complete. Names are compared without regard to
case, so those of mouse genes that are called the same are found too.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

_PLACE = files("diffbio_engine.data.genes.known_genes")


@dataclass(frozen=True)
class KnownPair:
    """A ligand, its receptor (both perhaps complexes of several genes) and their pathway."""

    ligand: tuple[str, ...]
    receptor: tuple[str, ...]
    pathway: str

    @property
    def name(self) -> str:
        """``LIGAND_RECEPTOR``, the genes of a complex joined by ``+``."""
        return f"{'+'.join(self.ligand)}_{'+'.join(self.receptor)}"


@cache
def known_pairs() -> tuple[KnownPair, ...]:
    """Every pair of the table."""
    rows = _rows("ligand_receptor_pairs.csv")
    return tuple(
        KnownPair(tuple(ligand.split("+")), tuple(receptor.split("+")), pathway)
        for ligand, receptor, pathway in rows
    )


@cache
def known_regulators() -> tuple[str, ...]:
    """Every transcription factor of the list."""
    return tuple((_PLACE / "transcription_factors.txt").read_text().split())


@cache
def known_markers() -> dict[str, tuple[str, ...]]:
    """The marker genes of each cell type."""
    found: dict[str, list[str]] = {}
    for cell_type, gene in _rows("cell_type_markers.csv"):
        found.setdefault(cell_type, []).append(gene)
    return {name: tuple(genes) for name, genes in found.items()}


def find_pairs(
    gene_names: Sequence[str] | np.ndarray,
) -> tuple[np.ndarray, list[str], list[str]]:
    """The known pairs whose genes are all there, one row each.

    A complex works only if all its genes are expressed, so blocks take it by its scarcest gene:
    the rows name all of them.

    Args:
        gene_names: Symbols, in the order of the matrix; of a name that comes twice, the first.

    Returns:
        Positions of the genes of ligand and receptor, (pairs, 2 m) int32: the first ``m`` columns
        are the ligand's, the others the receptor's, -1 where there are fewer (``m`` is 1 if all
        are single genes). Names of pairs, names of pathways.
    """
    place = _places(gene_names)
    found = [p for p in known_pairs() if all(gene in place for gene in (*p.ligand, *p.receptor))]
    most = max((len(part) for pair in found for part in (pair.ligand, pair.receptor)), default=1)
    positions = np.full((len(found), 2, most), -1, np.int32)
    for row, pair in zip(positions, found, strict=True):
        for part, genes in zip(row, (pair.ligand, pair.receptor), strict=True):
            part[: len(genes)] = [place[gene] for gene in genes]
    return positions.reshape(-1, 2 * most), [p.name for p in found], [p.pathway for p in found]


def find_regulators(gene_names: Sequence[str] | np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Positions (regulators,) int32 and names of the transcription factors that are there."""
    place = _places(gene_names)
    found = [place[name] for name in known_regulators() if name in place]
    return np.array(found, np.int32), [str(gene_names[i]) for i in found]


def find_markers(
    gene_names: Sequence[str] | np.ndarray, *, at_least: int = 2
) -> tuple[np.ndarray, list[str]]:
    """1 where a gene marks a cell type, (types, genes) float32, and the names of the types.

    Args:
        gene_names: Symbols, in the order of the matrix.
        at_least: Types with fewer markers in the data are left out.
    """
    place = _places(gene_names)
    rows, names = [], []
    for cell_type, genes in known_markers().items():
        here = [place[gene] for gene in genes if gene in place]
        if len(here) >= at_least:
            row = np.zeros(len(gene_names), np.float32)
            row[here] = 1.0
            rows.append(row)
            names.append(cell_type)
    return np.array(rows, np.float32).reshape(len(rows), len(gene_names)), names


def _places(gene_names: Sequence[str] | np.ndarray) -> dict[str, int]:
    """Position of each gene by its name in capitals."""
    place: dict[str, int] = {}
    for i, name in enumerate(gene_names):
        place.setdefault(str(name).upper(), i)
    return place


def _rows(file: str) -> list[list[str]]:
    lines = (_PLACE / file).read_text().splitlines()
    return [row for row in csv.reader(lines[1:]) if row]
