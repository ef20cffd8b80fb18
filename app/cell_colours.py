"""What can colour the cells of a map: their cluster, a score, a column of the data set, a gene.

Data sets are read off the event loop, once for all tabs, and the last few are kept.
"""

import contextlib
import threading
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numba import njit

from app.palettes import category_colors, is_color
from app.shading import Colouring
from diffbio_engine.data import Dataset, file_of, read
from diffbio_engine.data.matrix_look import RAW, look
from diffbio_engine.errors import DataError, UserError, did_you_mean

MOST_CATEGORIES = 200
_KEPT_DATASETS = 3
_KEPT_GENES = 64


def by_cluster(labels: np.ndarray, names: tuple[str, ...] = ()) -> Colouring:
    """Each cell in the colour of its cluster."""
    n = max(int(labels.max()) + 1 if len(labels) else 0, len(names))
    named = tuple(names[i] if i < len(names) else str(i) for i in range(n))
    return Colouring("cluster", "Cluster", labels, named, tuple(category_colors(n)))


def by_class(port: str, labels: np.ndarray, names: tuple[str, ...], key: str = "") -> Colouring:
    """Each cell in the colour of the class that a block finds likeliest for it."""
    same = by_cluster(labels, names)
    return replace(same, key=key or f"class/{port}", title=port_title(port))


def by_certainty(certainty: np.ndarray) -> Colouring:
    """How decided each cell is: its largest share."""
    return Colouring(
        "certainty", "Certainty (largest share)", values=np.asarray(certainty, np.float32)
    )


def by_score(port: str, values: np.ndarray) -> Colouring:
    """What a block says of each cell as one number."""
    values = np.asarray(values, np.float32)
    low, high = _limits(values)
    return Colouring(f"score/{port}", port_title(port), values=values, low=low, high=high)


def port_title(port: str) -> str:
    """``"doublets.doublet_scores"`` in words."""
    return port.split(".", 1)[-1].replace("_", " ").capitalize()


def by_column(path: str, column: str) -> Colouring:
    """A column of ``obs``: categories in the colours that came with the file, or values."""
    dataset = opened(path)
    series = dataset.column(column)
    key = f"obs/{column}"
    if series.dtype.kind in "fiu" and not isinstance(series.dtype, pd.CategoricalDtype):
        values = series.to_numpy(np.float32)
        low, high = _limits(values)
        return Colouring(key, column, values=values, low=low, high=high)
    marked = series.astype("category") if series.dtype.name != "category" else series
    names = tuple(str(c) for c in marked.cat.categories)
    if len(names) > MOST_CATEGORIES:
        raise DataError(
            f"The column '{column}' has {len(names):,} different values, and at most "
            f"{MOST_CATEGORIES} can be told apart by colour.",
            fix="Choose a column with fewer categories.",
        )
    stored = dataset.uns.get(f"{column}_colors")
    # A single colour comes back as a string, several as an array.
    given = [str(c) for c in np.atleast_1d(stored)] if stored is not None else []
    usable = len(given) >= len(names) and all(is_color(c) for c in given[: len(names)])
    colors = given[: len(names)] if usable else category_colors(len(names))
    codes = marked.cat.codes.to_numpy(np.int32)
    return Colouring(key, column, codes, names, tuple(colors))


def by_gene(path: str, gene: str, place: str = "X") -> Colouring:
    """A gene; raw counts are shown as ``log(1 + counts per 10 000)``, anything else as it is.

    Cost: one look at the stored values of the matrix the first time, O(values) without a copy.
    """
    dataset = opened(path)
    names = dataset.genes(place).index
    if gene not in names:
        same = {str(n).lower(): n for n in names}
        if gene.lower() not in same:
            raise DataError(
                f"There is no gene '{gene}' in {dataset.name}.",
                fix=did_you_mean(gene, map(str, names)) or "Look at how its genes are named.",
            )
        gene = same[gene.lower()]
    key = (*_stamp(path), place, gene)
    with _LOCK:
        known = _GENES.get(key)
    if known is None:
        known = _read_gene(dataset, path, place, gene, int(names.get_loc(gene)))
        with _LOCK:
            _GENES[key] = known
            while len(_GENES) > _KEPT_GENES:
                _GENES.popitem(last=False)
    return known


