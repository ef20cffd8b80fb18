"""Carries what a data set holds over into a new h5ad, in the words that old readers know."""

from typing import Any

import h5py
import numpy as np
import pandas as pd

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.hdf5_check import open_hdf5
from diffbio_engine.data.hdf5_elements import (
    encoding,
    read_element,
    read_what_can_be_read,
    sparse_shape,
)
from diffbio_engine.data.matrices import InMemory, OnDisk

_PARTS = ("layers", "obsm", "obsp", "varm", "varp", "uns")
_TEXT = h5py.string_dtype()


def write_elem(group: h5py.Group, key: str, value: Any, **how: Any) -> None:
    """anndata's writer, imported when something is written: the import takes seconds."""
    from anndata.io import write_elem as write

    write(group, key, value, **how)


def carry_over(dataset: Dataset, file: h5py.File) -> list[str]:
    """Writes tables, matrices and everything else of ``dataset``; returns what was left out."""
    file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
    for part in _PARTS:
        _group(file, part)
    notes: list[str] = []
    write_table(file, "obs", dataset.obs)
    write_table(file, "var", dataset.var)
    for place in dataset.places:
        if place == "raw/X":
            raw = _group(file, "raw", "raw")
            write_table(raw, "var", dataset.genes(place))
            _group(raw, "varm")
        _write_matrix(file, place, dataset.stored(place))
    for key, value in dataset.uns.items():
        _try(file["uns"], str(key), value, notes)
    if dataset.path is not None and dataset.kind == "h5ad":
        _rest_of_file(dataset, file, notes)
    for key in dataset.obsm:
        if key not in file["obsm"]:
            _try(file["obsm"], key, dataset.obsm[key], notes)
    return notes


def _group(parent: h5py.Group, name: str, kind: str = "dict") -> h5py.Group:
    group = parent.require_group(name)
    group.attrs.update({"encoding-type": kind, "encoding-version": "0.1.0"})
    return group


def _rest_of_file(dataset: Dataset, file: h5py.File, notes: list[str]) -> None:
    assert dataset.path is not None, "called only for data that lie in a file"
    with open_hdf5(dataset.path) as source:
        for part in ("obsm", "obsp", "varm", "varp"):
            found = source.get(part)
            for key in found if isinstance(found, h5py.Group) else ():
                if encoding(found[key]).endswith("_matrix"):
                    _copy_sparse(found[key], file[part], key)
                else:
                    value, left_out = read_what_can_be_read(found[key])
                    notes += [f"{name} could not be carried over." for name in left_out]
                    _try(file[part], key, value, notes)


def _try(group: h5py.Group, key: str, value: Any, notes: list[str]) -> None:
    """What cannot be written is named, and is no reason to lose the rest."""
    value = _without_nothing(value)
    if value is None:
        return
    try:
        if isinstance(value, pd.DataFrame):
            write_table(group, key, value)
        elif isinstance(value, dict):
            inside = _group(group, key)
            for name, part in value.items():
                _try(inside, str(name).replace("/", "_"), part, notes)
        else:
            write_elem(group, key, _words(value))
            if isinstance(group.get(key), h5py.Group):
                uniform_attributes(group[key])
    except (TypeError, ValueError, NotImplementedError, KeyError, AttributeError) as error:
        if key in group:
            del group[key]
        notes.append(f"{group.name}/{key} could not be carried over ({type(error).__name__}).")


def _without_nothing(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: v for k, v in value.items() if v is not None}
    return value


def _words(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype == object:
        words = ["" if v is None else str(v) for v in value.flat]
        return np.array(words, dtype=object).reshape(value.shape)
    if isinstance(value, tuple | set):
        return np.array(list(value))
    return value


def _write_matrix(file: h5py.File, place: str, matrix: InMemory | OnDisk) -> None:
    parent, _, key = place.partition("/") if "/" in place else ("", "", place)
    group = file[parent] if parent else file
    if isinstance(matrix, InMemory) or matrix.rearranged:
        write_elem(group, key, matrix.load(), dataset_kwargs={"compression": "gzip"})
        return
    with open_hdf5(matrix.path) as source:
        item = source[matrix.place]
        if isinstance(item, h5py.Group):
            _copy_sparse(item, group, key)
        else:
            source.copy(item, group, key)
            group[key].attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})


def _copy_sparse(item: h5py.Group, group: h5py.Group, key: str) -> None:
    """Bytes as they are; only the words around them become those of today."""
    kind = encoding(item)
    made = group.create_group(key)
    for part in ("data", "indices", "indptr"):
        item.file.copy(item[part], made, part)
    made.attrs.update({"encoding-type": kind, "encoding-version": "0.1.0"})
    made.attrs["shape"] = np.array(sparse_shape(item))


def write_table(group: h5py.Group, key: str, table: pd.DataFrame) -> None:
    """A table with plain strings and string categories: anndata 0.7 and newer read it."""
    made = group.create_group(key)
    columns = [str(c) for c in dict.fromkeys(table.columns)]
    index = "_index"
    while index in columns:
        index += "_"
    made.attrs.update({"encoding-type": "dataframe", "encoding-version": "0.2.0", "_index": index})
    names = columns if columns else np.array([], dtype=_TEXT)
    made.attrs.create("column-order", np.array(names, dtype=_TEXT))
    write_elem(made, index, np.array([str(n) for n in table.index], dtype=object))
    for name in columns:
        write_elem(made, name.replace("/", "_"), _column(table[name]))
        uniform_attributes(made[name.replace("/", "_")])
    if any("/" in c for c in columns):
        names = np.array([c.replace("/", "_") for c in columns], dtype=_TEXT)
        made.attrs["column-order"] = names


def _column(column: pd.Series) -> Any:
    if isinstance(column.dtype, pd.CategoricalDtype):
        names = pd.Index([str(c) for c in column.cat.categories], dtype=object)
        ordered = column.cat.ordered
        return pd.Categorical.from_codes(column.cat.codes.to_numpy(), names, ordered=ordered)
    if column.dtype.kind in "fiub" and isinstance(column.dtype, np.dtype):
        return column.to_numpy()
    if column.dtype.kind in "fiu":
        return column.to_numpy(np.float64, na_value=np.nan)
    if column.dtype.kind == "b" and not column.isna().any():
        return column.to_numpy(bool)
    # A missing word has no plain form on disk, but a missing category has (code -1).
    if column.isna().any():
        words = [None if pd.isna(v) else str(v) for v in column]
        names = pd.Index(sorted({w for w in words if w is not None}), dtype=object)
        return pd.Categorical(words, categories=names)
    return np.array([str(v) for v in column], dtype=object)


def uniform_attributes(item: h5py.Group | h5py.Dataset) -> None:
    """Categories that are kept as nullable strings are rewritten as plain ones."""
    if not isinstance(item, h5py.Group) or encoding(item) != "categorical":
        return
    categories = item["categories"]
    if encoding(categories) == "nullable-string-array":
        words = np.array([str(w) for w in read_element(categories)], dtype=object)
        del item["categories"]
        write_elem(item, "categories", words)
