"""The folder of a run: where each file lies, who may write it, and what state the run is in."""

import contextlib
import fcntl
import functools
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from diffbio_engine.errors import RunError
from diffbio_engine.runs.folder.durable_files import exclusive_lock, read_json, write_json
from diffbio_engine.runs.folder.metrics import last_attempt_written, last_step_written
from diffbio_engine.runs.folder.plain_values import named, whole
from diffbio_engine.runs.folder.processes import is_alive

WANTS = ("run", "pause", "step", "stop", "results")
LIVE = ("starting", "running", "paused", "stopping")
ENDED = ("stopped", "done", "failed")

# A launched process needs this long at most until its number is written down.
_LAUNCH_SECONDS = 30.0


@dataclass(frozen=True)
class Control:
    """What the person wants of a run now.

    Args:
        seq: Grows with every request.
        want: ``run``, ``pause``, ``step``, ``stop``, or ``results`` (of the last checkpoint).
        steps_to_take: For the worker: steps asked for since it last looked.
        dials: Value by dial; a dial that is absent follows its schedule.
    """

    seq: int = 0
    want: str = "run"
    steps_to_take: int = 0
    dials: dict[str, float] = field(default_factory=dict)


class RunFolder:
    """One run on disk. Making this object touches nothing."""

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        self.checkpoints = self.path / "checkpoints"
        self.snapshots = self.path / "snapshots"
        self.result = self.path / "result.h5ad"
        self.bundle = self.path / "bundle"
        self.log = self.path / "worker.log"
        self.events_file = self.path / "events.jsonl"
        self.run_file = self.path / "run.json"
        self.status_file = self.path / "status.json"
        self.control_file = self.path / "control.json"
        self.launch_file = self.path / "launch.json"
        self.lock_file = self.path / "lock"

    @classmethod
    def create(cls, path: str | os.PathLike, run: dict[str, Any]) -> "RunFolder":
        """Makes the folder and writes what the run is, once for all."""
        folder = cls(path)
        if folder.run_file.exists():
            raise RunError(
                f"{folder.path} already holds a run.",
                fix="Choose another folder, or resume the run that is there.",
            )
        try:
            folder.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(
                f"The folder {folder.path} cannot be made ({error.strerror}).",
                fix="Choose a folder that you may write to.",
            ) from error
        try:
            write_json(folder.run_file, {"created": time.time(), **run})
        except RunError:
            with contextlib.suppress(OSError):
                folder.path.rmdir()  # nothing is in it, or it was there before
            raise
        return folder

    @functools.cached_property
    def run(self) -> dict[str, Any]:
        """What the run is."""
        run = read_json(self.run_file)
        if not run:
            raise RunError(
                f"{self.path} holds no run that can be read.",
                fix="Choose a folder that has a run.json.",
            )
        return run

    # What is going on ---------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """The last heartbeat of the worker; empty before the first."""
        return read_json(self.status_file)

    def launch(self) -> dict[str, Any]:
        """What the engine last did with this run; empty for a run that no engine looks after."""
        return read_json(self.launch_file)

    def is_locked(self) -> bool:
        """Whether a worker lives: the kernel frees its lock however it dies."""
        return lock_is_held(self.lock_file)

    def holder(self) -> int | None:
        """The process that took the lock last."""
        try:
            return int(self.lock_file.read_text())
        except (OSError, ValueError):
            return None

    def state(self) -> str:
        """``queued``, ``starting``, ``running``, ``paused``, ``stopping``, ``stopped``, ``done``,
        ``failed`` or ``lost`` (the worker died without a word).
        """
        # Lock before status: a worker writes its last status before it lets go.
        locked = self.is_locked()
        return state_of(self.status(), self.launch(), locked=locked, holder=self.holder)

    def error(self) -> dict[str, Any] | None:
        """Why the run failed, as ``UserError.as_dict``."""
        if self.state() != "failed":
            return None
        return self.launch().get("failure") or self.status().get("error")

    def last_step(self) -> int:
        """The last step that left a trace."""
        return max(int(self.status().get("step") or 0), last_step_written(self.path))

    def checkpoint_step(self) -> int | None:
        """The step from which the run can go on; None where there is no checkpoint."""
        found = [int(path.stem) for path in self.checkpoint_files()]
        return found[-1] if found else None

    def checkpoint_files(self) -> list[Path]:
        """The checkpoints, oldest first."""
        return sorted(self.checkpoints.glob("[0-9]*.safetensors"))

    def last_attempt(self) -> int:
        """How many workers have begun here."""
        return max(int(self.status().get("attempt") or 0), last_attempt_written(self.path))

    # What is wanted -----------------------------------------------------------------------

    def control(self) -> dict[str, Any]:
        """What the person wants now."""
        said = read_json(self.control_file)
        turned = named(said.get("dials")).items()
        dials = {name: value for name, value in turned if isinstance(value, int | float)}
        return {
            **said,
            "seq": whole(said.get("seq")),
            "want": said["want"] if said.get("want") in WANTS else "run",
            "steps_asked": whole(said.get("steps_asked")),
            "dials": dials,
        }

    def request(
        self,
        want: str | None = None,
        *,
        steps: int = 0,
        dials: dict[str, float | None] | None = None,
    ) -> int:
        """Asks the worker for something; what is not mentioned stays as it was.

        Args:
            want: ``run``, ``pause``, ``step``, ``stop`` or ``results``.
            steps: With ``step``: how many more steps to take before pausing.
            dials: Value by dial; None gives a dial back to its schedule.

        Returns:
            The number of the request; the worker answers by ``status()["seq"]``.
        """
        if want is not None and want not in WANTS:
            raise ValueError(f"want must be one of {WANTS}, not {want!r}")
        for name, value in (dials or {}).items():
            if value is not None and not math.isfinite(value):
                raise RunError(
                    f"{value} is no value to turn to.", fix="Choose a finite number.", where=name
                )
        with exclusive_lock(self.path / "control.lock"):
            control = self.control()
            control["seq"] += 1
            control["t"] = time.time()
            control["want"] = want or control["want"]
            control["steps_asked"] += max(steps, 0) if want == "step" else 0
            control["dials"] = _merged(control["dials"], dials)
            # Without fsync: turned ten times a second, and worth little after a power failure.
            write_json(self.control_file, control, durable=False)
        return control["seq"]


