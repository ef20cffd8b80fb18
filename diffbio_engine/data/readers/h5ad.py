"""Opens an h5ad file of any generation of anndata, without reading its matrices."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from diffbio_engine.data.dataset import Dataset, Lazily
from diffbio_engine.data.dataset.ambient_profiles import profiles_in
from diffbio_engine.data.matrix.hdf5_check import open_hdf5
from diffbio_engine.data.matrix.hdf5_elements import (
    encoding,
    is_sparse,
    read_element,
    read_table,
    read_what_can_be_read,
)
from diffbio_engine.data.matrix.matrices import Matrix, OnDisk
from diffbio_engine.data.readers.feature_kinds import kept_features, kept_of_raw
from diffbio_engine.data.readers.file_types import FileType
from diffbio_engine.data.readers.joined_from import say_where_from, told_of_joining
from diffbio_engine.data.reading import Reading
from diffbio_engine.errors import DataError


def is_h5ad(file: h5py.File) -> bool:
    """Whether an HDF5 file is laid out as anndata does."""
    return "obs" in file or "var" in file or encoding(file) == "anndata"


def open_h5ad(path: Path, reading: Reading, *, with_uns: bool = True, inside: str = "") -> Dataset:
    """Tables are read, matrices are left on disk until somebody asks; genes only unless asked.

    Args:
        inside: The group that is laid out like an h5ad, where it is not the whole file.
    """
    with open_hdf5(path) as whole:
        file = whole[inside] if inside else whole
        if "obs" not in file or "var" not in file:
            there = ", ".join(list(file)[:10]) or "nothing"
            raise DataError(
                f"{path.name} has no obs and var as an h5ad file has; it holds {there}.",
                fix="Choose an h5ad file, or a 10x h5 file.",
            )
        uns_item = file.get("uns")
        try:
            obs, var = read_table(file["obs"], uns_item), read_table(file["var"], uns_item)
            raw_var = _raw_var(file, uns_item)
        except (NotImplementedError, KeyError, TypeError) as error:
            raise DataError(
                f"The tables of cells and genes in {path.name} are of a kind that is not known "
                f"({error}).",
                fix="Save it again with a newer anndata.",
            ) from None
        warnings: list[str] = []
        uns: dict[str, Any] = {}
        if with_uns and uns_item is not None:
            uns, left_out = read_what_can_be_read(uns_item)
            if left_out:
                warnings.append(
                    f"{len(left_out)} entries of uns are empty or of an unknown kind and were left "
                    f"out: {', '.join(left_out[:5])}{', ...' if len(left_out) > 5 else ''}."
                )
        profiles, joined = profiles_in(uns_item, len(var)), told_of_joining(uns_item)
        shapes = _obsm_shapes(file)
        found = _matrix_places(file)
    features, left, choices = kept_features(var, reading.features)
    warnings += left
    kept = {"var": features} if len(features) < len(var) else {}
    if kept and raw_var is not None:
        of_raw = kept_of_raw(raw_var, var, features)
        kept |= {"raw": of_raw} if len(of_raw) < len(raw_var) else {}
    matrices: dict[str, Matrix] = {}
    for place, within in found.items():
        try:
            matrix = OnDisk(path, f"{inside}/{within}" if inside else within)
            of_raw_genes = place == "raw/X" and raw_var is not None
            some = kept.get("raw" if of_raw_genes else "var")
            table = raw_var if of_raw_genes and raw_var is not None else var
            if some is not None and matrix.shape[1] == len(table):
                matrix = matrix.of_genes(some)
            # A file with embeddings only may keep a matrix without genes; there is nothing in it.
            if matrix.shape[1]:
                matrices[place] = matrix
        except DataError as error:
            if place == "X":
                raise
            warnings.append(f"{place} was left out: {error.what}")
    dataset = Dataset(
        name=path.name,
        kind="h5mu" if inside else "h5ad",
        obs=obs,
        var=var.iloc[kept["var"]] if "var" in kept else var,
        matrices=matrices,
        raw_var=raw_var.iloc[kept["raw"]] if raw_var is not None and "raw" in kept else raw_var,
        obsm=Lazily(shapes, lambda key: _read_obsm(path, key, inside)),
        uns=uns,
        warnings=tuple(warnings),
        path=path,
        choices=choices,
        kept=kept,
    )
    say_where_from(dataset, joined)
    dataset.profiles, dataset.all_genes, dataset.inside = profiles, var.index, inside
    return dataset


def _raw_var(file: h5py.File, uns: Any) -> pd.DataFrame | None:
    # anndata 0.6 wrote "raw.var" beside "raw.X"; later versions write a group "raw".
    if "raw.var" in file:
        return read_table(file["raw.var"], uns)
    raw = file.get("raw")
    if isinstance(raw, h5py.Group) and "var" in raw:
        return read_table(raw["var"], uns)
    return None


def _matrix_places(file: h5py.File) -> dict[str, str]:
    found = {}
    if "X" in file and encoding(file["X"]) != "null" and _is_matrix(file["X"]):
        found["X"] = "X"
    layers = file.get("layers")
    if isinstance(layers, h5py.Group):
        found |= {f"layers/{k}": f"layers/{k}" for k in layers if _is_matrix(layers[k])}
    if "raw.X" in file:
        found["raw/X"] = "raw.X"
    elif isinstance(file.get("raw"), h5py.Group) and "X" in file["raw"] and "var" in file["raw"]:
        found["raw/X"] = "raw/X"
    return found


def _is_matrix(item: h5py.Group | h5py.Dataset) -> bool:
    if isinstance(item, h5py.Dataset):
        return item.ndim == 2 and item.dtype.kind in "fiub"
    return is_sparse(item)


def _obsm_shapes(file: h5py.File) -> dict[str, tuple[int, ...]]:
    obsm = file.get("obsm")
    if isinstance(obsm, h5py.Dataset):
        return {k: (len(obsm), *obsm.dtype[k].shape) for k in obsm.dtype.names or ()}
    shapes: dict[str, tuple[int, ...]] = {}
    for key, item in (obsm or {}).items():
        if isinstance(item, h5py.Dataset) and item.ndim >= 1 and item.dtype.kind in "fiub":
            shapes[key] = item.shape
        elif is_sparse(item):
            shapes[key] = tuple(int(n) for n in item.attrs.get("shape", ()))
        elif encoding(item) == "dataframe":
            n = len(item.attrs.get("column-order", ()))
            rows = next((c.shape[0] for c in item.values() if isinstance(c, h5py.Dataset)), 0)
            shapes[key] = (rows, n)
    return {k: s for k, s in shapes.items() if len(s) == 2}


def _read_obsm(path: Path, key: str, inside: str = "") -> np.ndarray:
    with open_hdf5(path) as file:
        obsm = file[f"{inside}/obsm" if inside else "obsm"]
        if isinstance(obsm, h5py.Dataset):
            return np.asarray(obsm[key])
        value = read_element(obsm[key])
    if isinstance(value, pd.DataFrame):
        return value.to_numpy()
    return value.toarray() if hasattr(value, "toarray") else np.asarray(value)


FILE_TYPE = FileType(
    "h5ad",
    (".h5ad",),
    lambda path, reading, with_uns: open_h5ad(path, reading, with_uns=with_uns),
    is_h5ad,
    order=10,
)
