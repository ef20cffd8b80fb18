"""Unpacks a tar (GEO's ``GSE..._RAW.tar``, ``.tar.gz``) of a stranger, as archives.py a zip."""

import shutil
import tarfile
import zipfile
from collections.abc import Collection
from pathlib import Path

from diffbio_engine.data.readers.archives import (
    MOST_FILES,
    allowed_to_unpack,
    check_place,
    is_junk,
    was_unpacked,
)
from diffbio_engine.data.readers.packed_text import BROKEN, bare_name, open_bytes
from diffbio_engine.errors import DataError

TARS = (".tar", ".tgz", ".tbz2", ".txz")
_BLOCK = 2**20
_BY_HAND = "Unpack it yourself, and choose the folder."


def is_tar(path: Path) -> bool:
    """Whether it is a tar, packed or not, by its name."""
    return bare_name(path).endswith(TARS)


def unpack_tar(path: Path, folder: Path, only: Collection[str] | None = None) -> Path:
    """Unpacks into ``folder``, member by member: plain files only, nothing outside of it.

    Args:
        only: The members that are wanted; None: all.
    """
    folder.mkdir(parents=True, exist_ok=True)
    n_files = n_bytes = 0
    try:
        with open_bytes(path) as file, tarfile.open(fileobj=file, mode="r|") as archive:
            for member in archive:
                if member.isdir() or is_junk(member.name):
                    continue
                wanted = only is None or member.name in only
                n_files, n_bytes = n_files + 1, n_bytes + wanted * member.size
                _check(path, member, n_files, n_bytes, folder)
                if not wanted:
                    continue
                source = archive.extractfile(member)
                target = folder / member.name
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("xb") as out:
                    while source is not None and (block := source.read(_BLOCK)):
                        out.write(block)
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise DataError(
            f"{path.name} holds a file twice, so it is not clear which is meant.", fix=_BY_HAND
        ) from None
    except (tarfile.TarError, *BROKEN) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"{path.name} is damaged or was cut off ({error}).", fix="Copy it again."
        ) from None
    if not n_files:
        raise DataError(f"{path.name} is an empty archive.", fix="Pack the folder again.")
    was_unpacked(n_bytes)
    return folder


def _check(path: Path, member: tarfile.TarInfo, n_files: int, n_bytes: int, folder: Path) -> None:
    if not member.isreg() or member.issparse():
        raise DataError(
            f"{path.name} holds a link or another special file ({member.name[:80]}).", fix=_BY_HAND
        )
    check_place(path, zipfile.ZipInfo(member.name or "?"))
    if n_files > MOST_FILES:
        raise DataError(f"{path.name} holds more than {MOST_FILES:,} files.", fix=_BY_HAND)
    free = shutil.disk_usage(folder).free
    if n_bytes > allowed_to_unpack() or member.size > free:
        raise DataError(
            f"{path.name} would unpack to {n_bytes / 2**20:,.0f} MB or more, and "
            f"{free / 2**20:,.0f} MB of disk are free; at most "
            f"{allowed_to_unpack() / 2**20:,.0f} MB may be unpacked here now.",
            fix="Choose fewer files, or free some space.",
        )
