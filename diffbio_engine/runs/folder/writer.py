"""The worker's side of a run folder: it holds the lock, and writes all that the run leaves."""

import contextlib
import fcntl
import os
import socket
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from diffbio_engine.errors import RunError, UserError
from diffbio_engine.runs.folder.durable_files import explain_os_error, write_json
from diffbio_engine.runs.folder.events import EventWriter
from diffbio_engine.runs.folder.findings import Findings, save_findings
from diffbio_engine.runs.folder.metrics import MetricsWriter
from diffbio_engine.runs.folder.paths import Control, RunFolder
from diffbio_engine.runs.folder.snapshots import Snapshot, SnapshotWriter

EXIT_DONE, EXIT_ERROR, EXIT_TAKEN, EXIT_NOT_FINITE = 0, 1, 3, 4
# Asked to leave; paused for so long that its memory was given back.
EXIT_START_AGAIN, EXIT_PAUSED = 75, 76

_SECONDS_BETWEEN_HEARTBEATS = 0.5
_SECONDS_TO_GET_THE_LOCK = 1.0
_RESERVE_BYTES = 16_384


class TakenError(RunError):
    """Another worker is at work in the folder: end with `EXIT_TAKEN`, and leave it alone."""


class RunWriter:
    """Takes a run folder for this process, and writes into it what happens.

    Args:
        path: The run folder.
        keep_snapshots: How many of the last snapshots are kept besides the thin history.

    Raises:
        TakenError: Another worker has the folder.
    """

    def __init__(self, path: str | os.PathLike, *, keep_snapshots: int = 3):
        self.folder = RunFolder(path)
        self.run = self.folder.run
        self.attempt = 0
        self._keep = keep_snapshots
        self.before: dict[str, Any] = {}  # what the last worker said
        self._lock = -1
        self._status: dict[str, Any] = {}
        self._metrics: MetricsWriter | None = None
        self._seen_control: tuple[int, int] | None = None
        self._seq = -1
        self._finished = False

    def __enter__(self) -> Self:
        self._lock = take_lock(self.folder.lock_file)
        try:
            before = self.before = self.folder.status()
            self.attempt = self.folder.last_attempt() + 1
            self._steps_asked = int(before.get("steps_asked") or 0)
            self._events = EventWriter(self.folder.events_file, self.attempt)
            self._snapshots = SnapshotWriter(self.folder.snapshots, keep=self._keep)
            self._reserve = self.folder.path / ".reserve"
            with explain_os_error(self._reserve):
                # Room for the last words of a run that fills the disk.
                self._reserve.write_bytes(bytes(_RESERVE_BYTES))
            self._status = {
                "attempt": self.attempt,
                "pid": os.getpid(),
                "host": socket.gethostname(),
                "state": "starting",
                "started": time.time(),
                "step": int(before.get("step") or 0),
                "total_steps": before.get("total_steps") or self.run.get("steps"),
                "seq": int(before.get("seq") or 0),
                "steps_asked": self._steps_asked,
                "message": "",
                "error": None,
            }
            self._write_status()
        except BaseException:
            os.close(self._lock)
            raise
        return self

    def begin(self, columns: Sequence[str], start: int = 0) -> None:
        """Opens the metrics of this attempt.

        Args:
            columns: Names of the losses; ``step`` and ``t`` come before them.
            start: The step restored from a checkpoint; whatever came later is superseded.
        """
        if self._metrics is not None:
            raise RuntimeError("the metrics of this attempt are open already")
        self._metrics = MetricsWriter(self.folder.path, self.attempt, columns, start)
        self._snapshots.drop_after(start)
        self.heartbeat(step=start)
        self.event("resumed" if start else "started", start)

    def metric(self, step: int, values: Mapping[str, float]) -> None:
        """Writes the losses of one step."""
        if self._metrics is None:
            self.begin(list(values))
        assert self._metrics is not None
        self._metrics.add(step, values)

    def metrics(self, steps: np.ndarray, rows: np.ndarray) -> None:
        """Writes the losses of several steps, (k, columns) in the order of `begin`."""
        if self._metrics is None:
            raise RuntimeError("begin() says what the columns are")
        self._metrics.add_rows(steps, rows)

    def event(self, kind: str, step: int, **more: Any) -> None:
        """Writes that something happened."""
        self._events.add(kind, step, **more)

    def snapshot(self, snapshot: Snapshot) -> None:
        """Writes what is to be drawn."""
        self._snapshots.save(snapshot)

    def findings(self, findings: Findings) -> None:
        """Writes what was found besides the map, in the place of what was there."""
        save_findings(self.folder.path, findings)

    def heartbeat(self, *, now: bool = False, **changes: Any) -> None:
        """Says that the worker lives and how far it is; written twice a second at most.

        A change of ``state`` or ``message`` is written at once.
        """
        news = any(changes.get(k, self._status[k]) != self._status[k] for k in ("state", "message"))
        self._status.update(changes)
        if now or news or time.time() - self._status["t"] >= _SECONDS_BETWEEN_HEARTBEATS:
            self._write_status()

    def control(self) -> Control | None:
        """What the person wants, if it is new; the first call gives what is wanted already."""
        try:
            stat = os.stat(self.folder.control_file)
            seen = (stat.st_mtime_ns, stat.st_ino)
        except FileNotFoundError:
            seen = (0, 0)
        if seen == self._seen_control:
            return None
        self._seen_control = seen
        asked = self.folder.control()
        if asked["seq"] <= self._seq:
            return None
        self._seq = asked["seq"]
        to_take = max(asked["steps_asked"] - self._steps_asked, 0)
        self._steps_asked = asked["steps_asked"]
        self.heartbeat(now=True, seq=self._seq, steps_asked=self._steps_asked)
        wanted = asked["want"], to_take, asked["dials"]
        return Control(self._seq, *wanted)

    def finish(self, state: str = "done", **changes: Any) -> None:
        """Says how the run ended: ``done``, ``stopped`` or ``failed``."""
        self._finished = True
        with contextlib.suppress(RunError):
            self.event("finished", self._status["step"], state=state)
        self._last_words({"message": "", **changes, "state": state})

    def fail(self, error: BaseException) -> None:
        """Says in words why the run failed."""
        told = error_as_dict(error)
        with contextlib.suppress(RunError):
            self.event("error", self._status["step"], error=told)
        self._finished = True
        self._last_words({"state": "failed", "message": "", "error": told})

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if isinstance(error, Exception) and not self._finished:
                self.fail(error)
        finally:
            self._events.close()
            if self._metrics is not None:
                self._metrics.close()
            self._reserve.unlink(missing_ok=True)
            os.close(self._lock)

    def _write_status(self) -> None:
        self._status["t"] = time.time()
        write_json(self.folder.status_file, self._status, durable=False)

    def _last_words(self, changes: dict[str, Any]) -> None:
        self._status.update(changes)
        try:
            self._write_status()
        except RunError:
            # The disk is full: give the reserve back, and say it there.
            self._reserve.unlink(missing_ok=True)
            try:
                self._write_status()
            except RunError as error:
                print(error, file=sys.stderr)


def error_as_dict(error: BaseException) -> dict[str, Any]:
    """What went wrong as plain data; a mistake of ours has kind ``Bug`` and a report."""
    if isinstance(error, UserError):
        return error.as_dict()
    return {
        "kind": "Bug",
        "what": f"Something went wrong here ({type(error).__name__}: {str(error)[:500]}).",
        "fix": "Copy the report and send it to those who look after the workbench.",
        "where": "",
        "report": "".join(traceback.format_exception(error))[-20_000:],
    }


def take_lock(path: Path) -> int:
    """Takes the folder for this process; the kernel gives it back however the process ends."""
    with explain_os_error(path):
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    give_up = time.monotonic() + _SECONDS_TO_GET_THE_LOCK
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            # A reader that looks whether anyone lives here holds it for microseconds.
            if time.monotonic() > give_up:
                os.close(handle)
                raise TakenError(
                    f"Another worker is at work in {path.parent}.",
                    fix="Wait for it, or stop it first.",
                ) from None
            time.sleep(0.02)
    os.ftruncate(handle, 0)
    os.pwrite(handle, str(os.getpid()).encode(), 0)
    return handle
