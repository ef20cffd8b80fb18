"""Writes parts of an h5ad in the words that anndata 0.8 knows, whatever writes today's words."""

from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np
import pandas as pd
import scipy.sparse as sp

_TEXT = h5py.string_dtype()


def write_elem(group: h5py.Group, key: str, value: Any, **how: Any) -> None:
    """Like anndata's function of this name, without the encodings that came after 0.8.

    Newer versions write strings of tables and indices as ``nullable-string-array``, which no
    reader before them opens. Here words are plain arrays of text, at any depth.

    Raises:
        TypeError: For what has no form in such a file.
    """
    if isinstance(value, pd.DataFrame):
        write_table(group, key, value)
    elif isinstance(value, Mapping):
        made = group.create_group(key)
        made.attrs.update({"encoding-type": "dict", "encoding-version": "0.1.0"})
        for name, part in value.items():
            if part is not None:
                write_elem(made, free_name(made, str(name).replace("/", "_")), part)
    elif isinstance(value, pd.Categorical):
        _write_categorical(group, key, value)
    else:
        _written_by_anndata(group, key, _plain(value), **how)


def write_table(group: h5py.Group, key: str, table: pd.DataFrame) -> list[str]:
    """A table with plain strings and string categories; says which columns got another name."""
    made = group.create_group(key)
    notes, names = [], []
    for given in map(str, table.columns):
        # HDF5 has no name with a slash in it, and no two of one name.
        name, n = given.replace("/", "_"), 2
        while name in names:
            name, n = f"{given.replace('/', '_')}_{n}", n + 1
        if name in map(str, table.columns) and name != given:
            name = f"{name}_renamed"
        if name != given:
            notes.append(f"The column '{given}' of {key} is called '{name}' in the result.")
        names.append(name)
    index = "_index"
    while index in names:
        index += "_"
    made.attrs.update({"encoding-type": "dataframe", "encoding-version": "0.2.0", "_index": index})
    made.attrs.create("column-order", np.array(names, dtype=_TEXT))
    write_elem(made, index, np.array([str(n) for n in table.index], dtype=object))
    for place, name in enumerate(names):
        write_elem(made, name, plain_column(table.iloc[:, place]))
    return notes


def plain_column(column: pd.Series) -> Any:
    """Numbers as they are, words as text; where some are missing, as categories."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.array
    if column.dtype.kind in "fiubc" and isinstance(column.dtype, np.dtype):
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


def free_name(group: h5py.Group, name: str) -> str:
    """The name, or with ``_2``, ``_3`` where it is taken."""
    free, n = name, 2
    while free in group:
        free, n = f"{name}_{n}", n + 1
    return free


def _write_categorical(group: h5py.Group, key: str, value: Any) -> None:
    names = [str(c) for c in value.categories]
    codes = np.asarray(value.codes)
    if len(set(names)) < len(names):  # 1 and "1" are one word
        first = {n: i for i, n in reversed(list(enumerate(names)))}
        kept = sorted(set(first.values()))
        place = np.array([*(kept.index(first[n]) for n in names), -1])
        codes, names = place[codes], [names[i] for i in kept]
    made = group.create_group(key)
    made.attrs.update({"encoding-type": "categorical", "encoding-version": "0.2.0"})
    made.attrs["ordered"] = bool(value.ordered)
    size = np.int8 if len(names) < 128 else np.int16 if len(names) < 2**15 else np.int32
    write_elem(made, "codes", codes.astype(size))
    write_elem(made, "categories", np.array(names, dtype=object))


def _plain(value: Any) -> Any:
    if isinstance(value, pd.Series | pd.Index | pd.api.extensions.ExtensionArray):
        value = plain_column(pd.Series(value))
        return np.asarray(value, object) if isinstance(value, pd.Categorical) else value
    if isinstance(value, set | frozenset):
        value = sorted(value, key=str)
    if isinstance(value, list | tuple):
        value = np.array(value if len({type(v) for v in value}) < 2 else [str(v) for v in value])
    if sp.issparse(value):
        return value if value.format in ("csr", "csc") else sp.csr_matrix(value)
    if isinstance(value, np.ndarray) and value.dtype.names is None and value.dtype.kind in "OUSMmT":
        words = ["" if v is None or v is pd.NA else _text(v) for v in value.flat]
        return np.array(words, dtype=object).reshape(value.shape)
    return value


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _written_by_anndata(group: h5py.Group, key: str, value: Any, **how: Any) -> None:
    # The import takes seconds, so it waits until something is written.
    from anndata.io import write_elem as write

    write(group, key, value, **how)
