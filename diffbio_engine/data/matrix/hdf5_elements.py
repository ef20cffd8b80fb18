"""Reads the parts of an anndata file of any age: arrays, tables, categories, sparse matrices.

Written for what is in people's files, not for one version of anndata: 0.6 (tables as compound
data sets, categories in ``uns``), 0.7 (``__categories``), 0.8 and newer (``encoding-type``).
"""

from typing import Any

import h5py
import numpy as np
import pandas as pd
import scipy.sparse as sp

from diffbio_engine.data.matrix.memory_limit import refuse_if_too_big
from diffbio_engine.errors import DataError
from diffbio_engine.quantities import in_units

_OF_A_STRING = 80
_SMALL = 16 * 2**20
# gzip packs one byte over and over to a 1,030th; newer packings to some ten thousandths.
_MOST_SHRUNK = 50_000

type Item = h5py.Group | h5py.Dataset


def texts(values: Any) -> np.ndarray:
    """Strings as Python strings, whatever the file kept them as."""
    values = np.asarray(values)
    if values.dtype.kind == "S" or (
        values.dtype == object and any(isinstance(v, bytes) for v in values.ravel()[:1000])
    ):
        decode = [v.decode("utf-8", "replace") if isinstance(v, bytes) else v for v in values.flat]
        return np.array(decode, dtype=object).reshape(values.shape)
    return values.astype(object) if values.dtype.kind in "UO" else values


def text_attribute(item: Item, name: str, default: str = "") -> str:
    """An attribute as text."""
    value = item.attrs.get(name, default)
    return value.decode() if isinstance(value, bytes) else str(value)


def encoding(item: Item) -> str:
    """``encoding-type``, or what old files meant by ``h5sparse_format``."""
    kind = text_attribute(item, "encoding-type")
    if not kind and "h5sparse_format" in item.attrs:
        kind = f"{text_attribute(item, 'h5sparse_format')}_matrix"
    return kind


def sparse_shape(group: h5py.Group) -> tuple[int, int]:
    """Rows and columns of a sparse matrix."""
    shape = group.attrs.get("shape", group.attrs.get("h5sparse_shape"))
    if shape is None:
        raise DataError(f"{group.name} is a sparse matrix without a shape.", fix="Save it again.")
    return int(shape[0]), int(shape[1])


def is_sparse(item: Item) -> bool:
    """Whether it is a sparse matrix."""
    return encoding(item) in ("csr_matrix", "csc_matrix")


def read_dataset(item: h5py.Dataset) -> Any:
    """A data set as an array, with strings decoded; a scalar as itself."""
    if item.shape:
        refuse_if_hollow(item)
        refuse_if_too_big(item.size * _bytes_of_one(item.dtype), item.name)
    values = item[()]
    if item.shape == ():
        return values.decode("utf-8", "replace") if isinstance(values, bytes) else values
    return texts(values)


def refuse_if_hollow(item: h5py.Dataset) -> None:
    """A data set may declare millions of values of which the file holds not one."""
    declared, stored = item.size * item.dtype.itemsize, item.id.get_storage_size()
    if declared > _SMALL and declared > _MOST_SHRUNK * stored:
        raise DataError(
            f"{item.name} declares {item.size:,} values ({in_units(declared)}), of which the "
            f"file stores {stored:,} bytes.",
            fix="Save the file again with the program that made it; it was damaged or cut off.",
        )


def _bytes_of_one(kind: np.dtype) -> int:
    """What a value takes in memory: a text becomes a Python string."""
    return kind.itemsize + (_OF_A_STRING if kind.kind in "SO" else 0)


def read_sparse(group: h5py.Group) -> sp.csr_matrix | sp.csc_matrix:
    """A sparse matrix as it is stored, checked."""
    make = sp.csr_matrix if encoding(group) == "csr_matrix" else sp.csc_matrix
    parts = tuple(read_dataset(group[part]) for part in ("data", "indices", "indptr"))
    n_values = min(len(parts[0]), len(parts[1]))
    check_sparse(parts[1], parts[2], n_values, sparse_shape(group), make, group.name)
    return make(parts, shape=sparse_shape(group))


def check_sparse(
    indices: Any, indptr: Any, n_values: int, shape: Any, make: Any, where: str
) -> None:
    """Compiled code trusts these numbers; a wrong one would read beyond the array."""
    n_lines, n_places = shape if make is sp.csr_matrix else shape[::-1]
    fine = (
        len(indptr) == n_lines + 1
        and indptr[0] == 0
        and indptr[-1] <= n_values
        and bool(np.all(np.diff(indptr) >= 0))
        and (len(indices) == 0 or (int(np.min(indices)) >= 0 and int(np.max(indices)) < n_places))
    )
    if not fine:
        raise DataError(
            f"{where} is not a valid sparse matrix: its row pointers or column numbers do not fit "
            f"its shape {shape[0]:,} x {shape[1]:,}.",
            fix="Save the file again.",
        )


