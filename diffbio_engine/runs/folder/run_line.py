"""A run as a line in the list of runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from diffbio_engine.errors import RunError
from diffbio_engine.runs.folder.paths import ENDED, RunFolder, state_of
from diffbio_engine.runs.folder.plain_values import named, number, text, whole
from diffbio_engine.runs.folder.reader import JsonFile


@dataclass(frozen=True)
class RunSummary:
    """A line in the table of runs; `position` is its place in the queue, from 1."""

    id: str
    title: str
    owner: str
    created: float
    state: str
    step: int = 0
    total_steps: int | None = None
    position: int | None = None
    message: str = ""
    error: dict[str, Any] | None = None
    dataset: str = ""
    device: str = ""
    updated: float = 0.0


class RunLine:
    """What is kept in memory of a run, so that a thousand are listed quickly.

    Whatever stands in its files, a line is made of it: it never hides others.
    """

    def __init__(self, folder: RunFolder):
        self.folder = folder
        try:
            run = RunFolder(folder.path).run  # not kept: the document may be large
        except (RunError, OSError):
            run = {}
        self._damaged = not run
        # Where its own file is damaged the engine's still says whose it is.
        owner = run.get("owner") or folder.launch().get("owner")
        self.owner: str | None = owner if isinstance(owner, str) else None
        usual = "A run that cannot be read" if self._damaged else ""
        self._title, self._created = text(run.get("title"), usual), number(run.get("created"))
        self._dataset = text(named(run.get("dataset")).get("name"))
        self._steps = whole(run.get("steps"))
        self._status, self._launch = JsonFile(folder.status_file), JsonFile(folder.launch_file)

    def summary(self, positions: Mapping[str, int]) -> RunSummary:
        """How the run is doing now.

        Args:
            positions: Place in the queue by run.
        """
        self._launch.has_news()
        self._status.has_news()
        launch, status = self._launch.content, self._status.content
        # The lock is looked at only where it can tell something.
        over = launch.get("phase") in ("ended", "queued")
        locked = not over and status.get("state") not in ENDED and self.folder.is_locked()
        if locked:
            self._status.has_news()
            status = self._status.content
        try:
            state = state_of(status, launch, locked=locked, holder=self.folder.holder)
        except (ValueError, TypeError, KeyError, AttributeError):
            state = "lost"
        error = (launch.get("failure") or status.get("error")) if state == "failed" else None
        if self._damaged:
            error = {"what": "The file run.json of this run is damaged.", "fix": "Delete the run."}
        created = self._created or number(launch.get("since"))
        return RunSummary(
            id=self.folder.path.name,
            title=self._title,
            owner=self.owner or "",
            created=created,
            state="failed" if self._damaged and not locked else text(state, "lost"),
            step=whole(status.get("step")),
            total_steps=whole(status.get("total_steps")) or self._steps or None,
            position=positions.get(self.folder.path.name),
            message=text(status.get("message")),
            error=named(error) or None,
            dataset=self._dataset,
            device=text(status.get("device")),
            updated=max(number(status.get("t")), number(launch.get("t")), created),
        )
