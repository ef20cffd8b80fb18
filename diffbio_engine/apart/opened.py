"""A file that stays opened in a reader while somebody asks on."""

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from diffbio_engine.apart.reader import AGAIN, Reader
from diffbio_engine.apart.turns import Turns
from diffbio_engine.errors import DataError

_SECONDS_TO_ASK = 10.0


class LetGoError(DataError):
    """The reader was let go of before the question came to it; the file has no part in it."""


class Opened:
    """A file that stays opened in a reader; one question at a time.

    Args:
        path: The file.
        options: How it is read.
        born: Makes the reader of a file, with a folder of its own.
        folder: Makes that folder.
        turns: Who may open a file now.
        again: The same file opened anew, where this one was let go of before it was asked.
        answered: Called after each question.
        unpacked: Told the folder, once the file is open: nothing more is unpacked into it.
    """

    def __init__(
        self,
        path: Path,
        options: dict[str, Any],
        *,
        born: Callable[[Path, str], Reader],
        folder: Callable[[], str],
        turns: Turns,
        again: Callable[[], "Opened"] | None = None,
        answered: Callable[[], None] = lambda: None,
        unpacked: Callable[[str], None] = lambda folder: None,
    ):
        self.path, self._options = path, options
        self._born, self._folder, self._turns = born, folder, turns
        self._again, self._answered, self._unpacked = again, answered, unpacked
        self.person = whose(path)
        self._lock = threading.Lock()
        self._scratch = ""
        self._process: Reader | None = None
        self._closed = False
        self.asked = self._handed_out = time.monotonic()
        self._n_cells = 0

    def hand_out(self) -> "Opened":
        """Itself, which somebody is about to ask: it is not let go of meanwhile."""
        self.asked = self._handed_out = time.monotonic()
        return self

    def ask(self, question: str, **told: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """An answer of `questions.Reader`; arrays of one value for each cell are checked."""
        try:
            return self._ask(question, told)
        except LetGoError:
            if self._again is None:
                raise
            return self._again()._ask(question, told)
        finally:
            self._answered()

    def _ask(
        self, question: str, told: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        with self._lock:
            self._handed_out = float("-inf")
            process = self._opened()
            try:
                content, arrays = process.ask(question, **told)
            finally:
                self.asked = time.monotonic()
                if process.is_gone:
                    self.close()
        if any(len(array) != self._n_cells for array in arrays.values()):
            self.close()
            raise DataError(
                f"{self.path.name} could not be read: its reader gave values of other cells.",
                fix=AGAIN,
            )
        return content, arrays

    @property
    def n_cells(self) -> int:
        """How many cells the file holds."""
        with self._lock:
            self._opened()
        return self._n_cells

    def _opened(self) -> Reader:
        self.asked = time.monotonic()
        self._check_kept()
        if self._process is None:
            self._open()
        self._check_kept()
        assert self._process is not None, "it was opened, or an error was raised"
        return self._process

    def _check_kept(self) -> None:
        if self._closed:
            raise LetGoError(f"{self.path.name} was closed.", fix="Ask again.")

    def _open(self) -> None:
        with self._turns.turn(self.person):
            self._check_kept()  # the turn may have been long in coming
            self._scratch = self._folder()
            try:
                self._process = self._born(self.path, self._scratch)
                self._check_kept()
                told = {"path": str(self.path), "options": self._options}
                self._n_cells = int(self._process.ask("open", **told)[0].get("n_cells", 0))
                self._unpacked(self._scratch)
            except BaseException:
                self.close()
                raise

    @property
    def is_gone(self) -> bool:
        return self._closed

    def let_go(self) -> bool:
        """Ends the reader unless it is at work or is about to be; whether it is ended."""
        about_to_be = time.monotonic() - self._handed_out < _SECONDS_TO_ASK
        if about_to_be or not self._lock.acquire(blocking=False):
            return self._closed
        try:
            self.close()
        finally:
            self._lock.release()
        return True

    def close(self) -> None:
        """Ends the reader."""
        self._closed = True
        if self._process is not None:
            self._process.end()
        if self._scratch:
            shutil.rmtree(self._scratch, ignore_errors=True)


def whose(path: Path) -> str:
    """Whose turn it is: the person's, in whose folder of uploads a file lies."""
    parts = path.parts
    at = parts.index("owners") if "owners" in parts[:-1] else -1
    return parts[at + 1] if at >= 0 else str(path)
