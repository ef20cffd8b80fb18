"""Writes results into a copy of the data that scanpy and the browsers of cells open."""

import errno
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import scipy.sparse as sp

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.writers.carry import carry_over
from diffbio_engine.data.writers.colors import category_colors
from diffbio_engine.data.writers.plain_elements import free_name, write_elem
from diffbio_engine.errors import DataError, RunError
from diffbio_engine.ports import Place

_OF_GENES = ("var", "varm")
PROBABILITIES = "obsm/cluster_diffbio_prob"
type Layer = np.ndarray | sp.spmatrix | Callable[[], Iterator[np.ndarray]]


@dataclass(frozen=True)
class Written:
    """What was written where.

    Args:
        path: The file.
        keys: From the place that was asked for to the place that was free.
        notes: What a person should know, in full sentences.
    """

    path: Path
    keys: dict[str, str]
    notes: tuple[str, ...]


def write_h5ad(
    dataset: Dataset,
    out: Path,
    arrays: Mapping[str, np.ndarray],
    *,
    provenance: Mapping[str, Any],
    cluster_names: list[str] | None = None,
    layers: Mapping[str, Layer] | None = None,
    marker_genes: Mapping[str, Any] | None = None,
    main_map: str = "",
) -> Written:
    """Writes ``out`` (h5ad): all that the data set holds, and the results beside it.

    Matrices of an h5ad are copied as they lie on disk, so memory does not grow with them. Nothing
    that came with the file is overwritten: a result whose name is taken gets ``_2``. The file
    appears under its name only when it is whole.

    Args:
        dataset: The data that the run started from.
        out: Where to write.
        arrays: By place: ``"obsm/X_latent"``, ``"obs/..."``, ``"var/..."`` (one number a gene)
            and ``"varm/..."`` (several; both are left out, and said, where the genes are others),
            ``"obsm/cluster_diffbio_prob"``;
            the last also gives ``obs/cluster_diffbio``, its certainty and its colours (a cell
            whose shares are NaN is in no cluster). A data frame in ``obsm`` or ``varm``
            keeps the names of its columns.
        provenance: Goes to ``uns/diffbio`` as text; what is nested, as JSON.
        cluster_names: Names of the clusters; None: 0, 1, 2, ...
        layers: Cells by genes: an array, CSR, or a function that yields blocks of rows.
        marker_genes: Goes to ``uns/rank_genes_groups``, as scanpy's function of that name has it.
        main_map: Which of the arrays is the map; it also becomes ``obsm/X_umap``, where every
            browser of cells looks first, if the file has none.
    """
    with whole_or_nothing(out) as part, h5py.File(part, "w") as file:
        notes = carry_over(dataset, file)
        keys: dict[str, str] = {}
        for place, array in with_clusters(arrays, cluster_names).items():
            if Place.parse(place).table in _OF_GENES and len(array) != dataset.n_genes:
                notes.append(
                    f"{place} was left out: it is of {len(array):,} genes, but the file has"
                    f" {dataset.n_genes:,}."
                )
                continue
            keys[place] = _write_array(file, dataset, place, array)
        for name, layer in (layers or {}).items():
            key = free_name(file["layers"], name)
            note = _write_layer(file["layers"], key, layer, (dataset.n_cells, dataset.n_genes))
            if note:
                notes.append(note)
            else:
                keys[f"layers/{name}"] = f"layers/{key}"
        _write_colors(file, keys, with_clusters(arrays, cluster_names))
        if marker_genes:
            key = free_name(file["uns"], "rank_genes_groups")
            keys["uns/rank_genes_groups"] = f"uns/{key}"
            write_elem(file["uns"], key, _grouped_by(marker_genes, keys))
        if main_map in arrays and "X_umap" not in file["obsm"]:
            _write_array(file, dataset, "obsm/X_umap", np.asarray(arrays[main_map])[:, :2])
            notes.append(f"obsm/X_umap is this run's map ({keys[main_map]}): the file had none.")
        key = free_name(file["uns"], "diffbio")
        keys["uns/diffbio"] = f"uns/{key}"
        write_elem(file["uns"], key, _plain(provenance))
        notes += [
            f"{asked} was in the file already and is kept; the new one is {got}."
            for asked, got in keys.items()
            if asked != got
        ]
    return Written(out, keys, tuple(notes))


