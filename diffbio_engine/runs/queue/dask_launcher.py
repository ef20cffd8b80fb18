"""Workers wherever a Dask cluster has a place for them; the run folders must be seen there too."""

import contextlib
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from diffbio_engine.errors import RunError
from diffbio_engine.runs.folder.durable_files import explain_os_error, read_json, write_json
from diffbio_engine.runs.folder.paths import ENDED, RunFolder
from diffbio_engine.runs.queue.launchers import LOST, spawn

_SECONDS_BETWEEN_COUNTS = 2.0
_SECONDS_ON_THE_WAY = 30.0


class DaskLauncher:
    """Runs workers wherever a Dask cluster has a place.

    The task only looks after the same child process. How it ended is written beside the run,
    because Dask forgets a finished task that nobody waited for. A Dask worker that dies leaves the
    child at work; Dask then starts the task again elsewhere, which finds the run's lock taken and
    ends at once: it must not keep a place of which it makes no use. The engine knows by the lock
    how long the child lives.

    Args:
        client: A ``distributed.Client``, or the address of a scheduler. Its port runs any code
            that reaches it: keep it on a private network or behind TLS.
        resources: What a worker needs: ``{"GPU": 1}`` where Dask workers declare GPUs.
        security: Keywords of ``distributed.Security``, where the address begins with tls://.
        seconds: To wait for an answer of the scheduler.

    Raises:
        RunError: Dask is not installed, or nobody answers at the address.
    """

    def __init__(
        self,
        client: Any,
        resources: Mapping[str, float] | None = None,
        security: Mapping[str, Any] | None = None,
        seconds: float = 10.0,
    ):
        try:
            import distributed
        except ImportError as error:
            raise RunError(
                "Dask is not installed here.",
                fix="Install the package 'distributed', or run on this machine (LAUNCHER=local).",
            ) from error
        self._distributed = distributed
        self._resources, self._security = dict(resources or {}), dict(security or {})
        self._address = client if isinstance(client, str) else ""
        self._seconds, self._guard = seconds, threading.Lock()
        self._given = None if self._address else client
        self._counted = (0.0, 0)
        self._seen: set[str] = set()
        self._places()

    @property
    def _client(self) -> Any:
        """The client; a new one where the last gave up, because its scheduler was away."""
        with self._guard:
            if self._given is None or (self._address and self._given.status == "closed"):
                self._given = self._connected()
            return self._given

    def _connected(self) -> Any:
        try:
            security = self._distributed.Security(require_encryption=True, **self._security)
            return self._distributed.Client(
                self._address,
                timeout=self._seconds,
                security=security if self._address.startswith("tls://") else None,
                set_as_default=False,
            )
        except (OSError, ValueError, TypeError) as error:
            raise RunError(
                f"No Dask scheduler answers at {self._address} ({error or type(error).__name__}).",
                fix="Start it (dask scheduler), or correct DASK_SCHEDULER; with tls:// also the "
                "files of DASK_TLS_CA, DASK_TLS_CERT and DASK_TLS_KEY.",
            ) from None

    def close(self) -> None:
        """Leaves the cluster; what runs there goes on."""
        if self._address and self._given is not None:
            self._given.close()

    def start(
        self, command: Sequence[str], run_dir: Path, env: Mapping[str, str | None]
    ) -> dict[str, Any]:
        """Hands the worker to Dask; see `Launcher`."""
        key = f"run-{run_dir.name}-{secrets.token_hex(4)}"
        after = RunFolder(run_dir).last_attempt()
        future = self._client.submit(
            supervise, list(command), str(run_dir), dict(env), key, after,
            key=key, pure=False, resources=self._resources or None,
        )  # fmt: skip
        self._distributed.fire_and_forget(future)
        return {"kind": "dask", "key": key, "run_dir": str(run_dir), "t": time.time()}

    def poll(self, ref: dict[str, Any]) -> int | None:
        """Whether it lives; see `Launcher`."""
        key, ending = ref["key"], _ending(ref["run_dir"], ref["key"])
        if ended := read_json(ending):
            return int(ended["code"])
        if self._client.run_on_scheduler(_is_known, key=key):
            self._seen.add(key)
            return None
        # What was handed over a moment ago may still be on its way, behind this question.
        if key not in self._seen and time.time() - ref.get("t", 0.0) < _SECONDS_ON_THE_WAY:
            return None
        self._seen.discard(key)
        return int(read_json(ending).get("code", LOST))

    def kill(self, ref: dict[str, Any], *, hard: bool) -> None:
        """Ends it; see `Launcher`."""
        run_dir = ref["run_dir"]
        if _ending(run_dir, ref["key"]).exists():
            # Left by a Dask worker that died: whoever is on its machine sends the signal.
            number = signal.SIGKILL if hard else signal.SIGTERM
            signal_child(run_dir, number)
            self._client.run(_signal_child_there, run_dir, number, wait=False)
            return
        name = "kill" if hard else "end"
        with explain_os_error(Path(run_dir)):
            _ending(run_dir, ref["key"]).with_suffix(f".{name}").touch()

    def holds_a_place(self, ref: dict[str, Any], *, paused: bool) -> bool:
        """A paused one, too, until it gives its memory back; one whose Dask worker died does not.

        See `Launcher`.
        """
        return not _ending(ref["run_dir"], ref["key"]).exists()

    def places(self, env: Mapping[str, str | None]) -> int:
        """One for each Dask worker, or what they declare of the resources; see `Launcher`."""
        when, found = self._counted
        if time.monotonic() - when > _SECONDS_BETWEEN_COUNTS:
            try:
                found = self._places()
            except (OSError, RuntimeError, RunError):  # the scheduler is away
                found = 0
        return found

    def _places(self) -> int:
        there = self._client.run_on_scheduler(_resources_of_workers)
        if self._resources:
            shares = [[of.get(n, 0) // k for n, k in self._resources.items()] for of in there]
            found = int(sum(min(share) for share in shares))
        else:
            found = len(there)
        self._counted = time.monotonic(), found
        return found

    def where(self) -> str:
        """The address; see `Launcher`."""
        return f"Dask {self._address or self._client.scheduler.address}"


def supervise(
    command: list[str], run_dir: str, env: dict[str, str | None], key: str, after: int
) -> int:
    """The Dask task: starts the worker, and writes how it ended."""
    folder, ending = RunFolder(run_dir), _ending(run_dir, key)
    code = 0
    if folder.is_locked():  # a child left by a Dask worker that died
        code = LOST
    elif not _has_ended(folder.status(), after):
        child = spawn(command, folder.path, env)
        while (running := child.poll()) is None:
            for name, number in (("end", signal.SIGTERM), ("kill", signal.SIGKILL)):
                asked = ending.with_suffix(f".{name}")
                if asked.exists():
                    asked.unlink()
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(child.pid, number)
            time.sleep(0.1)
        code = running
    write_json(ending, {"code": code})
    return code


def signal_child(run_dir: str, number: int) -> None:
    """Sends a signal to the worker of a run, if it lives on this machine."""
    folder = RunFolder(run_dir)
    status = folder.status()
    if status.get("host") == socket.gethostname() and folder.is_locked():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(int(status["pid"]), number)


async def _signal_child_there(run_dir: str, number: int) -> None:
    signal_child(run_dir, number)


def _has_ended(status: Mapping[str, Any], after: int) -> bool:
    return int(status.get("attempt") or 0) > after and status.get("state") in ENDED


def _ending(run_dir: str, key: str) -> Path:
    return Path(run_dir) / f".{key}.ended"


def _is_known(key: str, dask_scheduler: Any = None) -> bool:
    task = dask_scheduler.tasks.get(key)
    return task is not None and task.state not in ("memory", "erred", "released", "forgotten")


def _resources_of_workers(dask_scheduler: Any = None) -> list[dict[str, float]]:
    return [dict(worker.resources) for worker in dask_scheduler.workers.values()]
