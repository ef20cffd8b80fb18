"""Looks after the runs of a data folder: starts those that wait, and again those that were lost.

All that it knows is in files, so it may be killed at any moment and another takes over: a marker in
``active/`` for each run that is not over, ``launch.json`` in the run folder, ``served.json``.
"""

import contextlib
import fcntl
import logging
import os
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from diffbio_engine.errors import RunError, UserError
from diffbio_engine.runs.folder.durable_files import (
    exclusive_lock,
    explain_os_error,
    read_json,
    write_json,
)
from diffbio_engine.runs.folder.paths import ENDED, RunFolder, is_launching
from diffbio_engine.runs.folder.plain_values import text, whole
from diffbio_engine.runs.folder.reader import JsonFile
from diffbio_engine.runs.folder.said_once import Said
from diffbio_engine.runs.folder.writer import EXIT_START_AGAIN, EXIT_TAKEN
from diffbio_engine.runs.queue.fair_share import Waiting, waiting_runs
from diffbio_engine.runs.queue.launchers import LOST, Launcher
from diffbio_engine.runs.queue.warm_worker import WarmWorker
from diffbio_engine.runs.queue.why_lost import why_lost

_LOG = logging.getLogger(__name__)
_TRIES_WITHOUT_PROGRESS = 3


def change_launch(
    folder: RunFolder, changes: Mapping[str, Any], *, only_if: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Changes what is written of the launching of a run, and returns what is written then.

    Args:
        folder: The run.
        changes: New values by name.
        only_if: Values that must still hold; otherwise somebody was faster, and nothing changes.
    """
    with exclusive_lock(folder.path / "launch.lock"):
        launch = folder.launch()
        if all(launch.get(name) == value for name, value in (only_if or {}).items()):
            launch |= {"t": time.time(), **changes}
            write_json(folder.launch_file, launch)
        return launch


class Supervisor:
    """One thread; of several servers on one data folder, one supervises.

    Args:
        data_dir: Holds ``runs/`` and ``active/``.
        max_running: How many runs may compute at once; None: as many as the launcher has places.
        command: How a worker is started; the run folder is added.
        env: Changes of the worker's environment; None removes.
        launcher: Where workers run.
        spare: A worker that waits for a run, or None.
        seconds: Between two looks.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        max_running: int | None,
        command: Sequence[str],
        env: Mapping[str, str | None],
        launcher: Launcher,
        spare: WarmWorker | None = None,
        seconds: float = 0.2,
    ):
        self.runs_dir, self.active_dir = data_dir / "runs", data_dir / "active"
        self.data_dir, self.launcher, self._most = data_dir, launcher, max_running
        self._command, self._env, self._spare, self._seconds = command, env, spare, seconds
        self._known: dict[str, tuple[RunFolder, JsonFile, JsonFile]] = {}
        self._lock: int | None = None
        self._one_starts = False
        self._said = Said()
        self._woken, self._closed = threading.Event(), False
        self._thread = threading.Thread(target=self._work, name="run supervisor", daemon=True)

    @property
    def max_running(self) -> int:
        """How many runs may compute at once."""
        return self._most or self.launcher.places(self._env)

    def begin(self) -> None:
        """Starts to look."""
        self._thread.start()

    def wake(self) -> None:
        """Looks at once."""
        self._woken.set()

    def close(self) -> None:
        """Looks no more; the runs go on."""
        self._closed = True
        self._woken.set()
        self._thread.join(timeout=10)
        if self._spare is not None:
            self._spare.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _work(self) -> None:
        while not self._closed:
            try:
                if self._leads():
                    self._look()
            except Exception as error:
                # Whatever is wrong with one look, the next one may succeed (a full disk, say).
                if self._said.is_news(error):
                    _LOG.exception("the supervisor of %s stumbled", self.data_dir)
            self._woken.wait(self._seconds)
            self._woken.clear()

    def _leads(self) -> bool:
        if self._lock is not None:
            return True
        handle = os.open(
            self.data_dir / "engine.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666
        )
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        self._lock = handle
        # A server that died between two files may have left a run without its marker.
        for path in self.runs_dir.iterdir():
            if read_json(path / "launch.json").get("phase") in ("queued", "launched"):
                (self.active_dir / path.name).touch()
        return True

    def _look(self) -> None:
        names = os.listdir(self.active_dir)
        self._known = {name: files for name, files in self._known.items() if name in names}
        launches, running = {}, 0
        self._one_starts = False
        for name in names:
            try:
                launches[name], computes = self._look_after(name)
                running += computes
            except Exception as error:
                # A file of this run may be damaged; the others are looked after all the same.
                if self._said.is_news(error):
                    _LOG.warning("run %s: %s: %s", name, type(error).__name__, error)
        queued = any(launch.get("phase") == "queued" for launch in launches.values())
        free = self.max_running - running if queued else 0
        if free > 0:
            for next_one in waiting_runs(self.data_dir, launches)[:free]:
                try:
                    self._launch(next_one)
                except Exception as error:
                    if self._said.is_news(error):
                        _LOG.exception("run %s could not be started", next_one.run_id)
        elif self._spare is not None and not (queued or self._one_starts or self._closed):
            # Not while a run starts: it would only take the processor from it.
            self._spare.prepare()

    def _look_after(self, name: str) -> tuple[dict[str, Any], bool]:
        """What is written of its launch, and whether it computes."""
        if name not in self._known:
            folder = RunFolder(self.runs_dir / name)
            self._known[name] = folder, JsonFile(folder.launch_file), JsonFile(folder.status_file)
        folder, launch_file, status_file = self._known[name]
        launch_file.has_news()
        launch = launch_file.content
        if launch.get("phase") == "launched":
            code = self._exit_code(folder, launch)
            status_file.has_news()
            if code is None:
                self._kill_if_due(launch)
                status = status_file.content
                state = status.get("state") if _is_of(status, launch) else "starting"
                self._one_starts |= state == "starting"
                return launch, self._holds_a_place(launch, paused=state == "paused")
            self._conclude(folder, launch, status_file.content, code)
            launch_file.has_news()
            launch = launch_file.content
        if launch.get("phase") != "queued":
            (self.active_dir / name).unlink(missing_ok=True)
            if folder.launch().get("phase") == "queued":  # somebody pressed Resume just now
                (self.active_dir / name).touch()
        return launch, False

    def _exit_code(self, folder: RunFolder, launch: dict[str, Any]) -> int | None:
        """None while somebody is at work in the folder."""
        ref = launch.get("ref")
        code = self.launcher.poll(ref) if ref else (None if is_launching(launch) else LOST)
        # Somebody else may be at work there: a run started by hand, a child that Dask left.
        return None if code is not None and folder.is_locked() else code

    def _holds_a_place(self, launch: dict[str, Any], *, paused: bool) -> bool:
        ref = launch.get("ref")
        return self.launcher.holds_a_place(ref, paused=paused) if ref else not paused

    def _kill_if_due(self, launch: dict[str, Any]) -> None:
        if launch.get("kill_at") and time.time() > launch["kill_at"] and launch.get("ref"):
            self.launcher.kill(launch["ref"], hard=True)

    def _conclude(
        self, folder: RunFolder, launch: dict[str, Any], status: dict[str, Any], code: int
    ) -> None:
        """The worker is gone: the run is over, or goes back into the queue."""
        over: dict[str, Any] = {"phase": "ended", "ref": None, "kill_at": None}
        queued = {**over, "phase": "queued", "again": True, "since": time.time()}
        released = _is_of(status, launch) and bool(status.get("released"))
        if _is_of(status, launch) and status.get("state") in ENDED:
            changes = {**over, "state": None}
        elif released:
            changes = {**over, "state": "paused"}
        elif folder.control()["want"] == "stop":
            changes = {**over, "state": "stopped"}
        elif code == EXIT_START_AGAIN:
            changes = queued
        elif code > 0 and code != EXIT_TAKEN:  # then somebody else was at work, and is gone
            failure = RunError(
                f"The worker ended by itself (exit code {code}). {_last_line(folder)}".strip(),
                fix="Read worker.log in the run folder, then press Resume.",
            )
            changes = {**over, "state": "failed", "failure": failure.as_dict()}
        else:
            changes = self._lost(folder, launch, over, queued, code)
        # Somebody may have pressed Resume or Delete since.
        still = {"phase": "launched", "starts": launch.get("starts")}
        change_launch(folder, changes, only_if=still)
        asked = folder.control()
        if released and asked["seq"] > whole(status.get("seq")) and asked["want"] != "pause":
            # Asked for while the worker was leaving: it has not heard of it.
            again = {**queued, "again": False, "state": None}
            change_launch(folder, again, only_if={"phase": "ended", "state": "paused"})

    def _lost(
        self, folder: RunFolder, launch: dict[str, Any], over: dict, queued: dict, code: int
    ) -> dict[str, Any]:
        """What becomes of a run whose worker died without a word."""
        step, best = folder.last_step(), int(launch.get("best_step") or 0)
        tries = 1 if step > best else 1 + int(launch.get("without_progress") or 0)
        progress = {"best_step": max(step, best), "without_progress": 0 if step > best else tries}
        if step > best or tries < _TRIES_WITHOUT_PROGRESS:
            news = RunError(f"run {folder.path.name} lost its worker at step {step}; it goes on")
            if self._said.is_news(news):  # what cannot be written down is found again and again
                _LOG.warning("%s", news)
            return {**queued, **progress}
        failure = why_lost(tries, best, code, text(folder.status().get("message")))
        return {**over, **progress, "state": "failed", "failure": failure.as_dict()}

    def _launch(self, chosen: Waiting) -> None:
        folder = RunFolder(self.runs_dir / chosen.run_id)
        with exclusive_lock(folder.path / "launch.lock"):
            launch = folder.launch()
            if launch.get("phase") != "queued":  # stopped or deleted a moment ago
                return
            after = folder.last_attempt()
            launch.update(phase="launched", ref=None, t=time.time(), after_attempt=after)
            launch["starts"] = int(launch.get("starts") or 0) + 1
            write_json(folder.launch_file, launch)
            try:
                launch["ref"] = self._start_worker(folder.path)
            except (OSError, UserError) as error:
                failure = RunError(f"No worker could be started: {error}", fix="Press Resume.")
                launch.update(phase="ended", state="failed", failure=failure.as_dict())
            # If this cannot be written the worker is still found by its lock.
            write_json(folder.launch_file, launch)
        with explain_os_error(self.data_dir):
            served = read_json(self.data_dir / "served.json")
            write_json(self.data_dir / "served.json", {**served, chosen.owner: time.time()})

    def _start_worker(self, run_dir: Path) -> dict[str, Any]:
        ref = self._spare.take(run_dir) if self._spare is not None else None
        return ref or self.launcher.start(self._command, run_dir, self._env)


def _is_of(status: dict[str, Any], launch: dict[str, Any]) -> bool:
    """Whether the heartbeat is of the worker that was launched last."""
    return int(status.get("attempt") or 0) > int(launch.get("after_attempt") or 0)


def _last_line(folder: RunFolder) -> str:
    """What the worker said last, where that may tell why it ended."""
    with contextlib.suppress(OSError):
        lines = folder.log.read_bytes()[-4000:].decode(errors="replace").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        return f"Its last words: {said[-1][:300]}" if said else ""
    return ""