def genes_like(path: str, text: str, place: str = "X", most: int = 8) -> list[str]:
    """Genes whose name begins with or holds a text, the shortest first."""
    small = text.strip().lower()
    if not small:
        return []
    names = [str(n) for n in opened(path).genes(place).index]
    begin = sorted((n for n in names if n.lower().startswith(small)), key=len)
    if len(begin) < most:
        begin += [n for n in names if small in n.lower() and not n.lower().startswith(small)]
    return begin[:most]


def look_into(path: str) -> None:
    """Reads a data set before anything of it is asked for; a broken file is told of elsewhere."""
    with contextlib.suppress(OSError, UserError):
        opened(path)


def opened(path: str) -> Dataset:
    """The data set of a file, read at most once as long as the file does not change.

    Args:
        path: A file, or ``DatasetCard.source`` where the person said how to read it.
    """
    key = _stamp(path)
    with _OPENING:
        found = _DATASETS.get(key)
        if found is None:
            file, reading = file_of(path)
            found = _DATASETS[key] = read(Path(file), **reading.as_dict())
            while len(_DATASETS) > _KEPT_DATASETS:
                _DATASETS.popitem(last=False)
        _DATASETS.move_to_end(key)
    return found


def _stamp(path: str) -> tuple[str, int]:
    file = Path(file_of(path)[0])
    return path, file.stat().st_mtime_ns if file.exists() else 0


def _read_gene(dataset: Dataset, path: str, place: str, gene: str, column: int) -> Colouring:
    with _READING:  # a file on disk is read by one at a time
        matrix: Any = dataset.matrix(place)
        raw = look(place, dataset.stored(place)).holds == RAW
        values = np.zeros(dataset.n_cells, np.float32)
        totals = np.zeros(dataset.n_cells, np.float32)
        if hasattr(matrix, "block"):
            step = 4096
            for start in range(0, dataset.n_cells, step):
                block = matrix.block(start, start + step)
                part = slice(start, start + block.shape[0])
                _column_and_totals(
                    block.indptr, block.indices, block.data, column, values[part], totals[part]
                )
        else:
            _column_and_totals(matrix.indptr, matrix.indices, matrix.data, column, values, totals)
    title = gene
    if raw:
        values = np.log1p(values / np.maximum(totals, 1) * 1e4).astype(np.float32)
        title = f"{gene}, log(1 + counts per 10 000)"
    low, high = _limits(values)
    return Colouring(f"gene/{place}/{gene}", title, values=values, low=min(low, 0.0), high=high)


@njit(nogil=True, cache=True)
def _column_and_totals(indptr, indices, data, column, values, totals):
    for i in range(len(indptr) - 1):
        total = 0.0
        for j in range(indptr[i], indptr[i + 1]):
            total += data[j]
            if indices[j] == column:
                values[i] += data[j]
        totals[i] = total


def _limits(values: np.ndarray) -> tuple[float, float]:
    """Ends of the colour bar: the 1st and 99th percentile, so that one cell does not dim all."""
    fine = values[np.isfinite(values)]
    if not len(fine):
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(fine, (1, 99)))
    if high <= low:
        low, high = float(fine.min()), float(fine.max())
    return (low, high) if high > low else (low, low + 1.0)


_LOCK, _OPENING, _READING = threading.Lock(), threading.Lock(), threading.Lock()
_DATASETS: OrderedDict[tuple[str, int], Dataset] = OrderedDict()
_GENES: OrderedDict[tuple[str, int, str, str], Colouring] = OrderedDict()
