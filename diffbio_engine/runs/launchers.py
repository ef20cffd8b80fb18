"""Where a worker runs: on this machine, or wherever Dask has a place for it.

A launcher starts ``command RUN_DIR``, says whether it lives, and ends it. It knows nothing of
training: the run folder says the rest. What `start` returns is plain data, so that another server
process may ask on.
"""

import contextlib
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from diffbio_engine.errors import RunError
from diffbio_engine.runs.device import with_kept_memory
from diffbio_engine.runs.durable_files import in_words, read_json, write_json
from diffbio_engine.runs.folder import RunFolder
from diffbio_engine.runs.processes import birth, is_alive, send

# Exit code of a worker of which nobody knows how it ended.
LOST = -int(signal.SIGKILL)


class Launcher(Protocol):
    """Starts workers, and tells whether they live."""

    def start(
        self, command: Sequence[str], run_dir: Path, env: Mapping[str, str | None]
    ) -> dict[str, Any]:
        """Starts a worker; `env` changes its environment (None removes)."""

    def poll(self, ref: dict[str, Any]) -> int | None:
        """None while it lives, then its exit code; `LOST` if that cannot be known."""

    def kill(self, ref: dict[str, Any], *, hard: bool) -> None:
        """Asks it to end (it saves), or ends it."""


def changed_environment(env: Mapping[str, str | None]) -> dict[str, str]:
    """The environment of a worker: this process's with the changes."""
    merged: dict[str, str | None] = {**os.environ, **env}
    return with_kept_memory({name: value for name, value in merged.items() if value is not None})


def spawn(
    command: Sequence[str], run_dir: Path, env: Mapping[str, str | None]
) -> subprocess.Popen[bytes]:
    """Starts a worker in a session of its own, so that it outlives this process."""
    with in_words(run_dir / "worker.log"), (run_dir / "worker.log").open("ab") as log:
        return subprocess.Popen(
            [*command, str(run_dir)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=changed_environment(env),
            start_new_session=True,
        )


class LocalLauncher:
    """Runs workers as processes of this machine; they go on when the server ends."""

    def __init__(self) -> None:
        self._children: dict[int, subprocess.Popen[bytes]] = {}

    def start(
        self, command: Sequence[str], run_dir: Path, env: Mapping[str, str | None]
    ) -> dict[str, Any]:
        """Starts a worker; see `Launcher`."""
        return self.adopt(spawn(command, run_dir, env))

    def adopt(self, child: subprocess.Popen[bytes]) -> dict[str, Any]:
        """Looks after a process that this one started."""
        for old in [c for c in self._children.values() if c.poll() is not None]:
            # Nobody asked on: its run was deleted or queued again meanwhile.
            del self._children[old.pid]
        self._children[child.pid] = child
        return {"kind": "local", "pid": child.pid, "born": birth(child.pid)}

    def poll(self, ref: dict[str, Any]) -> int | None:
        """Whether it lives; see `Launcher`."""
        child = self._children.get(ref["pid"])
        if child is None:
            return None if is_alive(ref["pid"], ref.get("born")) else LOST
        code = child.poll()
        if code is not None:
            del self._children[ref["pid"]]
        return code

    def kill(self, ref: dict[str, Any], *, hard: bool) -> None:
        """Ends it; see `Launcher`."""
        send(ref["pid"], ref.get("born"), signal.SIGKILL if hard else signal.SIGTERM)


class DaskLauncher:
    """Runs workers wherever a Dask cluster has a place; the run folders must be seen there too.

    The task only looks after the same child process. How it ended is written beside the run,
    because Dask forgets a finished task that nobody waited for. A Dask worker that dies leaves the
    child at work; the task is started again elsewhere by Dask, waits for the child's lock, and
    goes on from its checkpoint if the child did not come to an end.

    Args:
        client: A ``distributed.Client``, or the address of a scheduler. Its port runs any code
            that reaches it: keep it on a private network or behind TLS.
        resources: What a worker needs: ``{"GPU": 1}`` where Dask workers declare GPUs.
    """

    def __init__(self, client: Any, resources: Mapping[str, float] | None = None):
        try:
            import distributed
        except ImportError as error:
            raise RunError(
                "Dask is not installed here.",
                fix="Install the package 'distributed', or run on this machine.",
            ) from error
        self._distributed = distributed
        self._client = distributed.Client(client) if isinstance(client, str) else client
        self._resources = dict(resources or {})

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
        return {"kind": "dask", "key": key, "run_dir": str(run_dir)}

    def poll(self, ref: dict[str, Any]) -> int | None:
        """Whether it lives; see `Launcher`."""
        ended = read_json(_ending(ref["run_dir"], ref["key"]))
        if ended:
            return int(ended["code"])
        return None if self._client.run_on_scheduler(_is_known, key=ref["key"]) else LOST

    def kill(self, ref: dict[str, Any], *, hard: bool) -> None:
        """Ends it; see `Launcher`."""
        name = "kill" if hard else "end"
        with in_words(Path(ref["run_dir"])):
            _ending(ref["run_dir"], ref["key"]).with_suffix(f".{name}").touch()


def supervise(
    command: list[str], run_dir: str, env: dict[str, str | None], key: str, after: int
) -> int:
    """The Dask task: starts the worker, and writes how it ended."""
    folder, ending = RunFolder(run_dir), _ending(run_dir, key)
    while folder.is_locked():  # a child left by a Dask worker that died
        time.sleep(0.5)
    status = folder.status()
    code = 0
    if not (status.get("attempt", 0) > after and status["state"] in ("done", "stopped", "failed")):
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


def _ending(run_dir: str, key: str) -> Path:
    return Path(run_dir) / f".{key}.ended"


def _is_known(key: str, dask_scheduler: Any = None) -> bool:
    task = dask_scheduler.tasks.get(key)
    return task is not None and task.state not in ("memory", "erred", "released", "forgotten")
