"""Types of files with counts, each declared beside its reader: their names, and who opens them."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import h5py

import diffbio_engine.data.readers as readers
from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.matrix.hdf5_check import looks_like, open_hdf5
from diffbio_engine.data.readers.packed_text import bare_name
from diffbio_engine.data.reading import Reading
from diffbio_engine.errors import DataError


@dataclass(frozen=True)
class FileType:
    """One type of files; a reader's file has it as ``FILE_TYPE``, and it is found there.

    Attributes:
        name: What people call it: ``"h5ad"``.
        endings: How names of such files end, in small letters; packed ones too.
        open: Opens a file: path, what a person said of it, and whether what is kept beside the
            tables is read too. ``None`` if such files are opened as a folder only, or by a kind of
            data of their own.
        inside: For HDF5, whose names say little: whether a file is laid out so.
        order: Types are asked from small to large.
        listed: Where it stands among the others in words; 0: by ``order``.
        said: The name where a person is told what can be brought.
    """

    name: str
    endings: tuple[str, ...] = ()
    open: Callable[[Path, Reading, bool], Dataset] | None = None
    inside: Callable[[h5py.File], bool] | None = None
    order: int = 50
    listed: int = 0
    said: str = ""


@cache
def file_types() -> tuple[FileType, ...]:
    """Every type, in the order in which they are asked."""
    names = [info.name for info in pkgutil.iter_modules(readers.__path__, readers.__name__ + ".")]
    modules = (importlib.import_module(name) for name in names)
    found = [m.FILE_TYPE for m in modules if isinstance(getattr(m, "FILE_TYPE", None), FileType)]
    return tuple(sorted(found, key=lambda kind: (kind.order, kind.name)))


def endings() -> tuple[str, ...]:
    """How the names of files end that can be opened."""
    return tuple(ending for kind in file_types() for ending in kind.endings)


def hdf5_endings() -> tuple[str, ...]:
    """The same of those that are laid out in HDF5."""
    return tuple(ending for kind in file_types() if kind.inside for ending in kind.endings)


def what_opens() -> str:
    """The types in words: ``"h5ad, 10x h5, ..."``."""
    listed = sorted(file_types(), key=lambda kind: kind.listed or kind.order)
    return ", ".join(kind.said or kind.name for kind in listed)


def layout_of(path: Path) -> FileType | None:
    """Which type an HDF5 file is laid out as; none if it is none that is known."""
    with open_hdf5(path) as file:
        known = (kind for kind in file_types() if kind.inside and kind.inside(file))
        return next(known, None)


def type_of(path: Path) -> FileType | None:
    """Which type a file is of, by its first bytes, its layout and its name; none: no known one.

    Raises:
        DataError: An HDF5 file that is laid out as none of them.
    """
    if bare_name(path).endswith(hdf5_endings()) or looks_like(path) == "HDF5":
        return hdf5_type(path)
    return type_by_name(path)


def type_by_name(path: Path) -> FileType | None:
    """Which type that is not HDF5 a file is of, by its name."""
    others = (kind for kind in file_types() if kind.open and not kind.inside)
    return next((kind for kind in others if bare_name(path).endswith(kind.endings)), None)


def hdf5_type(path: Path) -> FileType:
    """Which type an HDF5 file is of; a ``DataError`` says what it holds if it is none."""
    if kind := layout_of(path):
        return kind
    with open_hdf5(path) as file:
        there = ", ".join(list(file)[:10]) or "nothing"
    raise DataError(
        f"{path.name} is neither an h5ad nor a 10x file; it holds {there}.",
        fix="Choose an h5ad file or filtered_feature_bc_matrix.h5.",
    )
