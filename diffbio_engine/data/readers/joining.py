"""Joins the samples of one folder or archive: on shared genes, with a column that names them."""

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.dataset.gene_names import made_unique, names_and_ids, without_version
from diffbio_engine.data.matrix.in_memory import InMemory, Sample, Unread
from diffbio_engine.data.matrix.matrices import Matrix, taken
from diffbio_engine.data.matrix.matrix_preview import sampled
from diffbio_engine.data.readers.same_cells import doubled
from diffbio_engine.errors import DataError

SAMPLE, BARCODE = "sample", "barcode"
_MOST_LOOKED_AT = 16


def join_samples(
    parts: list[tuple[str, Dataset]], *, name: str, path: Path | None = None, said: tuple = ()
) -> Dataset:
    """All cells of all samples, with the genes that every sample has.

    Cells are named ``sample_barcode``; ``obs["sample"]`` and ``obs["barcode"]`` keep the parts.
    What is lost is said. Two matrices of the same cells are refused.

    Args:
        parts: Name and data of each sample; the names differ.
        name: What to call the whole.
        said: What else is to be said.
    """
    same = doubled(parts, name)
    names = [sample for sample, _ in parts]
    datasets = [dataset for _, dataset in parts]
    keys, by_id, versions = _keys(datasets)
    columns, lost = _shared(keys, by_id, names, datasets)
    if versions:
        lost.append("The versions of gene ids differ (ENSG....14, .15) and were not compared.")
    places = [p for p in datasets[0].places if all(p in d.places for d in datasets)]
    if not places:
        raise DataError(
            f"The {len(parts)} samples of {name} have no matrix in common.",
            fix="Join them yourself, or open one of them.",
        )
    left = {p for d in datasets for p in d.places} - set(places)
    if left:
        lost.append(f"{', '.join(sorted(left))} is not in all samples and was left out.")
    first = datasets[0]
    facts = [c for c in first.var.columns if all(c in d.var.columns for d in datasets)]
    sizes = ", ".join(f"{sample} ({d.n_cells:,} cells)" for sample, d in parts)
    dataset = Dataset(
        name=name,
        kind=f"{len(parts)} samples ({first.kind})",
        obs=_cells(parts),
        var=first.var[facts].iloc[columns[0]],
        matrices={p: _stacked([d.stored(p) for d in datasets], columns) for p in places},
        path=path,
        choices=first.choices,
        samples=tuple((sample, d.n_cells) for sample, d in parts),
    )
    dataset.warnings[:0] = [
        f"{len(parts)} samples were joined: {sizes}. The column 'sample' names them.",
        *same,
        *lost,
        *said,
        *_warnings(parts),
    ]
    return dataset


def _keys(datasets: list[Dataset]) -> tuple[list[pd.Index], bool, bool]:
    """What genes are matched by: ids where all have them, else names; if versions were dropped."""
    ids = [d.var.get("gene_ids") for d in datasets]
    by_id = all(i is not None and i.is_unique for i in ids)
    if by_id:
        found = [pd.Index([str(v) for v in i]) for i in ids if i is not None]
        keys = _of_one_version(found)
        return keys, True, not all(k.equals(n) for k, n in zip(keys, found, strict=True))
    names = [made_unique(pd.Index(names_and_ids(d.var)[0])) for d in datasets]
    keys = _of_one_version(names)
    return keys, False, not all(k.equals(n) for k, n in zip(keys, names, strict=True))


def _of_one_version(keys: list[pd.Index]) -> list[pd.Index]:
    """Ids without their versions, where these differ: ENSG00000111640.15 is ENSG00000111640.14."""
    if all(k.equals(keys[0]) for k in keys):
        return keys
    plain = [pd.Index([without_version(name) for name in k], dtype=object) for k in keys]
    return plain if all(k.is_unique for k in plain) else keys


