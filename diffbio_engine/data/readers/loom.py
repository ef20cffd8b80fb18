"""Opens a loom file (velocyto, loompy): genes are rows, cells are columns, layers beside."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import scipy.sparse as sp

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.matrix.hdf5_check import open_hdf5
from diffbio_engine.data.matrix.hdf5_elements import read_dataset
from diffbio_engine.data.matrix.in_memory import Sample, Unread
from diffbio_engine.data.matrix.matrix_preview import even_rows
from diffbio_engine.data.matrix.memory_limit import refuse_if_too_big
from diffbio_engine.data.readers.file_types import FileType
from diffbio_engine.errors import DataError

_CELL_NAMES = ("CellID", "obs_names", "cell_id", "barcode", "Barcode", "cell_names", "index")
_GENE_NAMES = ("Gene", "var_names", "gene", "GeneName", "gene_name", "Symbol", "index")
_GENE_IDS = ("Accession", "gene_ids", "gene_id", "ensembl_id", "EnsemblID")
_CELLS_AT_ONCE = 1_024


def is_loom(file: h5py.File) -> bool:
    """Whether an HDF5 file is laid out as loompy does."""
    return isinstance(file.get("matrix"), h5py.Dataset) and (
        "row_attrs" in file or "col_attrs" in file
    )


def open_loom(path: Path) -> Dataset:
    """Names, columns and layers; the matrices are read when they are asked for."""
    warnings: list[str] = []
    with open_hdf5(path) as file:
        if file["matrix"].ndim != 2:
            raise DataError(f"The matrix of {path.name} has {file['matrix'].ndim} axes.")
        n_genes, n_cells = (int(n) for n in file["matrix"].shape)
        obs = _table(file.get("col_attrs"), n_cells, _CELL_NAMES, "cells", warnings)
        var = _table(file.get("row_attrs"), n_genes, _GENE_NAMES, "genes", warnings)
        places = {"X": "matrix"}
        layers = file.get("layers")
        for key in layers if isinstance(layers, h5py.Group) else ():
            item = layers[key]
            if key and isinstance(item, h5py.Dataset) and item.shape == (n_genes, n_cells):
                places[f"layers/{key}"] = f"layers/{key}"
            else:
                warnings.append(f"The layer {key} is of another shape and was left out.")
        matrices = {
            place: _matrix(path, inside, (n_cells, n_genes), file[inside].dtype)
            for place, inside in places.items()
        }
        obsm = _paired(file.get("col_attrs"), n_cells)
        if left := _left_out(file, {**obs, **var, **obsm}, n_cells, n_genes):
            more = f" and {len(left) - 8} more" if len(left) > 8 else ""
            warnings.append(f"Left out of the file: {', '.join(left[:8])}{more}.")
    ids = next((c for c in _GENE_IDS if c in var.columns), None)
    if ids is not None and "gene_ids" not in var.columns:
        var = var.rename(columns={ids: "gene_ids"})
    return Dataset(
        name=path.name,
        kind="loom",
        obs=obs,
        var=var,
        matrices=matrices,
        obsm=obsm,
        warnings=tuple(warnings),
        path=path,
    )


def _table(
    attributes: Any, n: int, names: tuple[str, ...], what: str, warnings: list[str]
) -> pd.DataFrame:
    """Attributes with one value per cell (or gene) as columns; one of them names the rows."""
    columns: dict[str, np.ndarray] = {}
    for key in attributes if isinstance(attributes, h5py.Group) else ():
        item = attributes[key]
        if isinstance(item, h5py.Dataset) and item.shape == (n,):
            columns[str(key)] = np.asarray(read_dataset(item))
    own = next((c for c in names if c in columns), None)
    if own is None:
        word = what.removesuffix("s")
        warnings.append(f"The {what} have no names in this file; they are numbered.")
        index = pd.Index([f"{word}_{i + 1}" for i in range(n)], dtype=object)
    else:
        index = pd.Index([str(v) for v in columns.pop(own)], dtype=object)
    return pd.DataFrame(columns, index=index)


def _paired(attributes: Any, n: int) -> dict[str, np.ndarray]:
    """Attributes with several numbers per cell, such as embeddings."""
    found = {}
    for key in attributes if isinstance(attributes, h5py.Group) else ():
        item = attributes[key]
        whole = isinstance(item, h5py.Dataset) and item.ndim == 2 and item.shape[0] == n
        if whole and item.dtype.kind in "fiu" and 0 < item.shape[1] <= 200:
            found[str(key)] = np.asarray(read_dataset(item))
    return found


def _left_out(file: h5py.File, known: dict[str, Any], n_cells: int, n_genes: int) -> list[str]:
    """Parts of a loom that no table and no matrix of a data set holds, by name."""
    left = []
    for part, n in (("col_attrs", n_cells), ("row_attrs", n_genes)):
        group = file.get(part)
        for key in group if isinstance(group, h5py.Group) else ():
            plain = isinstance(group[key], h5py.Dataset) and group[key].shape == (n,)
            left += [] if plain or key in known else [f"{part}/{key}"]
    for part in ("col_graphs", "row_graphs"):
        group = file.get(part)
        left += [f"{part}/{key}" for key in (group if isinstance(group, h5py.Group) else ())]
    return left


def _matrix(path: Path, inside: str, shape: tuple[int, int], dtype: np.dtype) -> Unread:
    if dtype.kind not in "fiub":
        raise DataError(f"{inside} of {path.name} holds {dtype} instead of numbers.")
    n_cells, n_genes = shape

    def rows(runs: list[tuple[int, int]]) -> sp.csr_matrix:
        blocks = []
        try:
            with open_hdf5(path) as file:
                for start, stop in runs:
                    block = file[inside][:, start:stop].T
                    blocks.append(sp.csr_matrix(block.astype(np.float32)))
        except (OSError, RuntimeError, KeyError):
            raise DataError(
                f"{inside} of {path.name} cannot be read: the file is damaged or was cut off.",
                fix="Copy or upload it again.",
            ) from None
        return sp.vstack(blocks, format="csr") if blocks else sp.csr_matrix((0, n_genes))

    def load() -> sp.csr_matrix:
        step = max(1, min(_CELLS_AT_ONCE, 2**26 // max(n_genes, 1)))
        refuse_if_too_big(4 * step * n_genes, inside)
        return rows([(a, min(a + step, n_cells)) for a in range(0, n_cells, step)])

    def sample() -> Sample:
        most = max(1, min(512, 2**24 // max(n_genes, 1)))
        runs = even_rows(n_cells, most)
        n = sum(b - a for a, b in runs)
        share = f"all {n_cells:,}" if n == n_cells else f"{n:,} of {n_cells:,}"
        return Sample(rows(runs), f"{share} rows looked at")

    # Unpacked, a tenth of a dense matrix of counts is rarely more than not 0.
    return Unread(shape, load, sample, stored="dense", n_values=n_cells * n_genes // 10)


FILE_TYPE = FileType(
    "loom", (".loom",), lambda path, reading, with_uns: open_loom(path), is_loom, order=60
)
