"""The previewing processes of a server: few at once, begun at a wish, ended with a tab."""

import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from diffbio_engine.errors import RunError
from diffbio_engine.runs.folder.durable_files import explain_os_error
from diffbio_engine.runs.folder.paths import RunFolder
from diffbio_engine.runs.folder.plain_values import text
from diffbio_engine.runs.folder.preview_folder import PreviewFolder, refuses_preview
from diffbio_engine.runs.queue.launchers import changed_environment

# Each holds a data set and a pipeline in memory.
MOST = 3
# One that was asked later than this gives no place to another.
_IN_USE_SECONDS = 20.0


@dataclass
class _Child:
    process: subprocess.Popen[bytes]
    asked: float
    by: str
    owner: str


class Previews:
    """Starts previewing processes and ends them.

    They compute on the processors of this machine and hold no place in the queue: they take
    seconds, and a run on a GPU is not disturbed.

    Args:
        env: Changes of their environment; None removes.
        command: How one is started; the run folder is added.
        most: How many at once.
    """

    def __init__(
        self,
        env: Mapping[str, str | None],
        command: Sequence[str] = (sys.executable, "-m", "diffbio_engine", "preview"),
        most: int = MOST,
    ):
        self._env = {**env, "JAX_PLATFORMS": "cpu"}
        self._command, self._most = list(command), most
        self._children: dict[str, _Child] = {}
        self._ending: list[subprocess.Popen[bytes]] = []
        self._guard = threading.Lock()

    def ask(self, run: RunFolder, dials: Mapping[str, float], by: str = "") -> int:
        """Asks for the map of an ended run with these dials; returns the number of the request.

        Args:
            by: Who asks; `end` by somebody else leaves the process alone.

        Raises:
            RunError: If the run is at work, or too many previews are.
        """
        if words := refuses_preview(run.state()):
            raise RunError(words)
        folder, owner = PreviewFolder(run), text(run.run.get("owner"))
        with self._guard:
            self._reap()
            known = self._children.get(str(run.path))
            if known is None and not folder.is_at_work():
                self._make_room(owner)
            seq = folder.ask(dials)
            if known is not None:
                known.asked, known.by = time.monotonic(), by
            elif not folder.is_at_work():  # another server may have started it
                self._children[str(run.path)] = self._start(folder, by, owner)
        return seq

    def is_at_work(self, run: RunFolder) -> bool:
        """Whether a process is there to draw."""
        with self._guard:
            self._reap()
            return str(run.path) in self._children or PreviewFolder(run).is_at_work()

    def end(self, run: RunFolder, by: str = "") -> None:
        """Nobody looks any more, as far as `by` knows."""
        with self._guard:
            known = self._children.get(str(run.path))
            if known is not None and known.by == by:
                self._end(str(run.path))
            self._reap()

    def close(self) -> None:
        """Ends all."""
        with self._guard:
            for path in list(self._children):
                self._end(path)
            ending, self._ending = self._ending, []
        for process in ending:
            try:
                process.wait(timeout=2)
            except subprocess.TimeoutExpired:
                process.kill()  # it has nothing to lose
                process.wait()

    def _start(self, folder: PreviewFolder, by: str, owner: str) -> _Child:
        with explain_os_error(folder.log), folder.log.open("wb") as log:
            process = subprocess.Popen(
                [*self._command, str(folder.run.path)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=changed_environment(self._env),
                start_new_session=True,
            )
        return _Child(process, time.monotonic(), by, owner)

    def _make_room(self, owner: str) -> None:
        """Ends one where there are too many: of whoever has most, if this person has fewer."""
        if len(self._children) < self._most:
            return
        had = Counter(child.owner for child in self._children.values())
        greedy, n = had.most_common(1)[0]
        is_fair = n <= had[owner] + 1
        could_end = [(p, c) for p, c in self._children.items() if is_fair or c.owner == greedy]
        path, oldest = min(could_end, key=lambda item: item[1].asked)
        if is_fair and time.monotonic() - oldest.asked < _IN_USE_SECONDS:
            raise RunError(
                f"{self._most} previews are at work on this server.",
                fix="Turn the dial again in a minute.",
            )
        self._end(path)

    def _end(self, path: str) -> None:
        process = self._children.pop(path).process
        process.terminate()
        self._ending.append(process)

    def _reap(self) -> None:
        gone = [path for path, child in self._children.items() if child.process.poll() is not None]
        for path in gone:
            del self._children[path]
        self._ending = [process for process in self._ending if process.poll() is None]
