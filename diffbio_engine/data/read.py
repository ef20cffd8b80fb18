"""Any file that people bring: looked at without reading it whole, or opened as a data set."""

import tempfile
import weakref
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pandas as pd
import scipy.sparse as sp

from diffbio_engine.data.archives import member_names, unpack
from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.h5ad import is_h5ad, open_h5ad
from diffbio_engine.data.hdf5_check import looks_like, open_hdf5
from diffbio_engine.data.matrices import InMemory
from diffbio_engine.data.matrix_look import judge
from diffbio_engine.data.preview import Preview, preview_of
from diffbio_engine.data.reading import ALL_FEATURES, Reading
from diffbio_engine.data.suggestions import suggest_fields
from diffbio_engine.data.tables import (
    GENES_IN_ROWS,
    open_table,
    orientation_choice,
    orientation_warning,
    sample_table,
    sketch_table,
)
from diffbio_engine.data.tenx import (
    GENES,
    find_mtx,
    folder_of_mtx,
    is_names_of_mtx,
    is_tenx_h5,
    mtx_tables,
    open_mtx,
    open_tenx_h5,
    sample_mtx,
)
from diffbio_engine.errors import DataError

_TABLES = (".csv", ".tsv", ".txt")
_KNOWN = "h5ad, 10x h5, a 10x folder (or a zip of it), csv and tsv"


def inspect(
    path: str | Path,
    *,
    orientation: str | None = None,
    genome: str | None = None,
    features: str | None = GENES,
    separator: str | None = None,
    sheet: str | None = None,
    part: str | None = None,
) -> Preview:
    """What a file holds, from its headers, its tables and a sample of its values.

    The arguments are those of ``read``; ``Preview.choices`` says what was taken and what else
    can be. Cost: the tables of cells and genes, and about 500 rows of each matrix.
    """
    reading = _reading(orientation, genome, features, separator, sheet, part)
    with ExitStack() as stack:
        preview = _open(Path(path), _looks(reading), stack)
    return replace(preview, path=str(path), suggested=dict(suggest_fields(preview)))


def read(
    path: str | Path,
    *,
    orientation: str | None = None,
    genome: str | None = None,
    features: str | None = GENES,
    separator: str | None = None,
    sheet: str | None = None,
    part: str | None = None,
    unpack_to: str | Path | None = None,
) -> Dataset:
    """Opens a data set. Matrices of HDF5 files stay on disk until they are asked for.

    Args:
        path: h5ad, 10x h5, a 10x folder, a zip of one of these, csv or tsv (``.gz`` too).
        orientation: ``"cells in rows"`` or ``"genes in rows"`` of a table; None: by its names.
        genome: Which genome of a 10x file that holds several; None: the one with most counts.
        features: Which features of a 10x file; None or ``"all"``: all.
        separator: What stands between the columns of a table: ``"comma"``, ``"tab"``,
            ``"semicolon"``, ``"space"`` or ``"bar"``; None: by its first lines.
        sheet: Which sheet of a workbook; None: the first that holds a table.
        part: Which matrix of a folder that holds several of the same cells.
        unpack_to: Where to unpack a zip; None: a folder that lives as long as the data set.
    """
    reading = _reading(orientation, genome, features, separator, sheet, part)
    stack = ExitStack()
    try:
        dataset = _open(Path(path), _openers(reading), stack, unpack_to)
    except BaseException:
        stack.close()
        raise
    # An h5ad that came in a zip is still read from its unpacked copy.
    weakref.finalize(dataset, stack.close)
    return dataset


def _reading(
    orientation: str | None,
    genome: str | None,
    features: str | None,
    separator: str | None,
    sheet: str | None,
    part: str | None,
) -> Reading:
    wanted = {None: ALL_FEATURES, GENES: ""}.get(features, features)
    return Reading(
        orientation or "", genome or "", wanted or "", separator or "", sheet or "", part or ""
    )


def _openers(reading: Reading) -> dict[str, Callable[[Path], Dataset]]:
    return {
        "h5ad": open_h5ad,
        "10x h5": lambda p: open_tenx_h5(p, reading.features or GENES),
        "10x folder": lambda p: open_mtx(p, reading.features or GENES, p.name),
        "table": lambda p: open_table(p, reading.orientation or None),
    }


def _open[T](
    path: Path,
    openers: dict[str, Callable[[Path], T]],
    stack: ExitStack,
    unpack_to: str | Path | None = None,
) -> T:
    if not path.exists():
        raise DataError(f"There is no file {path}.", fix="Check the name and the folder.")
    if path.is_dir():
        return openers["10x folder"](path)
    if path.stat().st_size == 0:
        raise DataError(f"{path.name} is empty (0 bytes).", fix="Upload or copy the file again.")
    suffix = _suffix(path)
    if _is_zip(path):
        folder = unpack_to or stack.enter_context(tempfile.TemporaryDirectory(prefix="diffbio-"))
        return _open_zip(path, Path(folder), openers)
    if suffix in (".h5ad", ".h5", ".hdf5") or looks_like(path) == "HDF5":
        return openers[_hdf5_kind(path)](path)
    if suffix == ".mtx" or is_names_of_mtx(path):
        return openers["10x folder"](folder_of_mtx(path))
    if suffix in _TABLES:
        return openers["table"](path)
    hint = {
        ".rds": "In R: SeuratDisk or sceasy write an h5ad; or write the counts with "
        "DropletUtils::write10xCounts().",
        ".loom": "In Python: scanpy.read_loom(file).write_h5ad('new.h5ad').",
        ".zarr": "In Python: anndata.read_zarr(file).write_h5ad('new.h5ad').",
    }.get(suffix, f"Choose one of: {_KNOWN}.")
    raise DataError(f"{path.name} is of a kind that cannot be opened here.", fix=hint)


