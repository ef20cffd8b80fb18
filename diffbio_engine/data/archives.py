"""Unpacks a zip of a stranger: nothing outside the folder, nothing that fills the disk."""

import shutil
import stat
import zipfile
from pathlib import Path, PurePosixPath

from diffbio_engine.errors import DataError

MOST_FILES = 2_000
MOST_BYTES = 64 * 2**30
# Text of counts shrinks about tenfold; zeros shrink a thousandfold.
MOST_SHRUNK = 200
_SMALL = 64 * 2**20
_BLOCK = 2**20


def unpack(path: Path, folder: Path) -> Path:
    """Unpacks into ``folder``, which is made."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [m for m in archive.infolist() if not m.is_dir() and not _junk(m.filename)]
            _check(path, members, folder)
            for member in members:
                _unpack_one(archive, member, folder / member.filename)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        if isinstance(error, DataError):
            raise
        if "encrypted" in str(error):
            raise DataError(f"{path.name} is locked.", fix="Zip it without a password.") from None
        raise DataError(
            f"{path.name} is damaged or was cut off ({error}).", fix="Zip the files again."
        ) from None
    return folder


def _junk(name: str) -> bool:
    return name.startswith("__MACOSX/") or PurePosixPath(name).name in (".DS_Store", "Thumbs.db")


def _check(path: Path, members: list[zipfile.ZipInfo], folder: Path) -> None:
    if not members:
        raise DataError(f"{path.name} is an empty archive.", fix="Zip the folder again.")
    if len(members) > MOST_FILES:
        raise DataError(
            f"{path.name} holds {len(members):,} files.", fix=f"Zip at most {MOST_FILES:,} files."
        )
    for member in members:
        name = PurePosixPath(member.filename.replace("\\", "/"))
        outside = name.is_absolute() or ".." in name.parts or ":" in name.parts[0]
        if outside or "\x00" in member.filename:
            raise DataError(
                f"{path.name} would write outside its folder ({member.filename}).",
                fix="Zip the folder again, without paths that go up.",
            )
        if stat.S_ISLNK(member.external_attr >> 16):
            raise DataError(
                f"{path.name} holds a link ({member.filename}).", fix="Zip the files themselves."
            )
    total = sum(m.file_size for m in members)
    packed = sum(m.compress_size for m in members) or 1
    if total > MOST_BYTES or (total > _SMALL and total > MOST_SHRUNK * packed):
        raise DataError(
            f"{path.name} would unpack from {packed / 2**20:,.1f} MB to {total / 2**20:,.0f} MB.",
            fix="Upload the files without zipping them.",
        )
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if total > free:
        raise DataError(
            f"{path.name} needs {total / 2**20:,.0f} MB, but only {free / 2**20:,.0f} MB of disk "
            "are free.",
            fix="Free some space.",
        )


def _unpack_one(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with archive.open(member) as source, target.open("wb") as out:
        while block := source.read(_BLOCK):
            written += len(block)
            # The size in the directory of a zip is only a claim.
            if written > member.file_size:
                raise DataError(f"{member.filename} is larger than the archive says.")
            out.write(block)
