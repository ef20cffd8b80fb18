"""Which way round a table lies: by a person's word, by names, by what varies as genes do."""

import re

import numpy as np

from diffbio_engine.data.readers.line_names import (
    cell_like,
    corner_says,
    fact_of_cells,
    fact_of_genes,
    gene_like,
    genes_on_sides,
    not_counted,
)
from diffbio_engine.data.readers.sketch import Sketch
from diffbio_engine.data.reading import CELLS_IN_ROWS, GENES_IN_ROWS

# Names on the two sides must differ by this share before they decide.
_CLEAR = 0.005
# Names gainsay a title where so much more on the wrong side are names of genes, or of cells.
_MORE_GENES, _MORE_CELLS = 0.15, 0.8
# How much more the totals of genes spread than those of cells before that decides, and how much
# at least: totals of a few cells spread by chance, those of genes over orders of magnitude.
_SPREAD, _LEAST_SPREAD = 1.5, 0.5
_ENOUGH = 8


def orient(sketch: Sketch, wanted: str, corner: str, numbers: np.ndarray) -> None:
    """Which way round: as a person says, else by names, else by what varies as genes do."""
    sketch.orientation, sketch.reason = _which_way(sketch, corner, numbers)
    if wanted:
        sketch.orientation, sketch.reason = wanted, ""


def _which_way(sketch: Sketch, corner: str, numbers: np.ndarray) -> tuple[str, str]:
    words = set(sketch.words)
    columns = [c for i, c in enumerate(sketch.columns) if i not in words]
    rows = [r for i, r in enumerate(sketch.rows) if i not in sketch.word_rows]
    known = [c for c in columns if not (fact_of_cells(c) or fact_of_genes(c))] or columns
    listed = [r for r in rows if not (fact_of_cells(r) or fact_of_genes(r))] or rows
    listed_names = listed if sketch.named else []
    known_names = known if sketch.text.header is not None else []
    genes_listed, genes_known = genes_on_sides(listed_names, known_names)
    clear = genes_listed - genes_known + cell_like(known_names) - cell_like(listed_names)
    told = corner_says(corner)
    if told and not _names_gainsay(corner, listed, known):
        way = GENES_IN_ROWS if told == "genes" else CELLS_IN_ROWS
        return way, f"the names of the rows are titled '{corner}'"
    spread = _by_spread(numbers)
    if spread is not None and abs(clear) > _CLEAR:
        # Taxa, proteins and numbers of genes are counted through as cells are: then counts tell.
        own = cell_like(known_names, counted=False) - cell_like(listed_names, counted=False)
        if abs(genes_listed - genes_known + own) <= _CLEAR:
            return spread
    if clear > _CLEAR:
        shown = listed[0] if genes_listed > genes_known else known[0]
        side = "rows are named like genes" if shown == listed[0] else "columns are named like cells"
        return GENES_IN_ROWS, f"{side} ({shown}, ...)"
    if clear < -_CLEAR:
        shown = known[0] if genes_known > genes_listed else listed[0]
        side = "columns are named like genes" if shown == known[0] else "rows are named like cells"
        return CELLS_IN_ROWS, f"{side} ({shown}, ...)"
    all_columns = sketch.columns
    if any(not_counted(r) for r in rows) or sum(map(fact_of_genes, all_columns)) > sum(
        map(fact_of_cells, all_columns)
    ):
        return GENES_IN_ROWS, "rows or columns beside the counts are those of a table of genes"
    if any(map(fact_of_cells, all_columns)):
        return CELLS_IN_ROWS, "columns beside the counts tell of cells"
    if spread is not None:
        return spread
    if len(rows) > 5_000 and len(rows) > 10 * numbers.shape[1]:
        return GENES_IN_ROWS, "there are far more rows than columns; the names do not tell"
    return CELLS_IN_ROWS, "the names do not tell, and this is the usual way"


def _names_gainsay(corner: str, listed: list[str], known: list[str]) -> bool:
    """Whether the names say clearly that a title is not that of the rows.

    Names of genes or barcodes on the wrong side tell; locus tags only where the title names
    neither genes nor cells themselves ("sample").
    """
    genes, cells = (listed, known) if corner_says(corner) == "genes" else (known, listed)
    wrong, right = gene_like(cells), gene_like(genes)
    if corner_says(corner) == "cells" and not re.match(r"\W*(cell|barcode)", corner, re.I):
        wrong, right = genes_on_sides(cells, genes)
    return wrong > right + _MORE_GENES or cell_like(genes) > cell_like(cells) + _MORE_CELLS


def _by_spread(numbers: np.ndarray) -> tuple[str, str] | None:
    """Totals of genes spread over orders of magnitude, those of cells far less; None: neither."""
    values = np.where(np.isfinite(numbers), np.abs(numbers), 0)
    if min(values.shape, default=0) < _ENOUGH:
        return None
    of_rows = float(np.std(np.log1p(values.mean(axis=1) * 100)))
    of_columns = float(np.std(np.log1p(values.mean(axis=0) * 100)))
    if of_rows > max(_SPREAD * of_columns, _LEAST_SPREAD):
        return GENES_IN_ROWS, "the totals of the rows spread as those of genes do"
    if of_columns > max(_SPREAD * of_rows, _LEAST_SPREAD):
        return CELLS_IN_ROWS, "the totals of the columns spread as those of genes do"
    return None
