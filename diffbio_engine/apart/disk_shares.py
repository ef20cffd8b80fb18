"""How much of the free disk a reader may unpack to: a person's readers count together."""

import contextlib
import os
import threading
from dataclasses import dataclass
from pathlib import Path

from diffbio_engine.data.readers.archives import MOST_BYTES

_SMALL_ARCHIVE = 16 << 20


@dataclass
class _Share:
    person: str
    granted: int
    unpacks: bool = True  # whether it may still write; then all of what it was granted counts


class DiskShares:
    """What readers were granted, by the folder into which they unpack.

    Of ``f`` free bytes a person's readers hold ``f / 2`` at most, together; one that comes while
    others are open gets half of what is left of that, so the first gets ``f / 4``. What others were
    granted and have not written yet is not free. A small archive can always be looked at.
    """

    def __init__(self) -> None:
        self._guard, self._shares = threading.Lock(), dict[str, _Share]()

    def grant(self, person: str, folder: str, room: int) -> int:
        """Bytes that a new reader may unpack.

        Args:
            person: Whose file it reads.
            folder: Into which it unpacks; once that is gone its share is, too.
            room: Bytes of the disk that nobody was promised.
        """
        with self._guard:
            self._shares = {f: s for f, s in self._shares.items() if os.path.isdir(f)}
            written = {f: _size(f) for f in self._shares}
            to_come = sum(
                max(s.granted - written[f], 0) for f, s in self._shares.items() if s.unpacks
            )
            mine = sum(
                max(s.granted, written[f]) if s.unpacks else written[f]
                for f, s in self._shares.items()
                if s.person == person
            )
            whole = (max(room - to_come, 0) + mine) // 2
            granted = min(max((whole - mine) // 2, _SMALL_ARCHIVE), MOST_BYTES)
            self._shares[folder] = _Share(person, granted)
            return granted

    def settle(self, folder: str) -> None:
        """The reader has unpacked its file: from now on only what lies there counts."""
        with self._guard:
            if folder in self._shares:
                self._shares[folder].unpacks = False


def _size(folder: str) -> int:
    total = 0
    with contextlib.suppress(OSError):
        for here, _, names in os.walk(folder):
            for name in names:
                with contextlib.suppress(OSError):
                    total += Path(here, name).lstat().st_size
    return total