def _suffix(path: Path) -> str:
    return Path(path.name.lower().removesuffix(".gz")).suffix


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06") or _suffix(path) == ".zip"


def _hdf5_kind(path: Path) -> str:
    with open_hdf5(path) as file:
        if is_h5ad(file):
            return "h5ad"
        if is_tenx_h5(file):
            return "10x h5"
        there = ", ".join(list(file)[:10]) or "nothing"
    raise DataError(
        f"{path.name} is neither an h5ad nor a 10x file; it holds {there}.",
        fix="Choose an h5ad file or filtered_feature_bc_matrix.h5.",
    )


def _open_zip[T](path: Path, folder: Path, openers: dict[str, Callable[[Path], T]]) -> T:
    names = member_names(path)
    single = [n for n in names if n.lower().endswith((".h5ad", ".h5", *_TABLES, ".csv.gz"))]
    has_matrix = any(n.lower().endswith((".mtx", ".mtx.gz")) for n in names)
    inside = unpack(path, folder)
    if has_matrix:
        return openers["10x folder"](inside)
    if len(single) != 1:
        raise DataError(
            f"{path.name} holds {len(names)} files, and it is not clear which is the data set "
            f"({', '.join(names[:5])}).",
            fix="Zip one 10x folder, or one file.",
        )
    file = inside / single[0]
    if _suffix(file) in _TABLES:
        return openers["table"](file)
    return openers[_hdf5_kind(file)](file)


def _look_at_mtx(folder: Path) -> Preview:
    obs, var, n_entries = mtx_tables(find_mtx(folder))
    values, looked = sample_mtx(folder)
    shape = (len(obs), len(var))
    empty = InMemory(sp.csr_matrix(shape))
    matrix = judge("X", values, "Matrix Market", shape, looked, whole_rows=False)
    # The sample holds no zeros, as the file writes none; their share follows from the header.
    zeros = 1 - n_entries / max(shape[0] * shape[1], 1)
    matrix = replace(matrix, zeros=zeros, smallest=min(0.0, matrix.smallest))
    dataset = Dataset(
        name=folder.name, kind="10x folder", obs=obs, var=var, matrices={"X": empty}, path=folder
    )
    others = int((var["feature_types"] != GENES).sum()) if "feature_types" in var else 0
    if others:
        dataset.warnings.append(f"{others:,} features that are not genes will be left out.")
    return preview_of(dataset, matrices=(matrix,))


def _look_at_table(path: Path, orientation: str | None) -> Preview:
    sketch = sketch_table(path, orientation)
    numbers, words = sample_table(path, sketch)
    columns = list(numbers.columns)
    if sketch.orientation == GENES_IN_ROWS:
        cells, genes, obs = columns, sketch.rows, pd.DataFrame(index=columns)
    else:
        cells, genes = sketch.rows, columns
        obs = _stretched(words, cells)
    shape = (len(cells), len(genes))
    looked = f"the first {len(numbers):,} of {len(sketch.rows):,} rows looked at"
    sample = sp.csr_matrix(numbers.to_numpy("float32"))
    dataset = Dataset(
        name=path.name,
        kind="table of text",
        obs=obs,
        var=pd.DataFrame(index=pd.Index(genes, dtype=object)),
        matrices={"X": InMemory(sp.csr_matrix(shape))},
        warnings=(orientation_warning(sketch),),
        path=path,
        choices=(orientation_choice(sketch),),
    )
    whole = sketch.orientation != GENES_IN_ROWS
    return preview_of(
        dataset, matrices=(judge("X", sample, "text", shape, looked, whole_rows=whole),)
    )


def _stretched(words: pd.DataFrame, cells: list[str]) -> pd.DataFrame:
    """Labels are known for the first rows only; the rest count as missing here."""
    rest = len(cells) - len(words)
    return pd.DataFrame({c: [*words[c], *[None] * rest] for c in words.columns}, index=cells)


def _looks(reading: Reading) -> dict[str, Callable[[Path], Preview]]:
    return {
        "h5ad": lambda p: preview_of(open_h5ad(p, with_uns=False)),
        "10x h5": lambda p: preview_of(_openers(reading)["10x h5"](p)),
        "10x folder": _look_at_mtx,
        "table": lambda p: _look_at_table(p, reading.orientation or None),
    }
