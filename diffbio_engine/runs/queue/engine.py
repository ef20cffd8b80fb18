"""All runs on this server: starts them, asks things of them, lists them; computes nothing."""

import contextlib
import os
import re
import secrets
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from diffbio_engine.errors import RunError, UnknownNameError
from diffbio_engine.runs.folder.durable_files import explain_os_error, make_inside
from diffbio_engine.runs.folder.paths import LIVE, RunFolder
from diffbio_engine.runs.folder.patience import PAUSED_MINUTES
from diffbio_engine.runs.folder.run_line import RunLine, RunSummary
from diffbio_engine.runs.queue.fair_share import waiting_runs
from diffbio_engine.runs.queue.launchers import Launcher, LocalLauncher
from diffbio_engine.runs.queue.previews import Previews
from diffbio_engine.runs.queue.supervisor import Supervisor, change_launch
from diffbio_engine.runs.queue.warm_worker import WarmWorker

_SECONDS_TO_END = 5.0
_MOST_WAITING = 100


class Engine:
    """The runs of one data folder. Make one per server process.

    Args:
        data_dir: Where runs, their queue and the compilation cache lie.
        max_running: How many may compute at once; by default as many as the launcher has places
            (on this machine one for each GPU, without any one for every two processors).
        command: How a worker is started; the run folder is added.
        worker_env: Changes of a worker's environment; None removes a variable.
        spare: Whether one worker waits with its imports done, so that a run starts at once.
        launcher: Where workers run; on this machine by default.
    """

    def __init__(
        self,
        data_dir: str | os.PathLike,
        max_running: int | None = None,
        command: Sequence[str] | None = None,
        *,
        worker_env: Mapping[str, str | None] | None = None,
        spare: bool = False,
        launcher: Launcher | None = None,
    ):
        self.data_dir = Path(data_dir).resolve()
        self.runs_dir = self.data_dir / "runs"
        self._active, self._trash = self.data_dir / "active", self.data_dir / "trash"
        with explain_os_error(self.data_dir):
            for folder in (self.runs_dir, self._active, self._trash, self.data_dir / "cache/jax"):
                folder.mkdir(parents=True, exist_ok=True)
        command = list(command or [sys.executable, "-m", "diffbio_engine", "work"])
        env = {**_worker_environment(self.data_dir), **(worker_env or {})}
        waiting = None
        if launcher is None:
            launcher = here = LocalLauncher()
            if spare:
                waiting = WarmWorker(command, self.data_dir / "spare.log", env, here)
        self.previews = Previews(env)
        self._lines: dict[str, RunLine] = {}
        self._guard = threading.Lock()
        self._supervisor = Supervisor(
            self.data_dir,
            max_running=max_running,
            command=command,
            env=env,
            launcher=launcher,
            spare=waiting,
        )
        self._supervisor.begin()

    @property
    def max_running(self) -> int:
        """How many runs may compute at once."""
        return self._supervisor.max_running

    def where(self) -> str:
        """Where runs compute, and how many at once, in words."""
        places = self.max_running
        return f"{self._supervisor.launcher.where()}, {places} place{'' if places == 1 else 's'}"

    def close(self) -> None:
        """Looks after the runs no more; they go on, and the next engine finds them."""
        self._supervisor.close()
        self.previews.close()

    # One run ------------------------------------------------------------------------------

    def start(self, run: dict[str, Any], owner: str) -> str:
        """Puts a run into the queue, and returns its id."""
        now = time.time()
        run_id = time.strftime("%Y%m%d-%H%M%S-", time.gmtime(now)) + secrets.token_hex(8)
        said = {"title": "Untitled run", **run, "owner": owner, "created": now}
        make_inside(self.data_dir, self.runs_dir)
        self._check_waiting(owner)
        folder = RunFolder.create(self.runs_dir / run_id, said)
        self._queue(folder, owner)
        return run_id

    def folder(self, run_id: str, owner: str) -> RunFolder:
        """The folder of a run, for its owner only."""
        return self._line(run_id, owner).folder

    def summary(self, run_id: str, owner: str) -> RunSummary:
        """How a run is doing."""
        return self._line(run_id, owner).summary(self._positions())

    def pause(self, run_id: str, owner: str) -> None:
        """Pauses after the present step."""
        self.folder(run_id, owner).request("pause")

    def step(self, run_id: str, owner: str, steps: int = 1) -> None:
        """Takes some steps, and pauses again."""
        folder = self.folder(run_id, owner)
        folder.request("step", steps=steps)
        self._wake_released(folder, owner)

    def turn(self, run_id: str, owner: str, dials: Mapping[str, float | None]) -> None:
        """Turns dials of a run, by name; None gives one back to its schedule.

        The one way to turn a dial of a run: only the owner's, only to finite values.
        """
        self.folder(run_id, owner).request(dials=dict(dials))

    def resume(self, run_id: str, owner: str) -> None:
        """Carries a paused run on; queues a stopped or failed one again, from its checkpoint."""
        folder = self.folder(run_id, owner)
        state = folder.state()
        if state == "done":
            raise RunError("This run is finished.", fix="Start a new one, with more steps.")
        if state == "stopping":
            raise RunError("This run is being stopped.", fix="Wait until it has stopped.")
        folder.request("run")
        if state in ("stopped", "failed", "lost"):
            self._queue(folder, owner)
        self._wake_released(folder, owner)

    def results(self, run_id: str, owner: str) -> None:
        """Has result and bundle written as of the last checkpoint; nothing is trained."""
        folder = self.folder(run_id, owner)
        if folder.state() not in ("stopped", "failed", "lost"):
            raise RunError("This run is at work, or finished.", fix="Stop it: it writes them then.")
        if folder.checkpoint_step() is None:
            raise RunError(
                "There is no checkpoint of this run to take results of.",
                fix="Continue the run, or start it again.",
            )
        folder.request("results")
        self._queue(folder, owner)

    def stop(self, run_id: str, owner: str, *, at_once: bool = False) -> None:
        """Ends a run; it saves what there is.

        Args:
            run_id: Which run.
            owner: Whose it is.
            at_once: Whether to kill it if it has not ended after 5 seconds.
        """
        folder = self.folder(run_id, owner)
        folder.request("stop")
        if folder.launch().get("phase") == "queued":
            ended = {"phase": "ended", "state": "stopped"}
            change_launch(folder, ended, only_if={"phase": "queued"})
        elif self._wake_released(folder, owner):
            pass  # a worker writes what there is
        elif at_once and folder.state() in LIVE:
            launch = change_launch(folder, {"kill_at": time.time() + _SECONDS_TO_END})
            if launch.get("ref"):
                self._supervisor.launcher.kill(launch["ref"], hard=False)
        self._supervisor.wake()

    def delete(self, run_id: str, owner: str) -> None:
        """Ends a run, and moves its folder to the trash; also while the disk is full."""
        folder = self.folder(run_id, owner)
        ref = folder.launch().get("ref")
        with contextlib.suppress(RunError):  # no room to write it down: the folder goes anyway
            folder.request("stop")
            ref = change_launch(folder, {"phase": "ended", "state": "stopped"}).get("ref")
        give_up = time.monotonic() + _SECONDS_TO_END
        while (ref and self._supervisor.launcher.poll(ref) is None) or folder.is_locked():
            if ref:
                self._supervisor.launcher.kill(ref, hard=True)
            if time.monotonic() > give_up:
                raise RunError("The worker of this run does not end.", fix="Try again in a minute.")
            time.sleep(0.05)
        with explain_os_error(folder.path):
            os.utime(folder.path)  # from now on it is in the trash
            os.replace(folder.path, self._trash / run_id)
        (self._active / run_id).unlink(missing_ok=True)
        with self._guard:
            self._lines.pop(run_id, None)

    # All runs -----------------------------------------------------------------------------

    def runs(self, owner: str) -> list[RunSummary]:
        """The runs of this owner, newest first."""
        with explain_os_error(self.runs_dir / "runs"):
            names = set(os.listdir(self.runs_dir))
        with self._guard:
            for gone in self._lines.keys() - names:
                del self._lines[gone]
            for name in names - self._lines.keys():
                line = RunLine(RunFolder(self.runs_dir / name))
                if line.owner is not None:
                    self._lines[name] = line
            mine = [line for line in self._lines.values() if line.owner == owner]
        positions = self._positions()
        found = [line.summary(positions) for line in mine]
        return sorted(found, key=lambda run: (run.created, run.id), reverse=True)

    def _wake_released(self, folder: RunFolder, owner: str) -> bool:
        """Queues a paused run that has given its memory back: it has no worker that could hear."""
        given_back = {"phase": "ended", "state": "paused"}
        launch = folder.launch()
        released = all(launch.get(name) == value for name, value in given_back.items())
        if released:
            self._queue(folder, owner, only_if=given_back)
        return released

    def _queue(
        self, folder: RunFolder, owner: str, only_if: Mapping[str, Any] | None = None
    ) -> None:
        fresh = {"again": False, "ref": None, "state": None, "failure": None, "kill_at": None}
        queued = {"phase": "queued", "owner": owner, "since": time.time(), "without_progress": 0}
        change_launch(folder, {**queued, **fresh}, only_if=only_if)
        with explain_os_error(self._active):
            (self._active / folder.path.name).touch()
        self._supervisor.wake()

    def _check_waiting(self, owner: str) -> None:
        """One person does not make the queue long for all."""
        launches = (RunFolder(self.runs_dir / n).launch() for n in os.listdir(self._active))
        mine = sum(
            launch.get("phase") == "queued" and launch.get("owner") == owner for launch in launches
        )
        if mine >= _MOST_WAITING:
            raise RunError(
                f"{mine} runs of yours wait for their turn; at most {_MOST_WAITING} may.",
                fix="Wait until some are done, or delete some under Runs.",
            )

    def _line(self, run_id: str, owner: str) -> RunLine:
        with self._guard:
            line = self._lines.get(run_id)
            if line is not None and not line.folder.run_file.exists():
                del self._lines[run_id]
                line = None
            if line is None and re.fullmatch(r"[\w-]+", run_id):
                line = RunLine(RunFolder(self.runs_dir / run_id))
                if line.owner is not None:
                    self._lines[run_id] = line
        # One answer to both, so that nobody learns which runs others have.
        if line is None or line.owner != owner:
            raise UnknownNameError(f"You have no run '{run_id}'.", fix="Choose one from the list.")
        return line

    def _positions(self) -> dict[str, int]:
        """Place in the queue by run."""
        there = os.listdir(self._active)
        launches = {name: RunFolder(self.runs_dir / name).launch() for name in there}
        order = waiting_runs(self.data_dir, launches)
        return {run.run_id: place for place, run in enumerate(order, start=1)}


def _worker_environment(data_dir: Path) -> dict[str, str | None]:
    env: dict[str, str | None] = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    compiled = {
        "JAX_COMPILATION_CACHE_DIR": str(data_dir / "cache/jax"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    # Said here, where a worker of another machine would not know it.
    said = {name: os.environ[name] for name in (PAUSED_MINUTES,) if name in os.environ}
    here = {name: value for name, value in compiled.items() if name not in os.environ}
    return env | said | here
