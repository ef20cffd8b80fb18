"""What happened in a run, one JSON object a line, in a file that is only ever added to."""

import json
import os
import time
from pathlib import Path
from typing import Any

from diffbio_engine.runs.folder.durable_files import append, explain_os_error, json_line


class EventWriter:
    """Adds events; a line that an earlier worker left half-written is closed first."""

    def __init__(self, path: Path, attempt: int):
        self.path, self.attempt = path, attempt
        with explain_os_error(path):
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._file = os.open(path, flags, 0o666)
        end = os.fstat(self._file).st_size
        if end and os.pread(self._file, 1, end - 1) != b"\n":
            append(self._file, b"\n", path)

    def add(self, kind: str, step: int, **more: Any) -> None:
        """Adds one event."""
        event = {"t": time.time(), "step": int(step), "kind": kind, "attempt": self.attempt}
        append(self._file, json_line({**event, **more}), self.path)

    def close(self) -> None:
        """No more events."""
        os.close(self._file)


class EventTail:
    """Reads the events of a run as they come."""

    def __init__(self, path: Path):
        self.path = path
        self._at = 0

    def read_new(self) -> list[dict[str, Any]]:
        """Events added since the last call; everything at the first."""
        try:
            if os.stat(self.path).st_size <= self._at:
                return []
            with self.path.open("rb") as file:
                file.seek(self._at)
                new = file.read()
        except FileNotFoundError:
            return []
        whole = new[: new.rfind(b"\n") + 1]
        self._at += len(whole)
        return [event for line in whole.splitlines() if (event := _event(line))]


def _event(line: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None  # torn by a crash
    return event if isinstance(event, dict) else None
