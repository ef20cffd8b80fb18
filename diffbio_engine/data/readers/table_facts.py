"""Which rows and columns of a table are neither genes nor cells, by name and by content."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from diffbio_engine.data.readers.line_names import (
    cell_like,
    fact_of_cells,
    fact_of_genes,
    gene_like,
)
from diffbio_engine.data.readers.sketch import Sketch
from diffbio_engine.data.readers.table_sketch import sketch_names
from diffbio_engine.data.reading import Reading

EMPTY = "it is empty"
# With so many fields empty, and none that is 0, empty ones are 0.
MANY_EMPTY = 0.1
_ENOUGH = 8
# A total is this share of all the others at least; so many columns are tried.
_LARGE, _CANDIDATES = 0.4, 5
# So many lines are no counts at most; with more of them the whole matrix has fractions.
_FEW, _FEW_SHARE = 3, 0.02
_TOTAL = re.compile(
    r"total|sum|size|depth|librar|count|umi|read|mapped|molecule|length|(^|[^a-z])(all|n)([^a-z]|$)",
    re.IGNORECASE,
)


def sketch_table(path: Path, reading: Reading) -> Sketch:
    """All that is decided of a table before its numbers are read."""
    sketch, numbers = sketch_names(path, reading)
    find_facts(sketch, numbers)
    return sketch


def find_facts(sketch: Sketch, numbers: np.ndarray) -> None:
    """Rows and columns of numbers that are neither genes nor cells, by name and by content."""
    whole_sample = len(numbers) == len(sketch.rows) - len(sketch.word_rows)
    usual = sketch.numbers
    is_whole = _share_whole(numbers)
    about = fact_of_genes if sketch.genes_in_rows else fact_of_cells
    found: dict[int, str] = {}
    for place, column in enumerate(usual):
        name = sketch.columns[column]
        named = (
            about(name)
            if about is fact_of_genes
            else fact_of_cells(name, whole=bool(is_whole[place] > 0.99))
        )
        if named:
            found[place] = "by name"
        elif not name.strip() and not np.isfinite(numbers[:, place]).any():
            found[place] = EMPTY
    unnamed = [place for place in range(len(usual)) if place not in found]
    matrix_is_whole = _is_whole(numbers[:, unnamed])
    found |= by_content(numbers, found, [sketch.columns[i] for i in usual], matrix_is_whole)
    if len(found) < len(usual):
        sketch.column_facts = [usual[i] for i in sorted(found)]
        sketch.why |= {sketch.columns[usual[i]]: why for i, why in found.items()}
    body = [i for i in range(len(sketch.rows)) if i not in sketch.word_rows]
    rows = {}
    for i in body if sketch.named else ():
        name, whole = sketch.rows[i], i not in sketch.fractions
        if fact_of_cells(name, whole=whole) if sketch.genes_in_rows else fact_of_genes(name):
            rows[i] = "by name"
    if whole_sample:
        kept = [i for i in range(len(usual)) if i not in found]
        places = dict(enumerate(body))
        known = {p: "by name" for p, i in places.items() if i in rows}
        names = [sketch.rows[i] for i in body]
        more = by_content(numbers[:, kept].T, known, names, matrix_is_whole)
        rows |= {places[p]: why for p, why in more.items()}
    if len(rows) < len(body):
        sketch.row_facts = sorted(rows)
        sketch.why |= {sketch.rows[i]: why for i, why in rows.items()}


def _is_whole(numbers: np.ndarray) -> bool:
    """Whether it holds whole numbers but for a few lines, judged by what is not 0.

    Zeros are whole whatever the others are: fractions of RSEM or salmon among many of them are
    fractions still, and so is a matrix with fractions in more lines than are taken out.
    """
    odd = np.isfinite(numbers) & (numbers != np.round(np.where(np.isfinite(numbers), numbers, 0)))
    if not odd.any():
        return True
    lines = [(odd.any(axis=axis).sum(), odd.shape[1 - axis]) for axis in (0, 1)]
    return any(n <= _most_odd(of) for n, of in lines)


def _most_odd(n: int) -> float:
    """How many lines of fractions may stand among lines of whole numbers."""
    return max(_FEW, _FEW_SHARE * n)


def empty_is_zero(numbers: np.ndarray) -> bool:
    """Whether empty fields stand for 0: there are many, and no 0 is written."""
    known = np.isfinite(numbers)
    return bool(known.mean() <= 1 - MANY_EMPTY) and not (numbers == 0).any()


def _share_whole(numbers: np.ndarray) -> np.ndarray:
    known = np.isfinite(numbers)
    whole = known & (numbers == np.round(np.where(known, numbers, 0)))
    return whole.sum(axis=0) / np.maximum(known.sum(axis=0), 1)


def by_content(
    numbers: np.ndarray, known: dict[int, str], names: Sequence[str], matrix_is_whole: bool
) -> dict[int, str]:
    """Columns that are no counts like the others: sums, numbers of genes, fractions, lengths."""
    rest = np.array([i for i in range(numbers.shape[1]) if i not in known])
    if len(rest) < _ENOUGH or len(numbers) < 3:
        return {}
    values = np.where(np.isfinite(numbers[:, rest]), numbers[:, rest], 0)
    found: dict[int, str] = {}
    if matrix_is_whole:
        whole = _share_whole(numbers[:, rest])
        # One odd value in a line is of the other direction: a row of fractions among columns.
        odd = np.maximum(1 - whole, (values < 0).mean(axis=0))
        blank = ~np.isfinite(numbers[:, rest]).any(axis=0)
        odd[blank] = 0
        if not empty_is_zero(numbers):
            found = {int(rest[i]): "it holds no number" for i in np.flatnonzero(blank)}
        lines = np.flatnonzero((odd > 0.1) & (odd * len(values) >= 2))
        for i in lines if len(lines) <= _most_odd(len(rest)) else ():
            found[int(rest[i])] = "it holds fractions or numbers below 0, the others whole numbers"
    kept = np.array([i for i, r in enumerate(rest) if int(r) not in found])
    if len(kept) < _ENOUGH:
        return {}
    # Again without what was found: a total may count a total, or the number of genes.
    for _ in range(3):
        values_kept = values[:, kept]
        sums, genes = values_kept.sum(axis=1), (values_kept != 0).sum(axis=1)
        more = _totals(values_kept, sums, genes, names, rest[kept])
        if not more or len(more) > len(kept) // 4 + 1:
            break
        found |= {int(rest[kept[i]]): why for i, why in more.items()}
        kept = np.array([k for i, k in enumerate(kept) if i not in more])
        if len(kept) < _ENOUGH:
            break
    return found


def _totals(
    values: np.ndarray, sums: np.ndarray, genes: np.ndarray, names: Sequence[str], of: np.ndarray
) -> dict[int, str]:
    found: dict[int, str] = {}
    alive = sums > 0
    if alive.sum() < 3:
        return {}
    own = values[alive]
    others = sums[alive][:, None] - own
    most = (own >= others * (1 - 1e-6)).mean(axis=0) > 0.95
    for i in np.flatnonzero(most & ((own > 0).mean(axis=0) > 0.95)).tolist():
        same = np.abs(own[:, i] - others[:, i]) <= 1e-6 * np.maximum(others[:, i], 1)
        # One gene may outweigh all others (hemoglobin, insulin): only a total is their sum.
        if same.mean() > 0.95:
            found[i] = "it is the sum of the others"
        elif _TOTAL.search(names[of[i]]):
            found[i] = "it is larger than all others together"
    # Beside one more column that is no gene (a number of genes, a second total), a total is the
    # sum of all others without that one.
    ratio = np.median(own / np.maximum(others, 1e-9), axis=0)
    for i in np.argsort(-ratio)[:_CANDIDATES].tolist():
        left = others[:, [i]] - own - own[:, [i]]
        exact = (np.abs(left) <= 1e-6 * np.maximum(own[:, [i]], 1)).mean(axis=0) > 0.95
        exact[i] = False
        if ratio[i] > _LARGE and exact.any():
            found.setdefault(i, "it is the sum of the others")
    n_others = genes[alive][:, None] - (own != 0)
    counts_genes = (own == n_others).mean(axis=0) > 0.95
    told = counts_genes & (n_others.mean(axis=0) > 2) & (np.ptp(own, axis=0) > 1)
    for i in np.flatnonzero(told).tolist():
        found.setdefault(i, "it is the number of the others that are not 0")
    if found or values.shape[1] < 2 * _ENOUGH:
        return found
    # A column like a length: a value in every row, far above all others, named as no other is.
    share_zero = (values == 0).mean(axis=0)
    totals = values.sum(axis=0)
    last = int(np.argmax(totals))
    odd = cell_like([names[of[last]]]) < 1 and gene_like([names[of[last]]], tags=True) < 1
    usual = np.mean([cell_like([names[j]]) for j in of[:200]]) > 0.9
    alone = totals[last] > 20 * np.median(totals)
    full = share_zero[last] < 0.01 < np.median(share_zero)
    if odd and usual and alone and full:
        found[last] = "it has a value in every row, far above the others, and another kind of name"
    return found
