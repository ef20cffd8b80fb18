"""Carries what a data set holds over into a new h5ad, in the words that old readers know."""

from typing import Any

import h5py
import numpy as np
import scipy.sparse as sp

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.dataset.some_rows import of_some
from diffbio_engine.data.matrix.hdf5_check import open_hdf5
from diffbio_engine.data.matrix.hdf5_elements import (
    column_names,
    encoding,
    read_what_can_be_read,
    sparse_shape,
)
from diffbio_engine.data.matrix.matrices import Matrix, OnDisk
from diffbio_engine.data.matrix.some_rows import SomeRows
from diffbio_engine.data.writers.plain_elements import free_name, write_elem, write_table
from diffbio_engine.data.writers.row_by_row import write_row_by_row
from diffbio_engine.ports import Place

_PARTS = ("layers", "obsm", "obsp", "varm", "varp", "uns")


def carry_over(dataset: Dataset, file: h5py.File) -> list[str]:
    """Writes tables, matrices and everything else of ``dataset``; returns what was left out."""
    file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
    for part in _PARTS:
        _group(file, part)
    notes: list[str] = []
    notes += write_table(file, "obs", dataset.obs)
    notes += write_table(file, "var", dataset.var)
    for place in dataset.places:
        if place == "raw/X":
            raw = _group(file, "raw", "raw")
            notes += write_table(raw, "var", dataset.genes(place))
            _group(raw, "varm")
        _write_matrix(file, place, dataset.stored(place))
    for key, value in dataset.uns.items():
        _try(file["uns"], str(key).replace("/", "_"), value, notes)
    if dataset.path is not None and dataset.kind in ("h5ad", "h5mu"):
        _rest_of_file(dataset, file, notes)
    for part, arrays in (*dataset.rest.items(), ("obsm", dataset.obsm)):
        for key in arrays:
            if key not in file[part]:
                _try(file[part], key, arrays[key], notes)
    return notes


def _group(parent: h5py.Group, name: str, kind: str = "dict") -> h5py.Group:
    group = parent.require_group(name)
    group.attrs.update({"encoding-type": kind, "encoding-version": "0.1.0"})
    return group


def _rest_of_file(dataset: Dataset, file: h5py.File, notes: list[str]) -> None:
    assert dataset.path is not None, "called only for data that lie in a file"
    with open_hdf5(dataset.path) as whole:
        source = whole[dataset.inside] if dataset.inside else whole
        for part in ("obsm", "obsp", "varm", "varp", "raw/varm"):
            found = source.get(part)
            group = file.get(part)
            if group is None or not isinstance(found, h5py.Group):
                continue
            kept = dataset.kept.get("raw" if part.startswith("raw/") else "var")
            some = kept if "var" in part else dataset.rows_kept
            for key in found:
                if some is not None:
                    value, _ = read_what_can_be_read(found[key])
                    if sp.issparse(value):
                        value = value.tocsr()
                    _try(group, key, of_some(part, value, some, some), notes)
                elif encoding(found[key]) in ("csr_matrix", "csc_matrix"):
                    _copy_sparse(found[key], group, key)
                else:
                    value, _ = read_what_can_be_read(found[key])
                    _try(group, key, value, notes)
        told = " ".join(notes)
        notes += [
            f"{name} could not be carried over: it is empty or of a kind that is not known here."
            for name in _lost(source, file)
            if f"{name} could not" not in told
        ]


# Where older versions of anndata kept what has a place of its own today.
_ELSEWHERE = {"raw.X": "raw/X", "raw.var": "raw/var", "raw.varm": "raw/varm"}
# Tables are read column by column, and matrices whole: what is inside them is no part of its own.
_WITH_PARTS = ("layers", "obsm", "obsp", "varm", "varp", "uns", "raw", "raw/varm")


def _lost(source: h5py.Group, file: h5py.File) -> list[str]:
    """The parts of a file that its copy lacks, by name."""
    lost = []
    for name, item in source.items():
        if name not in _WITH_PARTS:
            lost += [f"/{name}"] if _ELSEWHERE.get(name, name) not in file else []
            lost += _lost_columns(item, file[name]) if name in ("obs", "var") else []
        elif isinstance(item, h5py.Dataset) and item.dtype.names and name in file:
            lost += [f"/{name}/{n}" for n in item.dtype.names if n not in file[name]]
        elif isinstance(item, h5py.Group):
            lost += _lost_inside(item, file, name)
    return lost


def _lost_inside(group: h5py.Group, file: h5py.File, place: str) -> list[str]:
    lost = []
    for name, item in group.items():
        inside, group_of_parts = f"{place}/{name}", isinstance(item, h5py.Group)
        in_uns = place.startswith("uns") and encoding(item) in ("", "dict")
        if inside not in file:
            holds = len(item) if group_of_parts else item.size and encoding(item) != "null"
            lost += [f"/{inside}"] if holds else []
        elif group_of_parts and (in_uns or inside in _WITH_PARTS):
            lost += _lost_inside(item, file, inside)
    return lost


def _lost_columns(table: h5py.Group | h5py.Dataset, copied: h5py.Group) -> list[str]:
    if not isinstance(table, h5py.Group):
        return []
    named = [n for n in column_names(table) if n not in copied]
    return [f"{table.name}/{name}" for name in named]


def _try(group: h5py.Group, key: str, value: Any, notes: list[str]) -> None:
    """What cannot be written is named, and is no reason to lose the rest."""
    if value is None:
        return
    free = free_name(group, key)
    if free != key:
        notes.append(f"{group.name}/{key} stands there twice; the second is called {free}.")
    try:
        if isinstance(value, dict):
            inside = _group(group, free)
            for name, part in value.items():
                _try(inside, str(name).replace("/", "_"), part, notes)
        else:
            write_elem(group, free, value)
    except (TypeError, ValueError, NotImplementedError, KeyError, AttributeError) as error:
        if free in group:
            del group[free]
        notes.append(f"{group.name}/{key} could not be carried over ({type(error).__name__}).")


def _write_matrix(file: h5py.File, place: str, matrix: Matrix) -> None:
    table, name = Place.parse(place).parts
    parent, key = (table, name) if name else ("", table)
    group = file[parent] if parent else file
    if isinstance(matrix, SomeRows) and matrix.on_disk and matrix.stored != "CSC":
        return write_row_by_row(group, key, matrix)
    if not isinstance(matrix, OnDisk) or matrix.rearranged:
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
