"""Unpacks a zip of a stranger: nothing outside the folder, nothing that fills the disk."""

import errno
import lzma
import shutil
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from diffbio_engine.errors import DataError

MOST_FILES = 2_000
MOST_BYTES = 64 * 2**30
# Text of counts shrinks about tenfold; zeros shrink a thousandfold.
MOST_SHRUNK = 200
# What may be unpacked, and what of it was; nothing is counted where nobody said how much may.
_ALLOWED, _COUNTED = [MOST_BYTES], [False]
_SMALL = 64 * 2**20
_BLOCK = 2**20
_LONGEST_NAME = 240
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_BROKEN = (
    zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, OSError, ValueError,
    zlib.error, lzma.LZMAError,
)  # fmt: skip


def is_zip(path: Path) -> bool:
    """Whether it is a zip, by its first bytes or its name."""
    with path.open("rb") as file:
        return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06") or path.suffix.lower() == ".zip"


def unpack(path: Path, folder: Path, only: Collection[str] | None = None) -> Path:
    """Unpacks into ``folder``, which is made.

    Args:
        only: The members that are wanted; None: all.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [m for m in archive.infolist() if not m.is_dir() and not is_junk(m.filename)]
            wanted = [m for m in members if only is None or m.filename in only]
            _check(path, members, wanted, folder)
            for member in wanted:
                _unpack_one(archive, member, folder / member.filename)
            was_unpacked(sum(m.file_size for m in wanted))
    except DataError:
        raise
    except _BROKEN as error:
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            raise DataError(
                f"There is no room on the disk of the server to unpack {path.name}.",
                fix="Delete data sets or runs that are no longer needed.",
            ) from None
        if "encrypted" in str(error):
            raise DataError(f"{path.name} is locked.", fix="Zip it without a password.") from None
        raise DataError(
            f"{path.name} is damaged or was cut off ({error}).", fix="Zip the files again."
        ) from None
    return folder


def allow_to_unpack(n_bytes: int) -> None:
    """How much of an archive this process may unpack from now on; never more than is free."""
    _ALLOWED[0], _COUNTED[0] = n_bytes, True


def was_unpacked(n_bytes: int) -> None:
    """Of what this process may unpack, so much less is left: of several archives, all count."""
    if _COUNTED[0]:
        _ALLOWED[0] = max(0, _ALLOWED[0] - n_bytes)


def allowed_to_unpack() -> int:
    """Bytes that this process may unpack of an archive."""
    return _ALLOWED[0]


def is_junk(name: str) -> bool:
    """Whether it is a file that a system leaves beside those of a person."""
    return name.startswith("__MACOSX/") or PurePosixPath(name).name in (".DS_Store", "Thumbs.db")


def _check(
    path: Path, members: list[zipfile.ZipInfo], wanted: list[zipfile.ZipInfo], folder: Path
) -> None:
    if not members:
        raise DataError(f"{path.name} is an empty archive.", fix="Zip the folder again.")
    if len(members) > MOST_FILES:
        raise DataError(
            f"{path.name} holds {len(members):,} files.", fix=f"Zip at most {MOST_FILES:,} files."
        )
    _check_names(path, members)
    for member in members:
        check_place(path, member)
    total = sum(m.file_size for m in members)
    packed = sum(m.compress_size for m in members) or 1
    if packed > path.stat().st_size:
        raise DataError(
            f"The files in {path.name} lie over each other: it would unpack to more than it holds.",
            fix="Zip the files again.",
        )
    if total > MOST_BYTES or (total > _SMALL and total > MOST_SHRUNK * packed):
        raise DataError(
            f"{path.name} would unpack from {packed / 2**20:,.1f} MB to {total / 2**20:,.0f} MB.",
            fix="Upload the files without zipping them.",
        )
    folder.mkdir(parents=True, exist_ok=True)
    free = min(shutil.disk_usage(folder).free, allowed_to_unpack())
    if (needed := sum(m.file_size for m in wanted)) > free:
        raise DataError(
            f"{path.name} needs {needed / 2**20:,.0f} MB, but only {free / 2**20:,.0f} MB of disk "
            "are free for it.",
            fix="Free some space.",
        )


def check_place(path: Path, member: zipfile.ZipInfo) -> None:
    """Refuses a member that lies outside of its folder, is a link or has no plain name."""
    _check_names(path, [member])
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


def _check_names(path: Path, members: list[zipfile.ZipInfo]) -> None:
    """Names that a folder cannot hold, or not beside each other."""
    names = ["/".join(PurePosixPath(m.filename.replace("\\", "/")).parts) for m in members]
    odd = [n for n in names if not n or not n.isprintable()]
    if odd:
        raise DataError(
            f"{path.name} holds a file without a name, or with signs in its name that cannot be "
            f"shown ({ascii(odd[0])[:80]}).",
            fix="Give the files plain names, and zip them again.",
        )
    long = [n for n in names if any(len(p.encode()) > _LONGEST_NAME for p in n.split("/"))]
    if long or any(len(n.encode()) > 2000 for n in names):
        raise DataError(
            f"{path.name} holds a file with a name of more than {_LONGEST_NAME} letters.",
            fix="Give it a shorter name, and zip it again.",
        )
    twice = [n for n, times in Counter(names).items() if times > 1]
    folders = {str(above) for n in names for above in PurePosixPath(n).parents}
    if twice or (both := folders.intersection(names)):
        name = twice[0] if twice else min(both)
        raise DataError(
            f"{path.name} holds '{name}' twice, so it is not clear which is meant.",
            fix="Zip the files again, each once.",
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