def read_categorical(group: h5py.Group) -> pd.Categorical:
    """Categories with their codes."""
    return _categorical(
        read_dataset(group["codes"]),
        read_element(group["categories"]),
        bool(group.attrs.get("ordered", 0)),
    )


def _categorical(codes: np.ndarray, categories: Any, ordered: bool = False) -> pd.Categorical:
    codes = np.asarray(codes).astype(np.int64)
    codes[(codes < 0) | (codes >= len(categories))] = -1
    categories = np.asarray(categories)
    if len(pd.unique(categories)) < len(categories):
        # Old files repeat a category now and then; pandas would refuse them.
        return pd.Categorical([None if c < 0 else categories[c] for c in codes])
    index = pd.Index(categories, dtype=object if categories.dtype == object else None)
    return pd.Categorical.from_codes(codes, index, ordered=ordered)


def read_column(table: h5py.Group, name: str) -> Any:
    """One column of a table that is stored as a group."""
    item = table[name]
    if isinstance(item, h5py.Group):
        return read_element(item)
    values = read_dataset(item)
    categories = item.attrs.get("categories")
    if categories is None and "__categories" in table and name in table["__categories"]:
        return _categorical(values, read_dataset(table["__categories"][name]))
    if isinstance(categories, h5py.Reference):
        found = table.file[categories]
        return _categorical(values, read_dataset(found), bool(found.attrs.get("ordered", 0)))
    return values


def column_names(table: Item) -> list[str]:
    """Columns of a table, in the file's order, without its index."""
    index = index_name(table)
    if isinstance(table, h5py.Dataset):
        return [n for n in table.dtype.names or () if n != index]
    order = [str(n) for n in texts(table.attrs.get("column-order", np.array([])))]
    names = order or [n for n in table if not n.startswith("__")]
    return [n for n in names if n in table and n != index]


def index_name(table: Item) -> str:
    """The column that names the rows."""
    if isinstance(table, h5py.Dataset):
        names = table.dtype.names or ()
        return next((n for n in ("index", "_index") if n in names), names[0] if names else "")
    name = text_attribute(table, "_index", "_index")
    return name if name in table else next((n for n in ("_index", "index") if n in table), "")


def read_table(table: Item, uns: Item | None = None) -> pd.DataFrame:
    """``obs`` or ``var`` of any generation."""
    if isinstance(table, h5py.Dataset):
        return _old_table(table, uns)
    index = texts(read_column(table, index_name(table))) if index_name(table) else None
    columns = {n: read_column(table, n) for n in column_names(table)}
    columns = {n: v for n, v in columns.items() if np.ndim(v) == 1}
    frame = pd.DataFrame(columns, index=None if index is None else _names(index))
    frame.index.name = None
    return frame


def _old_table(table: h5py.Dataset, uns: Item | None) -> pd.DataFrame:
    refuse_if_hollow(table)
    refuse_if_too_big(table.size * (table.dtype.itemsize + _OF_A_STRING), table.name)
    values, index = table[()], index_name(table)
    columns: dict[str, Any] = {}
    for name in column_names(table):
        column = texts(values[name])
        if uns is not None and f"{name}_categories" in uns:
            column = _categorical(column, np.atleast_1d(read_dataset(uns[f"{name}_categories"])))
        if np.ndim(column) == 1:
            columns[name] = column
    names = texts(values[index]) if index else np.arange(len(values))
    return pd.DataFrame(columns, index=_names(names))


def _names(values: Any) -> pd.Index:
    return pd.Index([str(v) for v in values], dtype=object)


def read_element(item: Item) -> Any:
    """Any part of an anndata file; raises where its kind is not known."""
    kind = encoding(item)
    if kind == "null":
        return None
    if isinstance(item, h5py.Dataset):
        return read_dataset(item)
    if kind in ("csr_matrix", "csc_matrix"):
        return read_sparse(item)
    if kind == "categorical":
        return read_categorical(item)
    if kind == "dataframe":
        return read_table(item)
    if kind.startswith("nullable-"):
        values, mask = read_dataset(item["values"]), read_dataset(item["mask"])
        if kind == "nullable-integer":
            return np.where(mask, np.nan, values)
        return np.where(mask, None, values.astype(object)) if mask.any() else values
    if kind not in ("", "dict", "anndata", "raw"):
        raise NotImplementedError(kind)
    return {name: read_element(item[name]) for name in item}


def read_what_can_be_read(item: Item) -> tuple[Any, list[str]]:
    """A nested dictionary such as ``uns``; empty values and unknown kinds are left out, by name."""
    if isinstance(item, h5py.Group) and encoding(item) in ("", "dict"):
        out, left_out = {}, []
        for name in item:
            value, without = read_what_can_be_read(item[name])
            left_out += without
            if value is not None:
                out[name] = value
        return out, left_out
    try:
        value = read_element(item)
    except (NotImplementedError, TypeError, ValueError, KeyError, OSError, RuntimeError):
        return None, [item.name]
    return value, [item.name] if value is None else []
