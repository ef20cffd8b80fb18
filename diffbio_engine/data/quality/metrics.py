"""What is measured of each cell, with scanpy's names and to its last digit."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sp

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.dataset.gene_names import gene_name_style, names_and_ids
from diffbio_engine.data.inspection.raw_counts import blocks_of, require_counts
from diffbio_engine.data.matrix.matrices import Matrix
from diffbio_engine.errors import DataError
from diffbio_engine.ports import Place

# MT-ND1 of human, mt-Nd1 of mouse; R makes MT.ND1 of it. Not MTOR, MT1A, MTND1P23.
_BY_NAME = re.compile(r"^mt[-.](?=\S)", re.I)
# How a column of genes says that one is mitochondrial: by yes or no, or by a chromosome.
_YES, _NO = frozenset({"true", "yes", "1", "1.0"}), frozenset({"false", "no", "0", "0.0", "nan"})
_CHROMOSOMES = frozenset({"mt", "chrmt", "m", "chrm", "mitochondrion", "mitochondrial"})
_MARKS = ("mt", "mito", "mitochondrial", "is_mito", "is_mitochondrial")
_DOUBLETS = (
    "doublet_score", "doublet_scores", "scrublet_score", "scrublet_scores", "scDblFinder.score",
    "scDblFinder_score", "doublet_score_diffbio",
)  # fmt: skip
_MOST_CHROMOSOMES = 500
DOUBLET_SCORE, MITOCHONDRIAL = "doublet_score", "pct_counts_mt"


@dataclass(frozen=True)
class Measured:
    """The metrics of each cell.

    Attributes:
        values: By the name of the metric, (cells,); doublet scores only where the file has some.
        n_mitochondrial: How many genes count as mitochondrial; 0 where a column has the share.
        mitochondrial: Which these are, in words; where there are none, why.
        doublets: The column that the doublet scores come from; empty if there are none.
    """

    values: Mapping[str, np.ndarray]
    n_mitochondrial: int
    mitochondrial: str
    doublets: str = ""

    @property
    def has_mitochondrial(self) -> bool:
        """Whether the share of mitochondrial counts says anything."""
        return bool(self.n_mitochondrial) or bool(np.nan_to_num(self.values[MITOCHONDRIAL]).any())


def measured(dataset: Dataset, place: str = "X", mitochondrial: str = "") -> Measured:
    """Measures all cells in one pass over their counts, some thousand cells at a time.

    ``n_genes_by_counts``: genes with a count; ``total_counts``: sum of counts; ``pct_counts_mt``:
    100 times the share of mitochondrial counts, NaN for a cell without counts. These are the
    columns that ``scanpy.pp.calculate_qc_metrics`` makes, computed in the same precision: 32 bits
    where the file has its counts in 32 bits, else 64. Genes count as mitochondrial by their
    symbols, as they are used everywhere here.

    Cost: O(counts that are not 0); memory for one block of cells.

    Args:
        dataset: The data.
        place: Where its raw counts lie.
        mitochondrial: Empty for genes whose symbols begin with ``MT-`` or ``mt-``; or a column of
            the genes that marks them (``"var/mt"``): yes, or the chromosome ``MT`` or ``chrM``; or
            a column of the cells with the share in percent (``"obs/percent_mt"``), where the genes
            themselves are not in the file any more.

    Raises:
        DataError: There are no raw counts, or no such column.

    References:
        McCarthy et al. (2017), Scater; Wolf et al. (2018), SCANPY.
    """
    others = {p: dataset.stored(p) for p in dataset.places if p != place}
    matrix = require_counts(dataset.matrix(place), place, others)
    given = mitochondrial if mitochondrial.startswith("obs/") else ""
    of_mt, said = mitochondrial_genes(dataset, place, "" if given else mitochondrial)
    width = of_mt.astype(np.float64)
    found: list[tuple[np.ndarray, ...]] = [
        (_n_genes(b), np.asarray(b.sum(axis=1, dtype=np.float64)).ravel(), b @ width)
        for b in blocks_of(matrix)
    ]
    matrix.close()
    n_genes, totals, totals_mt = (np.concatenate(part) for part in zip(*found, strict=True))
    precision = np.float32 if _is_single(dataset.stored(place)) else np.float64
    totals, totals_mt = totals.astype(precision), totals_mt.astype(precision)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = totals_mt / totals * precision(100)
    values = {"n_genes_by_counts": n_genes, "total_counts": totals, MITOCHONDRIAL: share}
    if given:
        values[MITOCHONDRIAL] = _numbers(dataset, given)
        share = values[MITOCHONDRIAL]
        known = share[np.isfinite(share)]
        ends = f" ({known.min():.4g} to {known.max():.4g})" if len(known) else ""
        said = f"The share of mitochondrial counts is that of {given}, taken as percent{ends}."
    column = doublet_column(dataset.obs)
    if column:
        values[DOUBLET_SCORE] = dataset.obs[column].to_numpy(np.float64)
    return Measured(values, 0 if given else int(of_mt.sum()), said, column)


def genes_seen_in(matrix: Matrix, rows: np.ndarray) -> np.ndarray:
    """In how many of these rows each gene has a count, (genes,); one pass over the matrix."""
    kept = np.zeros(matrix.shape[0], bool)
    kept[rows] = True
    seen, start = np.zeros(matrix.shape[1], np.int64), 0
    for block in blocks_of(matrix):
        some = block[kept[start : start + block.shape[0]]]
        seen += np.bincount(some.indices[some.data > 0], minlength=len(seen))
        start += block.shape[0]
    return seen


def mitochondrial_genes(dataset: Dataset, place: str, column: str = "") -> tuple[np.ndarray, str]:
    """Which genes of a matrix are mitochondrial, (genes,) of bool, and that in words."""
    table = dataset.genes(place)
    if column:
        dataset.column(Place.parse(column).name, "var")  # says which columns there are
        name = Place.parse(column).name
        marks = table[name] if name in table else dataset.var[name].reindex(table.index)
        marked = _marked(marks)
        return marked, f"{marked.sum():,} genes are marked as mitochondrial by {column}."
    names = names_and_ids(table)[0]
    found = np.array([bool(_BY_NAME.match(str(name))) for name in names])
    if found.any():
        begin = sorted({str(n)[:3] for n in names[found]})
        return found, (
            f"{found.sum():,} mitochondrial genes were found by their names"
            f" ({' and '.join(begin)}...)."
        )
    marks = next((c for c in table.columns if str(c).lower() in _MARKS), None)
    if marks is not None and (marked := _marked(table[marks])).any():
        return marked, f"{marked.sum():,} genes are marked as mitochondrial by var/{marks}."
    style = gene_name_style(names)
    return found, (
        "No mitochondrial gene was found: no name begins with MT- or mt-"
        + (f" (the genes are named by {style})" if style != "symbols" else "")
        + ". A column of the genes can mark them."
    )


def columns_that_mark(dataset: Dataset, place: str) -> list[str]:
    """Columns of the genes that can mark the mitochondrial ones: of yes and no, or chromosomes."""
    table = dataset.genes(place)
    few = (name for name in table.columns if table[name].nunique() < _MOST_CHROMOSOMES)
    marked = ((str(name), _marked(table[name])) for name in few)
    return [name for name, marks in marked if marks.any() and not marks.all()]


def doublet_column(obs: pd.DataFrame) -> str:
    """The column of doublet scores, by its name; empty if there is none."""
    numbers = (name for name in _DOUBLETS if name in obs and obs[name].dtype.kind in "fiu")
    return next(numbers, "")


def _numbers(dataset: Dataset, place: str) -> np.ndarray:
    column = dataset.column(Place.parse(place).name)
    if column.dtype.kind not in "fiu":
        raise DataError(f"{place} holds no numbers.", fix="Choose a column of percentages.")
    return column.to_numpy(np.float64)


def _marked(column: pd.Series) -> np.ndarray:
    values = column.astype(str).str.strip().str.lower()
    yes_or_no = set(values.unique()) <= _YES | _NO  # "1" is a chromosome, too
    return values.isin(_YES if yes_or_no else _CHROMOSOMES).to_numpy()


def _n_genes(block: sp.csr_matrix) -> np.ndarray:
    """Genes with a count; a zero that is stored is none."""
    before = np.r_[0, np.cumsum(block.data != 0)]
    return (before[block.indptr[1:]] - before[block.indptr[:-1]]).astype(np.int32)


def _is_single(matrix: Matrix) -> bool:
    return matrix.dtype == np.float32
