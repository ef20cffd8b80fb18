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


class Opened:
    """A file that stays opened in a reader; one question at a time."""

    def __init__(
        self,
        path: Path,
        options: dict[str, Any],
        *,
        born: Callable[[Path, str], Reader],
        folder: Callable[[], str],
        turns: Turns,
    ):
        self.path, self._options = path, options
        self._born, self._folder, self._turns = born, folder, turns
        self._lock = threading.Lock()
        self._scratch = ""
        self._process: Reader | None = None
        self._closed = False
        self.asked = time.monotonic()
        self._n_cells = 0

    def ask(self, question: str, **told: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """An answer of `questions.Reader`; arrays of one value for each cell are checked."""
        with self._lock:
            process = self._opened()
            try:
                content, arrays = process.ask(question, **told)
            finally:
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
        if self._process is None:
            self._open()
        if self._process is None or self._closed:
            raise DataError(f"{self.path.name} was closed.", fix="Ask again.")
        return self._process

    def _open(self) -> None:
        with self._turns.turn(_whose(self.path)):
            self._scratch = self._folder()
            try:
                self._process = self._born(self.path, self._scratch)
                told = {"path": str(self.path), "options": self._options}
                self._n_cells = int(self._process.ask("open", **told)[0].get("n_cells", 0))
            except BaseException:
                self.close()
                raise

    @property
    def is_gone(self) -> bool:
        return self._closed

    def close(self) -> None:
        """Ends the reader."""
        self._closed = True
        if self._process is not None:
            self._process.end()
        if self._scratch:
            shutil.rmtree(self._scratch, ignore_errors=True)


def _whose(path: Path) -> str:
    """Whose turn it is: the person's, in whose folder of uploads a file lies."""
    parts = path.parts
    at = parts.index("owners") if "owners" in parts[:-1] else -1
    return parts[at + 1] if at >= 0 else str(path)
