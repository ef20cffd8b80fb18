"""The page's side: asks readers about files, a few for each person, and outlives what they meet."""

import contextlib
import json
import os
import shutil
import tempfile
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from diffbio_engine.apart.checked import checked_preview
from diffbio_engine.apart.disk_shares import DiskShares
from diffbio_engine.apart.limits import Limits, limits_for
from diffbio_engine.apart.nursery_line import COMMAND, NurseryLine
from diffbio_engine.apart.opened import LetGoError, Opened, whose
from diffbio_engine.apart.reader import Reader
from diffbio_engine.apart.samples import SamplesApart
from diffbio_engine.apart.stop import Stop
from diffbio_engine.apart.turns import Turns
from diffbio_engine.data.readers.archives import MOST_BYTES
from diffbio_engine.errors import DataError

# Readers without work: of one person's files, and of everybody's.
_KEPT_EACH, _KEPT_OPEN = 4, 12
_IDLE_SECONDS = 900.0


class Readers:
    """Reads files in processes of their own.

    Args:
        most: How many files are looked at at the same time; by default one for each processor,
            at least 3.
        per_person: How many of these for one person; the person's further ones wait.
        scratch: Where zips are unpacked for a look; by default the system's temporary folder.
        command: How the nursery is started.
        limits: What reading a file may take.
    """

    def __init__(
        self,
        *,
        most: int | None = None,
        per_person: int = 2,
        scratch: Path | None = None,
        command: tuple[str, ...] = COMMAND,
        limits: Callable[[Path], Limits] = limits_for,
    ):
        most = most or max(3, os.cpu_count() or 1)
        # Whoever looks at a file need not wait for those who colour their maps, nor they for him.
        self.turns, self._openings = Turns(most, per_person), Turns(most, per_person)
        self.scratch, self._nursery, self._limits = scratch, NurseryLine(command), limits
        self._opening, self._shares = threading.Lock(), DiskShares()
        self._open: OrderedDict[tuple[Any, ...], Opened] = OrderedDict()
        self._over = False
        # Bytes of the disk that nobody was promised; None where that is not known.
        self.room: Callable[[], int] | None = None

    def begin(self) -> None:
        """Starts the nursery, so that the first look need not wait for its imports."""
        self._nursery.begin()

    def inspect(
        self, path: str | Path, person: str = "", *, stop: Stop | None = None, **options: Any
    ) -> dict[str, Any]:
        """What a file holds: `diffbio_engine.data.inspect(path, **options).as_dict()`.

        Args:
            path: The file or folder.
            person: Whose turn it is.
            stop: Ends the look when it is set.
            options: As `inspect` takes them.

        Raises:
            DataError: If the file is wrong, takes too much or too long, or breaks its reader.
            StoppedError: If it was stopped.
        """
        stop = stop or Stop()
        with (
            self.turns.turn(person or str(path), stop),
            self.one(Path(path), stop) as reader,
        ):
            found, _ = reader.ask("inspect", path=str(path), options=options)
        return checked_preview(found, Path(path).name)

    @contextlib.contextmanager
    def one(
        self, path: Path, stop: Stop, *, limits: Limits | None = None, name: str = ""
    ) -> Iterator[Reader]:
        """A reader for one question, which ends when it is answered or stopped.

        Args:
            limits: What it may take; by default as for any file.
            name: What it reads, for sentences; by default the name of the file.
        """
        scratch = self._folder()
        try:
            reader = self._born(path, scratch, patient=True, limits=limits, name=name)
            try:
                stop.then(reader.cancel)
                yield reader
            except DataError:
                stop.check()
                raise
            finally:
                reader.end()
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def limits_of(self, path: Path) -> Limits:
        """What reading a file may take."""
        return self._limits(path)

    @property
    def samples(self) -> SamplesApart:
        """Questions about several files, a sample each."""
        return SamplesApart(self)

    def opened(self, path: str | Path, **options: Any) -> "Opened":
        """The file, opened in a reader that is kept while somebody asks on.

        The last few of each person are; one that is at work is never ended for others.
        """
        path = Path(path)
        key = (str(path), _stamp(path), json.dumps(options, sort_keys=True))
        with self._opening:
            self._let_go()
            found = self._open.get(key)
            if found is None or found.is_gone:
                found = self._open[key] = self._opened(path, options)
            self._open.move_to_end(key)
            found.hand_out()
            self._let_go()
        return found

    def close(self) -> None:
        """Ends all readers."""
        with self._opening:
            self._over = True
            for opened in self._open.values():
                opened.close()
            self._open.clear()
        self._nursery.close()

    def _let_go(self) -> None:
        """Ends those that were not asked for long, and the oldest where there are too many."""
        each: Counter[str] = Counter()
        for number, (key, opened) in enumerate(reversed(list(self._open.items()))):
            each[opened.person] += 1
            idle = time.monotonic() - opened.asked > _IDLE_SECONDS
            if idle or number >= _KEPT_OPEN or each[opened.person] > _KEPT_EACH:
                opened.let_go()
            if opened.is_gone:
                del self._open[key]

    def _tidy(self) -> None:
        with self._opening:
            self._let_go()

    def _opened(self, path: Path, options: dict[str, Any]) -> Opened:
        def born(file: Path, scratch: str) -> Reader:
            return self._born(file, scratch, patient=False)

        def again() -> Opened:
            if self._over:
                raise LetGoError(f"{path.name} was closed.", fix="Ask again.")
            return self.opened(path, **options)

        return Opened(
            path,
            options,
            born=born,
            folder=self._folder,
            unpacked=self._shares.settle,
            turns=self._openings,
            again=again,
            answered=self._tidy,
        )

    def _born(
        self,
        path: Path,
        scratch: str,
        *,
        patient: bool,
        limits: Limits | None = None,
        name: str = "",
    ) -> Reader:
        most = MOST_BYTES
        if self.room is not None:
            most = self._shares.grant(whose(path), scratch, self.room())
        return Reader.born(
            self._nursery, path, scratch, patient=patient, unpacked=most, name=name,
            limits=self._limits if limits is None else lambda _path: limits,
        )  # fmt: skip

    def _folder(self) -> str:
        """A new folder for one reader."""
        if self.scratch is not None:
            self.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        return tempfile.mkdtemp(prefix=f"reader-{os.getpid()}-", dir=self.scratch)


def _stamp(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


def clear_left_behind(scratch: Path) -> None:
    """Removes what readers of servers that are gone left in the scratch folder."""
    for folder in scratch.glob("reader-*"):
        pid = folder.name.split("-")[1]
        if not (pid.isdigit() and Path(f"/proc/{pid}").exists()):
            shutil.rmtree(folder, ignore_errors=True)