@contextmanager
def whole_or_nothing(out: Path) -> Iterator[Path]:
    """A place to write to; what is there is put under its name when it is whole."""
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(part, out)
        folder = os.open(out.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except (OSError, RuntimeError) as error:
        # HDF5 tells of a full disk as a RuntimeError with the number of the error in its text.
        full = getattr(error, "errno", 0) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or any(
            f"errno = {n}," in str(error) for n in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        )
        if not full:
            raise
        raise RunError(
            f"{out.name} could not be written: the disk is full.",
            fix="Free some space and export again; nothing half-written is left, and the run "
            "itself is not touched.",
        ) from None
    finally:
        part.unlink(missing_ok=True)


def _grouped_by(marker_genes: Mapping[str, Any], keys: Mapping[str, str]) -> dict[str, Any]:
    """With the column that was written, where another of its name was in the file already."""
    params = dict(marker_genes["params"])
    column = Place("obs", params["groupby"])
    params["groupby"] = Place.parse(keys.get(column, column)).name
    return {**marker_genes, "params": params}


def with_clusters(
    arrays: Mapping[str, np.ndarray], names: list[str] | None
) -> dict[str, np.ndarray | pd.Categorical]:
    """Beside the shares of clusters also the likeliest one, and how sure it is."""
    out: dict[str, Any] = dict(arrays)
    if PROBABILITIES in out:
        shares = np.asarray(out[PROBABILITIES], np.float32)
        names = [str(n) for n in names or range(shares.shape[1])]
        hard = pd.Categorical.from_codes(likeliest(shares), pd.Index(names, dtype=object))
        out.setdefault("obs/cluster_diffbio", hard)
        out.setdefault("obs/cluster_diffbio_certainty", shares.max(axis=1))
    return out


def likeliest(shares: np.ndarray) -> np.ndarray:
    """The class of the largest share of each row; -1 where the shares say nothing (NaN, or 0)."""
    told = np.isfinite(shares).all(axis=1) & (shares.sum(axis=1) > 0)
    return np.where(told, np.nan_to_num(shares).argmax(axis=1), -1)


def _write_array(file: h5py.File, dataset: Dataset, place: str, array: Any) -> str:
    table, name = Place.parse(place).parts
    if table not in ("obs", "obsm", *_OF_GENES) or not name:
        raise ValueError(f"{place}: results go to obs, obsm, var, varm; layers have their own way.")
    if table not in _OF_GENES and len(array) != dataset.n_cells:
        raise DataError(
            f"{place} has {len(array):,} rows, but {dataset.name} has {dataset.n_cells:,} cells.",
            fix="Use the data that the run was made with.",
            where=place,
        )
    key = free_name(file[table], name)
    if table in ("obs", "var"):
        _write_column(file[table], key, array)
    elif isinstance(array, pd.DataFrame):
        index = dataset.var.index if table == "varm" else dataset.obs.index
        write_elem(file[table], key, array.set_axis(index, axis=0))
    else:
        array = np.asarray(array)
        if array.dtype.kind == "f":
            array = array.astype(np.float32)
        write_elem(file[table], key, array)
    return f"{table}/{key}"


def _write_column(frame: h5py.Group, key: str, values: Any) -> None:
    values = np.asarray(values) if not isinstance(values, pd.Categorical) else values
    if isinstance(values, np.ndarray) and values.dtype.kind in "OUS":
        values = pd.Categorical([str(v) for v in values])
    write_elem(frame, key, values)
    order = [str(n) for n in frame.attrs["column-order"]] + [key]
    frame.attrs["column-order"] = np.array(order, dtype=h5py.string_dtype())


def _write_layer(group: h5py.Group, key: str, layer: Layer, shape: tuple[int, int]) -> str:
    blocks = layer() if callable(layer) else iter([layer])
    start, made = 0, None
    for block in blocks:
        if block.shape[1] != shape[1]:
            return (
                f"{key} was left out: it has {block.shape[1]:,} genes, but the file {shape[1]:,}."
            )
        if sp.issparse(block) and not callable(layer):
            write_elem(group, key, sp.csr_matrix(block).astype(np.float32))
            return ""
        if made is None:
            rows = max(1, min(shape[0], 2**18 // shape[1]))
            made = group.create_dataset(
                key, shape, np.float32, chunks=(rows, shape[1]), compression="gzip",
                compression_opts=1, shuffle=True,
            )  # fmt: skip
            made.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
        dense = (
            block.toarray() if isinstance(block, sp.spmatrix | sp.sparray) else np.asarray(block)
        )
        made[start : start + len(dense)] = dense
        start += len(dense)
    if start != shape[0]:
        if made is not None:
            del group[key]
        return f"{key} was left out: it has {start:,} cells, but the file {shape[0]:,}."
    return ""


def _write_colors(file: h5py.File, keys: dict[str, str], arrays: Mapping[str, Any]) -> None:
    place = keys.get("obs/cluster_diffbio")
    if place is None:
        return
    values = arrays["obs/cluster_diffbio"]
    n = len(values.categories) if isinstance(values, pd.Categorical) else len(set(values))
    name = free_name(file["uns"], f"{Place.parse(place).name}_colors")
    write_elem(file["uns"], name, np.array(category_colors(n), dtype=object))
    keys["uns/cluster_diffbio_colors"] = f"uns/{name}"


def _plain(provenance: Mapping[str, Any]) -> dict[str, str]:
    """Text only; nested values as one JSON text each; what is None is left out."""

    def text(value: Any) -> str:
        return value if isinstance(value, str) else json.dumps(value, default=str, sort_keys=True)

    return {str(k): text(v) for k, v in provenance.items() if v is not None}
