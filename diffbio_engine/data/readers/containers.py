"""What a file or a folder is, and who opens it; several files of one kind are several samples."""

from pathlib import Path

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.readers.about_cells import is_about_cells, join_tables
from diffbio_engine.data.readers.file_types import (
    hdf5_endings,
    hdf5_type,
    layout_of,
    type_by_name,
    type_of,
    what_opens,
)
from diffbio_engine.data.readers.folders import data_files, is_mtx
from diffbio_engine.data.readers.joining import join_samples
from diffbio_engine.data.readers.mtx_folder import is_names_of_mtx, open_mtx
from diffbio_engine.data.readers.packed_text import bare_name
from diffbio_engine.data.readers.same_cells import one_of_the_same
from diffbio_engine.data.readers.samples_apart import ABOUT_CELLS, sample_word
from diffbio_engine.data.readers.samples_in_names import is_aggregation
from diffbio_engine.data.readers.tables import FILE_TYPE as TABLES
from diffbio_engine.data.readers.zarr_store import find_zarr, open_zarr
from diffbio_engine.data.reading import Reading
from diffbio_engine.errors import DataError

_TABLES = TABLES.endings
_OTHERS = {
    ".rds": "In R: SeuratDisk or sceasy write an h5ad; or write the counts with "
    "DropletUtils::write10xCounts().",
    ".rdata": "In R: write the counts with DropletUtils::write10xCounts().",
    ".h5seurat": "In R: SeuratDisk::Convert('file.h5Seurat', dest = 'h5ad').",
    ".xls": "In Excel or LibreOffice: save the sheet of counts as CSV (UTF-8).",
    ".ods": "In LibreOffice: save the sheet of counts as CSV (UTF-8).",
    ".rar": "Pack the files as a zip.",
    ".7z": "Pack the files as a zip.",
    ".bam": "Count the reads first, for instance with Cell Ranger, STARsolo or kallisto-bustools.",
    ".cloupe": "Choose filtered_feature_bc_matrix.h5 of the same run of Cell Ranger.",
    ".mtx_rows": "Choose the .mtx file together with its rows and columns.",
}


def refuse_other_kinds(path: Path) -> None:
    """Files that are known and cannot be opened here: what to do instead."""
    suffix = Path(bare_name(path)).suffix
    if suffix in _OTHERS:
        raise DataError(
            f"{path.name} is of a kind that cannot be opened here.", fix=_OTHERS[suffix]
        )


def open_file(path: Path, reading: Reading, *, with_uns: bool = True) -> Dataset:
    """A single file, by its first bytes and its name."""
    kind = type_of(path)
    if kind is None or kind.open is None:
        raise DataError(
            f"{path.name} is of a kind that cannot be opened here.",
            fix=f"Choose one of: {_known()}.",
        )
    return kind.open(path, reading, with_uns)


def _known() -> str:
    return (
        f"{what_opens()}, and folders of STARsolo, kallisto-bustools, alevin-fry, Parse or"
        " Expression Atlas"
    )


def open_folder(folder: Path, reading: Reading, name: str, *, with_uns: bool = True) -> Dataset:
    """All of a folder: matrices of text, a zarr store, or files of one kind.

    Args:
        name: What the person calls it: a zip is unpacked into a folder of another name.
    """
    stores = find_zarr(folder)
    if stores:
        if len(stores) > 1:
            raise _several(name, [str(s.relative_to(folder)) for s in stores])
        return open_zarr(stores[0], reading, name, with_uns=with_uns)
    files = [f for f in data_files(folder) if not is_aggregation(f)]
    if any(is_mtx(f) for f in files) or any(is_names_of_mtx(f) for f in files):
        return open_mtx(folder, reading, name)
    known_as_hdf5 = hdf5_endings()
    hdf5 = [f for f in files if bare_name(f).endswith(known_as_hdf5)]
    if known_kinds := [f for f in hdf5 if len(hdf5) > 1 and layout_of(f)]:
        hdf5 = known_kinds  # molecule_info.h5 lies beside the matrices of Cell Ranger
    tables = [f for f in files if bare_name(f).endswith(_TABLES)]
    sheets = [f for f in files if type_by_name(f)]
    found = hdf5 or _of_counts(tables) or _of_counts(sheets) or tables or sheets
    if not found:
        for file in files:
            refuse_other_kinds(file)
        there = ", ".join(f.name for f in files[:8]) or "nothing"
        raise DataError(
            f"{name} holds no data set; it holds {there}.", fix=f"Choose one of: {_known()}."
        )
    about = [f for f in files if f not in found and _is_about(f)]
    if len(found) == 1:
        dataset = open_file(found[0], reading, with_uns=with_uns)
        known = {*found, *join_tables(dataset, folder, about, reading)}
        others = [f.name for f in files if f not in known and not f.name.lower().startswith("read")]
        if others:
            more = ", ..." if len(others) > 5 else ""
            dataset.warnings.append(f"Not opened: {', '.join(others[:5])}{more}.")
        return dataset
    kinds = {hdf5_type(f).name for f in found} if hdf5 else {"table"}
    if kinds <= {"10x h5", "table"}:
        parts = [(n, open_file(f, reading)) for n, f in _samples(_filtered(found), folder)]
        if len(parts) == 1:
            dataset = parts[0][1]
        elif (one := one_of_the_same(parts, reading, name)) is not None:
            dataset = one
        else:
            dataset = join_samples(parts, name=name, path=folder)
        join_tables(dataset, folder, about, reading)
        left = [f.name for f in files if bare_name(f).endswith(known_as_hdf5) and f not in found]
        if left:
            more = ", ..." if len(left) > 5 else ""
            dataset.warnings.append(
                f"Not opened, because no matrix of cells: {', '.join(left[:5])}{more}."
            )
        return dataset
    raise _several(name, [str(f.relative_to(folder)) for f in found])


def _of_counts(tables: list[Path]) -> list[Path]:
    """Without those that describe cells or samples, by their names."""
    return [f for f in tables if not ABOUT_CELLS.search(bare_name(f))]


def _is_about(path: Path) -> bool:
    named = bool(ABOUT_CELLS.search(bare_name(path))) and bare_name(path).endswith(_TABLES)
    return named or is_about_cells(path)


def _filtered(files: list[Path]) -> list[Path]:
    """Without the raw file beside the filtered one of the same cells."""
    raw = {f.with_name(f.name.replace("filtered", "raw")) for f in files if "filtered" in f.name}
    return [f for f in files if f not in raw]


def _samples(files: list[Path], folder: Path) -> list[tuple[str, Path]]:
    """A name for each file: its own, or that of its folder where all are called the same."""
    names = [sample_word(f.name) for f in files]
    if len(set(names)) < len(names) or not all(names):
        places = [f.parent.relative_to(folder).parts for f in files]
        kept = [[w for w in p if w not in ("outs", "count")] for p in places]
        names = ["/".join([*k, *([n] if n else [])]) for k, n in zip(kept, names, strict=True)]
    if len(set(names)) < len(names) or not all(names):
        names = [str(f.relative_to(folder)) for f in files]
    return list(zip(names, files, strict=True))


def _several(name: str, found: list[str]) -> DataError:
    more = f" and {len(found) - 8} more" if len(found) > 8 else ""
    return DataError(
        f"{name} holds {len(found)} data sets: {', '.join(found[:8])}{more}.",
        fix="Open one of them, or join them first: anndata.concat(..., label='sample').",
    )
