"""Reads what 10x Genomics writes: an HDF5 file, or a folder of three files."""

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import h5py
import numpy as np
import pandas as pd
import scipy.io
import scipy.sparse as sp

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.hdf5_check import open_hdf5
from diffbio_engine.data.hdf5_elements import read_dataset
from diffbio_engine.data.matrices import InMemory, OnDisk
from diffbio_engine.data.memory import refuse_if_too_big
from diffbio_engine.errors import DataError

GENES = "Gene Expression"
_AGAIN = "Copy the three files again."


def is_tenx_h5(file: h5py.File) -> bool:
    """Whether an HDF5 file is a 10x feature-barcode matrix."""
    return bool(_groups(file))


def _groups(file: h5py.File) -> list[str]:
    parts = {"barcodes", "data", "indices", "indptr", "shape"}
    return [g for g in file if isinstance(file[g], h5py.Group) and parts <= set(file[g])]


def open_tenx_h5(path: Path, features: str | None = GENES) -> Dataset:
    """Version 3 (``matrix/features``) or 2 (one group per genome); genes only unless asked."""
    warnings: list[str] = []
    with open_hdf5(path) as file:
        groups = _groups(file)
        if not groups:
            raise DataError(f"{path.name} is not a 10x matrix.", fix="Choose the filtered h5 file.")
        group = file[groups[0]]
        if len(groups) > 1:
            warnings.append(f"Genome {groups[0]} is used; {', '.join(groups[1:])} left out.")
        var = _tenx_var(group)
        barcodes = [str(b) for b in np.atleast_1d(read_dataset(group["barcodes"]))]
        n_genes, n_cells = (int(n) for n in group["shape"][()])
    if (len(barcodes), len(var)) != (n_cells, n_genes):
        raise DataError(
            f"{path.name} says {n_cells:,} cells and {n_genes:,} features, but names "
            f"{len(barcodes):,} and {len(var):,}.",
            fix="Copy the file again.",
        )
    kept, said = _kept_features(var, features)
    columns = None if len(kept) == len(var) else kept
    return Dataset(
        name=path.name,
        kind="10x h5",
        obs=pd.DataFrame(index=pd.Index(barcodes, dtype=object)),
        var=var.iloc[kept],
        matrices={"X": OnDisk(path, groups[0], columns=columns, sideways=True)},
        warnings=(*warnings, *said),
        path=path,
    )


def _tenx_var(group: h5py.Group) -> pd.DataFrame:
    if "features" in group:
        inside = group["features"]
        columns = {"gene_ids": inside["id"], "feature_types": inside["feature_type"]}
        if "genome" in inside:
            columns["genome"] = inside["genome"]
        names = read_dataset(inside["name"])
    else:
        columns, names = {"gene_ids": group["genes"]}, read_dataset(group["gene_names"])
    table = {k: read_dataset(v) for k, v in columns.items()}
    return pd.DataFrame(table, index=pd.Index([str(n) for n in names], dtype=object))


def _kept_features(var: pd.DataFrame, features: str | None) -> tuple[np.ndarray, list[str]]:
    if features in (None, "all") or "feature_types" not in var:
        return np.arange(len(var)), []
    keep = (var["feature_types"] == features).to_numpy()
    others = var.loc[~keep, "feature_types"].value_counts()
    if not keep.any():
        raise DataError(
            f"There are no features of type '{features}'; there are "
            f"{', '.join(f'{n:,} {k}' for k, n in others.items())}.",
            fix="Choose one of these types.",
        )
    said = [f"{n:,} features of type {kind} were left out." for kind, n in others.items()]
    return np.flatnonzero(keep), said


@dataclass(frozen=True)
class MtxFiles:
    """The three files of a 10x folder."""

    matrix: Path
    barcodes: Path
    features: Path


def find_mtx(folder: Path) -> MtxFiles:
    """The three files, gzipped or not, with or without something before their names."""
    found: dict[str, Path] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        stem = path.name.lower().removesuffix(".gz")
        for role, ends in (
            ("matrix", ("matrix.mtx", ".mtx")),
            ("barcodes", ("barcodes.tsv",)),
            ("features", ("features.tsv", "genes.tsv")),
        ):
            if stem.endswith(ends):
                found.setdefault(role, path)
    missing = [
        name
        for role, name in (
            ("matrix", "matrix.mtx"),
            ("barcodes", "barcodes.tsv"),
            ("features", "features.tsv (or genes.tsv)"),
        )
        if role not in found
    ]
    if missing:
        there = ", ".join(sorted(p.name for p in folder.iterdir())[:8]) or "nothing"
        raise DataError(
            f"{folder.name} lacks {' and '.join(missing)}; it holds {there}.",
            fix="Add the missing file; .gz is fine.",
        )
    return MtxFiles(found["matrix"], found["barcodes"], found["features"])


def is_names_of_mtx(path: Path) -> bool:
    """Whether it is the list of cells or of genes that belongs to a matrix, by its name."""
    stem = path.name.lower().removesuffix(".gz")
    return stem.endswith(("barcodes.tsv", "features.tsv")) or stem == "genes.tsv"


