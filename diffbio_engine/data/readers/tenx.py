"""Reads the HDF5 files that 10x Genomics and programs after it write."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.matrix.hdf5_check import open_hdf5
from diffbio_engine.data.matrix.hdf5_elements import read_dataset
from diffbio_engine.data.matrix.matrices import Matrix, OnDisk
from diffbio_engine.data.readers.feature_kinds import kept_features
from diffbio_engine.data.readers.file_types import FileType
from diffbio_engine.data.readers.tenx_shapes import check_tenx_shapes
from diffbio_engine.data.reading import ALL_FEATURES, Choice, Reading
from diffbio_engine.errors import DataError, did_you_mean

_AGAIN = "Copy the file again."


def is_tenx_h5(file: h5py.File) -> bool:
    """Whether an HDF5 file is a 10x feature-barcode matrix."""
    return bool(_groups(file))


def _groups(file: h5py.File) -> list[str]:
    parts = {"barcodes", "data", "indices", "indptr", "shape"}
    return [g for g in file if isinstance(file[g], h5py.Group) and parts <= set(file[g])]


def open_tenx_h5(path: Path, reading: Reading) -> Dataset:
    """Version 3 (``matrix/features``) or 2 (one group per genome); genes only unless asked."""
    with open_hdf5(path) as file:
        groups = _groups(file)
        if not groups:
            raise DataError(f"{path.name} is not a 10x matrix.", fix="Choose the filtered h5 file.")
        for name in groups:
            check_tenx_shapes(file[name], path.name)
        sizes = {g: int(file[g]["data"].shape[0]) for g in groups}
        group, said, choices = _genome(sizes, reading.genome)
        try:
            var = _tenx_var(file[group])
            barcodes = [str(b) for b in np.atleast_1d(read_dataset(file[group]["barcodes"]))]
            shape = np.asarray(file[group]["shape"][()]).ravel()
            n_genes, n_cells = (int(n) for n in shape)
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(
                f"{path.name} is laid out like a 10x file, but its features cannot be read "
                f"({error}).",
                fix=_AGAIN,
            ) from None
    if (len(barcodes), len(var)) != (n_cells, n_genes):
        raise DataError(
            f"{path.name} says {n_cells:,} cells and {n_genes:,} features, but names "
            f"{len(barcodes):,} and {len(var):,}.",
            fix=_AGAIN,
        )
    kept, left, of_features = kept_features(var, reading.features)
    kept, of_genomes, choice = _kept_genomes(var, kept, reading.genome)
    columns = None if len(kept) == len(var) else kept
    matrix: Matrix = OnDisk(path, group, columns=columns, sideways=True)
    return Dataset(
        name=path.name,
        kind="10x h5",
        obs=pd.DataFrame(index=pd.Index(barcodes, dtype=object)),
        var=var.iloc[kept],
        matrices={"X": matrix},
        warnings=(*said, *left, *of_genomes),
        path=path,
        choices=(*choices, *of_features, *choice),
    )


def _genome(sizes: dict[str, int], wanted: str) -> tuple[str, list[str], tuple[Choice, ...]]:
    """Which group of a version 2 file: the one with most values, unless a person says."""
    groups = sorted(sizes, key=lambda g: (-sizes[g], g))
    if len(groups) == 1:
        return groups[0], [], ()
    if wanted and wanted not in groups:
        raise DataError(
            f"There is no genome '{wanted}'; there are {', '.join(groups)}.",
            fix=did_you_mean(wanted, groups) or "Choose one of these.",
            where="genome",
        )
    taken = wanted or groups[0]
    rest = ", ".join(f"{g} ({sizes[g]:,} values)" for g in groups if g != taken)
    possible = tuple((g, f"{g} ({sizes[g]:,} values)") for g in groups)
    why = "" if wanted else "it holds the most values"
    said = f"Genome {taken} ({sizes[taken]:,} values) is used; {rest} left out."
    return taken, [said], (Choice("genome", "Genome", taken, possible, why),)


def _tenx_var(group: h5py.Group) -> pd.DataFrame:
    columns: dict[str, Any] = {}
    if "features" in group:
        inside = group["features"]
        names = inside["name"] if "name" in inside else inside["id"]
        ids = inside.get("id", names)
        for column, key in (("feature_types", "feature_type"), ("genome", "genome")):
            if key in inside:
                columns[column] = inside[key]
    else:
        ids = group["genes"]
        names = group.get("gene_names", ids)
    table = {k: read_dataset(v) for k, v in {"gene_ids": ids, **columns}.items()}
    index = pd.Index([str(n) for n in np.atleast_1d(read_dataset(names))], dtype=object)
    return pd.DataFrame(table, index=index)


def _kept_genomes(
    var: pd.DataFrame, kept: np.ndarray, wanted: str
) -> tuple[np.ndarray, list[str], tuple[Choice, ...]]:
    """Genes of several genomes in one matrix (version 3): all are kept unless a person says."""
    genomes = var["genome"].iloc[kept].astype(str) if "genome" in var else pd.Series(dtype=str)
    counts = genomes[genomes != ""].value_counts()
    if len(counts) < 2:
        return kept, [], ()
    kinds = [str(k) for k in counts.index]
    taken = wanted or ALL_FEATURES
    if taken != ALL_FEATURES and taken not in kinds:
        raise DataError(
            f"There is no genome '{wanted}'; there are {', '.join(kinds)}.",
            fix=did_you_mean(wanted, kinds) or "Choose one of these.",
            where="genome",
        )
    possible = tuple((k, f"{k} ({counts[k]:,} genes)") for k in kinds)
    choice = Choice(
        "genome", "Genome", taken, ((ALL_FEATURES, "all of them"), *possible),
        "" if wanted else "one matrix holds all of them",
    )  # fmt: skip
    if taken == ALL_FEATURES:
        held = ", ".join(f"{k} ({n:,})" for k, n in counts.items())
        return kept, [f"The genes are of several genomes: {held}; all are kept."], (choice,)
    mine = kept[(genomes == taken).to_numpy()]
    return mine, [f"{len(kept) - len(mine):,} genes of other genomes were left out."], (choice,)


FILE_TYPE = FileType(
    "10x h5",
    (".h5", ".hdf5"),
    lambda path, reading, with_uns: open_tenx_h5(path, reading),
    is_tenx_h5,
    order=20,
)
