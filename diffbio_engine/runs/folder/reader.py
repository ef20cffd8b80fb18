"""The server's side of a run folder: what is new since the last look, cheaply."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from diffbio_engine.runs.folder.durable_files import read_json
from diffbio_engine.runs.folder.events import EventTail
from diffbio_engine.runs.folder.findings import Findings, load_findings
from diffbio_engine.runs.folder.metrics import MetricsBatch, MetricsTail, read_metrics
from diffbio_engine.runs.folder.paths import RunFolder, state_of
from diffbio_engine.runs.folder.snapshots import Snapshot, load_snapshot, snapshot_steps


@dataclass(frozen=True)
class RunChanges:
    """What is new in a run since the last look.

    Args:
        state: As `RunFolder.state`; ``gone`` if the run was deleted.
        status: The last heartbeat, or None if it is not new.
        events: New events.
        metrics: New records, in order.
        snapshot: The step of a snapshot that was not seen yet, or None.
    """

    state: str
    status: dict[str, Any] | None = None
    events: list[dict[str, Any]] = field(default_factory=list)
    metrics: list[MetricsBatch] = field(default_factory=list)
    snapshot: int | None = None


class JsonFile:
    """A JSON file that is read again only when it was replaced."""

    def __init__(self, path: Path):
        self.path = path
        self.content: dict[str, Any] = {}
        self._seen: tuple[int, int] | None = None

    def has_news(self) -> bool:
        """Reads the file if it is another one than last time, and says whether it was."""
        try:
            stat = os.stat(self.path)
            seen = (stat.st_mtime_ns, stat.st_ino)
        except OSError:
            seen = None
        if seen == self._seen:
            return False
        self._seen = seen
        self.content = read_json(self.path) if seen else {}
        return True


class RunReader:
    """Follows one run; reads only what was added."""

    def __init__(self, path: str | os.PathLike):
        self.folder = RunFolder(path)
        self._status = JsonFile(self.folder.status_file)
        self._launch = JsonFile(self.folder.launch_file)
        self._latest = JsonFile(self.folder.snapshots / "latest.json")
        self._events = EventTail(self.folder.events_file)
        self._metrics = MetricsTail(self.folder.path)

    def poll(self) -> RunChanges:
        """What is new since the last call; everything at the first."""
        # Before the files: once nobody holds the lock, what is read afterwards is the last word.
        locked = self.folder.is_locked()
        beat = self._status.has_news()
        self._launch.has_news()
        drawn = self._latest.has_news()
        status, launch = self._status.content, self._launch.content
        step = self._latest.content.get("step")
        if not self.folder.run_file.exists():
            return RunChanges(state="gone")
        return RunChanges(
            state=state_of(status, launch, locked=locked, holder=self.folder.holder),
            status=dict(status) if beat else None,
            events=self._events.read_new(),
            metrics=self._metrics.read_new(),
            snapshot=step if drawn and isinstance(step, int) else None,
        )

    def metrics(self) -> dict[str, np.ndarray]:
        """The whole history: values by column, superseded records gone."""
        return read_metrics(self.folder.path)

    def snapshot(self, step: int | None = None) -> Snapshot | None:
        """The newest snapshot, or the nearest kept at or before `step`."""
        return load_snapshot(self.folder.snapshots, step)

    def findings(self) -> Findings | None:
        """What was found besides the map; None before there is anything."""
        return load_findings(self.folder.path)

    def snapshot_steps(self) -> list[int]:
        """The steps that can be drawn again."""
        return snapshot_steps(self.folder.snapshots)
