"""A spare worker that has done its slow imports and a small layout, and waits for a run."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from diffbio_engine.runs.queue.gpus import shown_to
from diffbio_engine.runs.queue.launchers import LocalLauncher, changed_environment


class WarmWorker:
    """Keeps one worker waiting for a run.

    Args:
        command: How a worker is started; ``--spare`` is added.
        log: Where the spare writes until it has a run.
        env: Changes of the environment; None removes.
        launcher: Knows which GPU is free, and looks after the worker once it has a run.
    """

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        env: Mapping[str, str | None],
        launcher: LocalLauncher,
    ):
        self._command, self._log, self._env = [*command, "--spare"], log, env
        self._launcher = launcher
        self._child: subprocess.Popen[bytes] | None = None
        self._gpu: str | None = None

    def prepare(self) -> None:
        """Starts a spare if none is waiting."""
        if self._child is not None and self._child.poll() is None:
            return
        self._gpu = self._launcher.next_gpu(self._env)
        with self._log.open("wb") as log:
            self._child = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=changed_environment(shown_to(self._env, self._gpu)),
                start_new_session=True,
            )

    def take(self, run_dir: Path) -> dict[str, Any] | None:
        """Gives the run to the spare, and says how it is known, as `Launcher.start` does.

        None if there is none, or if another GPU has fewer at work than the one on which it waits:
        then a worker must be started.
        """
        if not self._launcher.suits(self._gpu, self._env):
            return None
        child, self._child = self._child, None
        if child is None or child.poll() is not None or child.stdin is None:
            return None
        try:
            child.stdin.write(f"{run_dir}\n".encode())
            child.stdin.close()
        except OSError:
            return None
        return self._launcher.adopt(child, self._gpu)

    def close(self) -> None:
        """Lets a waiting spare go."""
        if self._child is not None and self._child.stdin is not None:
            self._child.stdin.close()
            try:
                self._child.wait(timeout=2)
            except subprocess.TimeoutExpired:
                self._child.kill()  # in the midst of its imports; it has nothing to lose
                self._child.wait()
            self._child = None


def wait_for_run() -> Path | None:
    """In the spare, after its imports: waits for a run, and writes to its log from then on.

    Returns:
        The run folder, or None if the server is gone: then there is nothing to do.
    """
    line = sys.stdin.readline()
    if not line.endswith("\n"):
        return None
    run_dir = Path(line.rstrip("\n"))
    log = os.open(run_dir / "worker.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    return run_dir