def _shared(
    keys: list[pd.Index], by_id: bool, names: list[str], datasets: list[Dataset]
) -> tuple[list[np.ndarray], list[str]]:
    """For each sample the columns of the genes that all have, in the order of the first."""
    if all(k.equals(keys[0]) for k in keys):
        every = np.arange(len(keys[0]))
        return [every for _ in keys], []
    shared = keys[0]
    for other in keys[1:]:
        shared = shared[shared.isin(other)]
    if not len(shared):
        raise DataError(
            f"The samples {', '.join(names[:8])} share no genes ({keys[0][0]}, ... and "
            f"{keys[1][0]}, ...).",
            fix="Open them one by one; they are of different species or named differently.",
        )
    union = len(set().union(*keys))
    what = "ids" if by_id else "names"
    counts = ", ".join(f"{n}: {d.n_genes:,}" for n, d in zip(names, datasets, strict=True))
    lost = [
        f"{len(shared):,} of {union:,} genes are in all samples (by their {what}) and were kept; "
        f"{union - len(shared):,} that some samples lack were left out ({counts})."
    ]
    return [k.get_indexer(shared) for k in keys], lost


def _cells(parts: list[tuple[str, Dataset]]) -> pd.DataFrame:
    tables = []
    for sample, dataset in parts:
        table = dataset.obs.copy()
        barcodes = [str(b) for b in table.index]
        for column, values in ((BARCODE, barcodes), (SAMPLE, sample)):
            free = column
            while free in table.columns:
                free += "_of_file"
            table.insert(0, free, values)
        table.index = pd.Index([f"{sample}_{b}" for b in barcodes], dtype=object)
        tables.append(table)
    whole = pd.concat(tables)
    order = [sample for sample, _ in parts]
    column = SAMPLE if list(dict.fromkeys(whole[SAMPLE])) == order else f"{SAMPLE}_of_file"
    whole[column] = pd.Categorical(whole[column], categories=order)
    return whole


def _warnings(parts: list[tuple[str, Dataset]]) -> list[str]:
    """What was said of every sample once, and what was said of some with their names."""
    counts = Counter(w for _, d in parts for w in dict.fromkeys(d.warnings))
    said = [w for w, n in counts.items() if n == len(parts)]
    return said + [f"{s}: {w}" for s, d in parts for w in d.warnings if counts[w] < len(parts)]


def _stacked(matrices: list[Matrix], columns: list[np.ndarray]) -> Unread:
    """The matrices one below the other, read when they are asked for."""
    widths = [m.shape[1] for m in matrices]

    def some(rows: sp.csr_matrix, i: int) -> sp.csr_matrix:
        whole = len(columns[i]) == widths[i] and (np.diff(columns[i]) == 1).all()
        return rows if whole else rows[:, columns[i]]

    def load() -> sp.csr_matrix:
        found = []
        for i, matrix in enumerate(matrices):
            read = taken(matrix, False)
            assert isinstance(read, InMemory)
            found.append(some(read.load(), i))
        return sp.vstack(found, format="csr")

    def sample() -> Sample:
        seen = np.unique(np.linspace(0, len(matrices) - 1, _MOST_LOOKED_AT).astype(int)).tolist()
        looked = [(i, sampled(matrices[i], max(32, 512 // len(seen)))) for i in seen]
        whole = all(s.whole_rows for _, s in looked)
        if whole:
            rows = sp.vstack([some(s.rows, i) for i, s in looked], format="csr")
        else:
            rows = sp.csr_matrix(np.concatenate([s.rows.data for _, s in looked])[None])
        shares = [s.zeros for _, s in looked if s.zeros is not None]
        words = f"{len(seen)} of {len(matrices)} samples looked at; of the first, {looked[0][1][1]}"
        filled = [s.filled for _, s in looked if s.filled is not None]
        known = sum(filled) if len(filled) == len(matrices) else None
        parts = [some(s.cells, i) for i, s in looked if s.cells is not None]
        cells = sp.vstack(parts, format="csr") if parts and not whole else None
        zeros = float(np.mean(shares)) if shares else None
        seen_whole = all(s.whole_cells for _, s in looked)
        return Sample(rows, words, whole, zeros, known, cells, seen_whole)

    shape = (sum(m.shape[0] for m in matrices), len(columns[0]))
    n_values = sum(m.n_bytes for m in matrices) // 8
    return Unread(shape, load, sample, stored="several files", n_values=n_values)
