"""One reader, and one file that stays opened in a reader, as the page sees them."""

import contextlib
import logging
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from diffbio_engine.apart.frames import GarbledError, receive, send
from diffbio_engine.apart.limits import Limits, limits_for
from diffbio_engine.apart.nursery_line import NurseryLine
from diffbio_engine.data.readers.archives import MOST_BYTES
from diffbio_engine.errors import DataError, UserError

_LOG = logging.getLogger(__name__)
AGAIN = "Copy or upload the file again; if it opens elsewhere, save it anew there and bring that."


class Reader:
    """One reader."""

    def __init__(
        self, nursery: NurseryLine, line: socket.socket, pid: int, limits: Limits, name: str
    ):
        self._nursery, self._line, self._pid = nursery, line, pid
        self._limits, self._name = limits, name
        self._status: int | None = None
        self._ending = threading.Lock()

    @classmethod
    def born(
        cls,
        nursery: NurseryLine,
        path: Path,
        scratch: str,
        *,
        patient: bool,
        unpacked: int = MOST_BYTES,
        limits: Callable[[Path], Limits] = limits_for,
        name: str = "",
    ) -> "Reader":
        """A new reader for a file.

        Args:
            nursery: Where it comes from.
            path: The file.
            scratch: A folder of its own.
            patient: Whether others come first on the processor.
            unpacked: Bytes that it may unpack of an archive.
            limits: What reading a file may take.
            name: What is read, for sentences; by default the name of the file.
        """
        kept = replace(limits(path), unpacked=unpacked)
        ours, theirs = socket.socketpair()
        told = {"do": "fork", "limits": vars(kept), "scratch": scratch, "patient": patient}
        with theirs:
            born = nursery.ask(told, theirs.fileno())
        if not born:
            ours.close()
            raise DataError(
                "No process could be started to read the file.",
                fix="Try again; if it stays so, tell the administrator that memory is short.",
            )
        return cls(nursery, ours, int(born["pid"]), kept, name or path.name)

    def ask(self, question: str, **told: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Asks, and waits for the answer; anything but a good one ends the reader."""
        wall = self._limits.wall_seconds
        try:
            send(self._line, {"question": question, "with": told})
            content, arrays = receive(self._line, None if wall is None else time.monotonic() + wall)
        except TimeoutError:
            self.end()
            raise self._too_long() from None
        except GarbledError as error:
            self.end()
            _LOG.warning("the reader of %s answered with %s", self._name, error.what)
            raise DataError(
                f"{self._name} could not be read: its reader gave no answer that makes sense.",
                fix=AGAIN,
            ) from None
        except (EOFError, OSError):
            raise self._broken(self.end()) from None
        if "answer" in content and isinstance(content["answer"], dict):
            return content["answer"], arrays
        raise self._refusal(content)

    def end(self) -> int:
        """Ends the reader, if it lives, and says how it ended."""
        with self._ending:
            if self._status is None:
                self._status = int(
                    self._nursery.ask({"do": "end", "pid": self._pid}).get("status", 0)
                )
                self._line.close()
            return self._status

    def cancel(self) -> None:
        """Ends it whatever it does; who waits for its answer is told."""
        with contextlib.suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)

    @property
    def is_gone(self) -> bool:
        return self._status is not None

    def _too_long(self) -> DataError:
        return DataError(
            f"Reading {self._name} ({self._limits.size_in_words()}) took longer than the "
            f"{self._limits.seconds:.0f} seconds of computing that a file of this size may take, "
            "and was stopped.",
            fix="Bring it as an h5ad file, or a smaller part of it; "
            f"{self._limits.more.format('READ_SECONDS')}.",
        )

    def _broken(self, status: int) -> DataError:
        if status in (-signal.SIGXCPU, -signal.SIGALRM):
            return self._too_long()
        if status < 0 and status != -signal.SIGKILL:
            how = f"broke down ({signal.Signals(-status).name})"
        else:
            how = "was stopped"
        return DataError(
            f"{self._name} could not be read: the process that read it {how}. It is damaged, or "
            "holds something that its reader cannot bear. Nothing else was touched.",
            fix=AGAIN,
        )

    def _refusal(self, content: dict[str, Any]) -> UserError:
        error = content.get("error")
        if isinstance(error, dict):
            said = {k: str(error.get(k, ""))[:2000] for k in ("what", "fix", "where")}
            return DataError(said["what"], fix=said["fix"], where=said["where"])
        if content.get("trouble") == "memory":
            return DataError(
                f"Reading {self._name} needs more memory than the "
                f"{self._limits.memory_in_words()} that a file of "
                f"{self._limits.size_in_words()} may take here.",
                fix="Bring a smaller part of it, or save its matrix as sparse CSR; "
                f"{self._limits.more.format('READ_MEMORY_GB')}.",
            )
        said_of_it = str(content.get("said", "no reason given"))[:300]
        _LOG.warning("while reading %s: %s", self._name, content.get("trace", said_of_it))
        return DataError(
            f"{self._name} cannot be read: it is damaged, or of a make that is not known here "
            f"({said_of_it}).",
            fix=AGAIN,
        )
