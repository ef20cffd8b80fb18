"""Losses of every step in files that are only ever added to, and that may be read while they grow.

``metrics.<attempt>.bin`` is one line of JSON, ``{"columns", "start", "attempt"}``, and then records
of float64, one per column; the first two columns are ``step`` and ``t``. A record that is not whole
yet is not read. A later attempt started again from step ``start``: it supersedes earlier records
with a greater step.
"""

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from diffbio_engine.runs.folder.durable_files import append, explain_os_error, json_line

_FIRST = ("step", "t")


@dataclass(frozen=True)
class MetricsBatch:
    """Some records of one attempt, in order.

    Args:
        attempt: Which worker wrote them.
        start: The step that it started from.
        begins: Whether they are its first: rows shown so far with a step > `start` are superseded.
        columns: Name of each column: ``step``, ``t``, then the losses.
        rows: The records, (k, columns).
    """

    attempt: int
    start: int
    begins: bool
    columns: tuple[str, ...]
    rows: np.ndarray


class MetricsWriter:
    """Adds records to the metrics of one attempt."""

    def __init__(self, folder: Path, attempt: int, columns: Sequence[str], start: int = 0):
        self.path = folder / f"metrics.{attempt:04d}.bin"
        self.columns = tuple(c for c in columns if c not in _FIRST)
        self._place = {name: i + 2 for i, name in enumerate(self.columns)}
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
        with explain_os_error(self.path):
            self._file = os.open(self.path, flags, 0o666)
        header = {"columns": [*_FIRST, *self.columns], "start": start, "attempt": attempt}
        append(self._file, json_line(header), self.path)

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Adds the losses of one step; those not given are NaN."""
        record = np.full(len(self.columns) + 2, np.nan)
        record[:2] = step, time.time()
        for name, value in values.items():
            record[self._place[name]] = value
        append(self._file, record.tobytes(), self.path)

    def add_rows(self, steps: np.ndarray, rows: np.ndarray) -> None:
        """Adds the losses of several steps, (k, columns) in the order of the columns."""
        records = np.empty((len(steps), len(self.columns) + 2))
        records[:, 0], records[:, 1], records[:, 2:] = steps, time.time(), rows
        append(self._file, records.tobytes(), self.path)

    def close(self) -> None:
        """No more records."""
        os.close(self._file)


class _OneFile:
    """Reads what is new in the metrics of one attempt."""

    def __init__(self, path: Path):
        self.path = path
        self.columns: tuple[str, ...] = ()
        self.start = self.attempt = 0
        self._at = 0

    def read_new(self) -> MetricsBatch | None:
        """The whole records added since the last call."""
        begins = not self.columns
        with self.path.open("rb", buffering=0) as file:
            if os.fstat(file.fileno()).st_size <= self._at:
                return None
            file.seek(self._at)
            new = file.read()
        if begins:
            line, newline, new = new.partition(b"\n")
            if not newline:
                return None
            try:
                header = json.loads(line)
            except ValueError:
                return None  # a power failure can leave anything; the other attempts still count
            self.columns, self.start = tuple(header["columns"]), header["start"]
            self.attempt = header["attempt"]
            self._at = len(line) + 1
        width = 8 * len(self.columns)
        whole = len(new) // width * width
        if not whole and not begins:
            return None
        self._at += whole
        rows = np.frombuffer(new[:whole]).reshape(-1, len(self.columns))
        return MetricsBatch(self.attempt, self.start, begins, self.columns, rows)


class MetricsTail:
    """Reads the metrics of a run as they come."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._files: list[_OneFile] = []
        self._closed = 0

    def read_new(self) -> list[MetricsBatch]:
        """What was added since the last call, in order; everything at the first."""
        paths = metrics_files(self._folder)
        known = {file.path for file in self._files}
        self._files += [_OneFile(path) for path in paths if path not in known]
        batches = [file.read_new() for file in self._files[self._closed :]]
        # The last file may still grow; those before it were just read to their end.
        self._closed = max(len(self._files) - 1, 0)
        return [batch for batch in batches if batch is not None]


def read_metrics(folder: Path) -> dict[str, np.ndarray]:
    """The whole history, superseded records gone: values by column, steps rising."""
    kept: list[MetricsBatch] = []
    for batch in MetricsTail(folder).read_new():
        kept = [_up_to(old, batch.start) for old in kept]
        kept.append(batch)
    names = list(dict.fromkeys(name for batch in kept for name in batch.columns))
    history = {}
    for name in names or _FIRST:
        parts = [
            batch.rows[:, batch.columns.index(name)]
            if name in batch.columns
            else np.full(len(batch.rows), np.nan)
            for batch in kept
        ]
        history[name] = np.concatenate(parts) if parts else np.empty(0)
    return history


def _up_to(batch: MetricsBatch, step: int) -> MetricsBatch:
    rows = batch.rows[batch.rows[:, 0] <= step]
    return MetricsBatch(batch.attempt, batch.start, batch.begins, batch.columns, rows)


def metrics_files(folder: Path) -> list[Path]:
    """The metrics of each attempt, first attempt first."""
    return sorted(folder.glob("metrics.*.bin"))


def last_attempt_written(folder: Path) -> int:
    """The last attempt that has metrics; 0 if there is none."""
    files = metrics_files(folder)
    return int(files[-1].name.split(".")[1]) if files else 0


def last_step_written(folder: Path) -> int:
    """The greatest step of any attempt, superseded or not."""
    last = 0
    for path in metrics_files(folder):
        batch = _OneFile(path).read_new()
        if batch is not None and len(batch.rows):
            last = max(last, int(batch.rows[-1, 0]))
    return last
