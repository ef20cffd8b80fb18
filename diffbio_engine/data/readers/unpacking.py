"""Unpacks a stream of a stranger: what unpacks without end, or is damaged, is told in words."""

import io
import lzma
import zlib
from pathlib import Path
from typing import IO

from diffbio_engine.errors import DataError

# A dense table of which 3 values in 1,000 are not zero shrinks 256 times (measured), a file of one
# byte over and over 1,030 times.
MOST_UNPACKED = 500
_SMALL = 64 * 2**20


class Unpacked(io.RawIOBase):
    """The bytes of a packed file.

    Args:
        stream: Gives them, as ``gzip.open`` does.
        path: The packed file.

    Raises:
        DataError: While it is read: if it is damaged or was cut off, or once it has given more
            than 500 times the bytes of the file (and 64 MB).
    """

    def __init__(self, stream: IO[bytes], path: Path):
        self._stream, self._path, self._given = stream, path, 0
        self._most = max(_SMALL, MOST_UNPACKED * path.stat().st_size)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def,override]
        try:
            piece = self._stream.read(len(buffer))
        except (EOFError, OSError, zlib.error, lzma.LZMAError, ValueError) as error:
            raise DataError(
                f"{self._path.name} was cut off or is damaged ({error}).", fix="Copy it again."
            ) from None
        self._given += len(piece)
        if self._given > self._most:
            raise DataError(
                f"{self._path.name} has {self._path.stat().st_size / 2**20:,.1f} MB and unpacks to "
                f"more than {self._most / 2**20:,.0f} MB, {MOST_UNPACKED} times as much, which no "
                "table of counts does.",
                fix="Bring the file unpacked, or as an h5ad.",
            )
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


def unpacked(stream: IO[bytes], path: Path) -> io.BufferedReader:
    """The bytes of a packed file, to be read in any pieces."""
    return io.BufferedReader(Unpacked(stream, path), 1 << 20)
