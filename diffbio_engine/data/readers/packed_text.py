"""Opens text as people have it: packed or not, in the letters of Unix, Windows or Excel."""

import bz2
import codecs
import gzip
import io
import lzma
from pathlib import Path
from typing import IO, Any, cast

from diffbio_engine.data.readers.unpacking import unpacked
from diffbio_engine.errors import DataError

PACKINGS = (".gz", ".bz2", ".xz")
_UNPACK: tuple[tuple[bytes, Any], ...] = (
    (b"\x1f\x8b", gzip.open),
    (b"BZh", bz2.open),
    (b"\xfd7zXZ\x00", lzma.open),
)
# What damaged or cut off packed files raise.
BROKEN = (EOFError, OSError, lzma.LZMAError, ValueError)


def bare_name(path: Path | str) -> str:
    """The name in small letters, without the ending of its packing."""
    name = Path(path).name.lower()
    for ending in PACKINGS:
        name = name.removesuffix(ending)
    return name


def open_bytes(path: Path) -> IO[bytes]:
    """The bytes of a file, unpacked where it is packed (by its first bytes, not by its name)."""
    with path.open("rb") as file:
        start = file.read(6)
    for sign, unpack in _UNPACK:
        if start.startswith(sign):
            return cast(IO[bytes], unpacked(unpack(path, "rb"), path))
    return path.open("rb")


def open_text(path: Path) -> IO[str]:
    """The text of a file: UTF-8 or UTF-16, and single letters of Windows-1252 among UTF-8."""
    with open_bytes(path) as file:
        start = file.read(4096)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif b"\x00" in start:
        raise DataError(
            f"{path.name} is not a table of text.", fix="Choose a csv or tsv, or save it as one."
        )
    else:
        encoding = "utf-8-sig"
    return io.TextIOWrapper(open_bytes(path), encoding=encoding, errors="diffbio-windows")


def _as_windows(error: UnicodeError) -> tuple[str, int]:
    """A byte that is no UTF-8 is a letter of Windows' own, as old exports of Excel have it."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    wrong = error.object[error.start : error.end]
    return wrong.decode("cp1252", "replace"), error.end


codecs.register_error("diffbio-windows", _as_windows)