def lock_is_held(path: Path) -> bool:
    """Whether a process that lives holds the lock of this file."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        # Shared and for microseconds: a worker that starts just now tries again.
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def _merged(old: dict[str, Any], new: dict[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in {**old, **(new or {})}.items() if value is not None}


def state_of(
    status: dict[str, Any],
    launch: dict[str, Any],
    *,
    locked: bool,
    holder: Callable[[], int | None],
) -> str:
    """The state of a run from its files and its lock; see `RunFolder.state`."""
    worker_says = status.get("state")
    if locked:
        # The status of an earlier worker is no news of this one.
        return worker_says if worker_says and status.get("pid") == holder() else "starting"
    phase = launch.get("phase")
    if phase == "queued":
        return "queued"
    if phase == "ended" and launch.get("state"):
        return launch["state"]
    if phase == "launched":
        spoke = int(status.get("attempt") or 0) > int(launch.get("after_attempt") or 0)
        if spoke and worker_says and (worker_says in ENDED or status.get("released")):
            return worker_says
        if not spoke and is_launching(launch):
            return "starting"
        return "lost"
    if worker_says is None:
        return "queued"
    return "lost" if worker_says in LIVE and not status.get("released") else worker_says


def is_launching(launch: dict) -> bool:
    """Whether a process was started for the run that may still take its lock."""
    ref = launch.get("ref")
    if not ref:
        return time.time() - launch.get("t", 0.0) < _LAUNCH_SECONDS
    return ref.get("kind") != "local" or is_alive(ref["pid"], ref.get("born"))