def folder_of_mtx(path: Path) -> Path:
    """The folder of one of the three files, chosen by itself; the other two lie there too."""
    there = [p.name.lower().removesuffix(".gz") for p in path.parent.iterdir()]
    missing = [
        words
        for ends, words in (
            ((".mtx",), "matrix.mtx, the counts,"),
            (("features.tsv", "genes.tsv"), "features.tsv (or genes.tsv), the names of the genes,"),
            (("barcodes.tsv",), "barcodes.tsv, the names of the cells,"),
        )
        if not any(name.endswith(ends) for name in there)
    ]
    if missing:
        verb = "are" if len(missing) > 1 else "is"
        holds = "names" if is_names_of_mtx(path) else "numbers"
        raise DataError(
            f"{path.name} holds {holds} alone: {' and '.join(missing)} {verb} missing beside it.",
            fix="Choose the three files together, or the folder that holds them, or a zip of it; "
            ".gz is fine.",
        )
    return path.parent


def _open(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    return cast(IO[bytes], gzip.open(path, "rb") if zipped else path.open("rb"))


def _lines(path: Path) -> list[str]:
    try:
        with _open(path) as file:
            text = file.read(2**31).decode("utf-8", "replace")
    except (EOFError, gzip.BadGzipFile, OSError) as error:
        raise _cut_off(path, error) from None
    return text.splitlines()


def _cut_off(path: Path, error: Exception) -> DataError:
    return DataError(f"{path.name} was cut off or is damaged ({error}).", fix=_AGAIN)


def mtx_header(path: Path) -> tuple[int, int, int]:
    """Genes, cells and entries, from the first lines."""
    try:
        with _open(path) as file:
            first = file.readline(10_000)
            if not first.lower().startswith(b"%%matrixmarket"):
                raise DataError(f"{path.name} is not a Matrix Market file.", fix=_AGAIN)
            line = b"%"
            while line.startswith(b"%") or (line and not line.strip()):
                line = file.readline(10_000)
    except (EOFError, gzip.BadGzipFile) as error:
        raise _cut_off(path, error) from None
    numbers = line.split()
    if len(numbers) != 3 or not all(n.isdigit() for n in numbers):
        raise DataError(f"{path.name} does not say how many rows it has.", fix=_AGAIN)
    return int(numbers[0]), int(numbers[1]), int(numbers[2])


def mtx_tables(files: MtxFiles) -> tuple[pd.DataFrame, pd.DataFrame, int]:
    """Cells, features and the number of entries; checked against each other."""
    n_genes, n_cells, n_entries = mtx_header(files.matrix)
    barcodes, features = _lines(files.barcodes), _lines(files.features)
    for n, lines, path, what in (
        (n_cells, barcodes, files.barcodes, "cells"),
        (n_genes, features, files.features, "genes"),
    ):
        if len(lines) != n:
            raise DataError(
                f"{files.matrix.name} says {n:,} {what}, but {path.name} has {len(lines):,} "
                "lines; one of them was probably cut off.",
                fix=_AGAIN,
            )
    refuse_if_too_big(n_entries * 16, files.matrix.name)
    cells = [line.split("\t")[0] for line in barcodes]
    rows = [line.split("\t") for line in features]
    names = [r[1] if len(r) > 1 else r[0] for r in rows]
    columns: dict[str, Any] = {"gene_ids": [r[0] for r in rows]}
    if rows and all(len(r) > 2 for r in rows):
        columns["feature_types"] = [r[2] for r in rows]
    var = pd.DataFrame(columns, index=pd.Index(names, dtype=object))
    return pd.DataFrame(index=pd.Index(cells, dtype=object)), var, n_entries


def open_mtx(folder: Path, features: str | None = GENES, name: str = "") -> Dataset:
    """A 10x folder, read into memory."""
    files = find_mtx(folder)
    obs, var, n_entries = mtx_tables(files)
    try:
        with _open(files.matrix) as file:
            matrix = scipy.io.mmread(file, spmatrix=True)
    except (ValueError, EOFError, OSError, OverflowError, gzip.BadGzipFile) as error:
        raise DataError(
            f"{files.matrix.name} promises {n_entries:,} values but cannot be read to its end "
            f"({error}); it was probably cut off.",
            fix=_AGAIN,
        ) from None
    kept, said = _kept_features(var, features)
    csr = sp.csr_matrix(matrix.T)
    return Dataset(
        name=name or folder.name,
        kind="10x folder",
        obs=obs,
        var=var.iloc[kept],
        matrices={"X": InMemory(csr if len(kept) == len(var) else csr[:, kept])},
        warnings=tuple(said),
        path=folder,
    )


def sample_mtx(folder: Path, n_entries: int = 200_000) -> tuple[Any, str]:
    """The first values of the matrix, as one row, and how many of how many they are."""
    path = find_mtx(folder).matrix
    total = mtx_header(path)[2]
    values = []
    try:
        with _open(path) as file:
            file.readline()
            line = b"%"
            while line.startswith(b"%") or not line.strip():
                line = file.readline()
            for _ in range(min(total, n_entries)):
                values.append(float(file.readline().split()[-1]))
    except (EOFError, IndexError, ValueError, OSError):
        raise DataError(
            f"{path.name} promises {total:,} values and ends before; it was probably cut off.",
            fix=_AGAIN,
        ) from None
    said = f"the first {len(values):,} of {total:,} values that are not 0 looked at"
    return sp.csr_matrix(np.array(values)[None]), said
