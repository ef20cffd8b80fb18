"""Where a worker runs: on this machine, or elsewhere (`dask_launcher.py`).

A launcher starts ``command RUN_DIR``, says whether it lives, and ends it. It knows nothing of
training: the run folder says the rest. What `start` returns is plain data, so that another server
process may ask on.
"""

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from diffbio_engine.runs.device import with_kept_memory
from diffbio_engine.runs.folder.durable_files import explain_os_error
from diffbio_engine.runs.folder.processes import birth, is_alive, send
from diffbio_engine.runs.queue.gpus import GpusInUse, gpus_here, of_a_worker, shown_to

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

    def holds_a_place(self, ref: dict[str, Any], *, paused: bool) -> bool:
        """Whether a run that lives keeps another from beginning."""

    def places(self, env: Mapping[str, str | None]) -> int:
        """How many may compute at once; `env` changes the environment of workers."""

    def where(self) -> str:
        """Where workers run, in words."""


def changed_environment(env: Mapping[str, str | None]) -> dict[str, str]:
    """The environment of a worker: this process's with the changes."""
    merged: dict[str, str | None] = {**os.environ, **env}
    return with_kept_memory({name: value for name, value in merged.items() if value is not None})


def spawn(
    command: Sequence[str], run_dir: Path, env: Mapping[str, str | None]
) -> subprocess.Popen[bytes]:
    """Starts a worker in a session of its own, so that it outlives this process."""
    with explain_os_error(run_dir / "worker.log"), (run_dir / "worker.log").open("ab") as log:
        return subprocess.Popen(
            [*command, str(run_dir)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=changed_environment(env),
            start_new_session=True,
        )


class LocalLauncher:
    """Runs workers as processes of this machine; they go on when the server ends.

    Args:
        gpus: The GPUs of a worker with this environment.
    """

    def __init__(self, gpus: Callable[[Mapping[str, str]], list[str]] = gpus_here) -> None:
        self._children: dict[int, subprocess.Popen[bytes]] = {}
        self._gpus_of, self._in_use = gpus, GpusInUse()

    def start(
        self, command: Sequence[str], run_dir: Path, env: Mapping[str, str | None]
    ) -> dict[str, Any]:
        """Starts a worker; see `Launcher`."""
        gpu = self.next_gpu(env)
        return self.adopt(spawn(command, run_dir, shown_to(env, gpu)), gpu)

    def next_gpu(self, env: Mapping[str, str | None]) -> str | None:
        """Which GPU the next worker is to be shown; None where there are not several."""
        return self._in_use.next_of(self._gpus_of(of_a_worker(env)))

    def suits(self, gpu: str | None, env: Mapping[str, str | None]) -> bool:
        """Whether a worker that waits on this GPU has as good a place as any now."""
        return self._in_use.is_as_free(gpu, self._gpus_of(of_a_worker(env)))

    def adopt(self, child: subprocess.Popen[bytes], gpu: str | None = None) -> dict[str, Any]:
        """Looks after a process that this one started, which was shown this GPU."""
        for old in [c for c in self._children.values() if c.poll() is not None]:
            # Nobody asked on: its run was deleted or queued again meanwhile.
            del self._children[old.pid]
            self._in_use.is_gone(old.pid)
        self._children[child.pid] = child
        self._in_use.has(child.pid, gpu)
        ref = {"kind": "local", "pid": child.pid, "born": birth(child.pid)}
        return ref if gpu is None else {**ref, "gpu": gpu}

    def poll(self, ref: dict[str, Any]) -> int | None:
        """Whether it lives; see `Launcher`."""
        child = self._children.get(ref["pid"])
        if child is None:
            code = None if is_alive(ref["pid"], ref.get("born")) else LOST
        else:
            code = child.poll()
        if code is None:
            self._in_use.has(ref["pid"], ref.get("gpu"))  # a server before this one started it
        else:
            self._children.pop(ref["pid"], None)
            self._in_use.is_gone(ref["pid"])
        return code

    def kill(self, ref: dict[str, Any], *, hard: bool) -> None:
        """Ends it; see `Launcher`."""
        send(ref["pid"], ref.get("born"), signal.SIGKILL if hard else signal.SIGTERM)

    def holds_a_place(self, ref: dict[str, Any], *, paused: bool) -> bool:
        """A paused one lets others compute; see `Launcher`."""
        self._in_use.rests(ref["pid"], paused)
        return not paused

    def places(self, env: Mapping[str, str | None]) -> int:
        """One for each GPU; without any one for every two processors that may be used."""
        return len(self._gpus_of(of_a_worker(env))) or max(1, _processors() // 2)

    def where(self) -> str:
        """Here; see `Launcher`."""
        return "this machine"


def _processors() -> int:
    """Those that this process may use; a container or a batch system may have fewer than it has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
