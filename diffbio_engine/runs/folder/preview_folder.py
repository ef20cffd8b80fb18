"""The folder ``preview/`` of a run: what an ended run would show with other dials.

Nothing of the run lies in it, and nothing of it belongs to the run: it may be removed at any time.
The server writes ``asked.json``, the previewing process all the rest.
"""

import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from diffbio_engine.runs.folder.durable_files import (
    exclusive_lock,
    explain_os_error,
    read_json,
    write_json,
)
from diffbio_engine.runs.folder.paths import ENDED, RunFolder, lock_is_held
from diffbio_engine.runs.folder.plain_values import named, whole
from diffbio_engine.runs.folder.snapshots import (
    Snapshot,
    load_snapshot,
    snapshot_path,
    write_snapshot,
)


class PreviewFolder:
    """Where server and previewing process meet. Making this object touches nothing."""

    def __init__(self, run: RunFolder):
        self.run = run
        self.path = run.path / "preview"
        self.asked_file = self.path / "asked.json"
        self.status_file = self.path / "status.json"
        self.lock_file = self.path / "lock"
        self.log = self.path / "preview.log"
        self._maps = self.path / "maps"

    # The server's side --------------------------------------------------------------------

    def ask(self, dials: Mapping[str, float]) -> int:
        """Asks for a map with these dials, the others as trained; returns its number.

        Only the newest request counts.
        """
        with explain_os_error(self.path):
            self.path.mkdir(exist_ok=True)
        with exclusive_lock(self.path / "asked.lock"):
            seq = whole(read_json(self.asked_file).get("seq")) + 1
            asked = {"seq": seq, "t": time.time(), "dials": dict(dials)}
            write_json(self.asked_file, asked, durable=False)
        return seq

    def is_at_work(self) -> bool:
        """Whether a previewing process lives."""
        return lock_is_held(self.lock_file)

    def status(self) -> dict[str, Any]:
        """What the process said last: ``state``, ``message``, ``error``, and of the map that was
        drawn last ``seq``, ``dials``, ``step`` (of the weights), ``moved`` (whether it differs)."""
        return read_json(self.status_file)

    def drawn(self, seq: int) -> Snapshot | None:
        """The map of a request, if it is still there."""
        found = load_snapshot(self._maps, seq)
        return found if found is not None and found.step == seq else None

    # The process's side -------------------------------------------------------------------

    def asked(self) -> tuple[int, dict[str, Any]]:
        """Number and dials of the newest request."""
        asked = read_json(self.asked_file)
        return whole(asked.get("seq")), named(asked.get("dials"))

    def say(self, **words: Any) -> None:
        """Replaces what the process says of itself."""
        write_json(self.status_file, words, durable=False)

    def draw(self, seq: int, snapshot: Snapshot) -> None:
        """Writes what a request shows in the place of the one before."""
        before = list(self._maps.glob("*.npz"))
        write_snapshot(snapshot_path(self._maps, seq), snapshot)
        for old in before:
            if old != snapshot_path(self._maps, seq):
                old.unlink(missing_ok=True)

    def clear(self) -> None:
        """An empty place for maps; what a process left that was killed goes."""
        self.drop()
        with explain_os_error(self._maps):
            self._maps.mkdir(parents=True, exist_ok=True)

    def drop(self) -> None:
        """Removes the maps; nobody waits for them any more."""
        with suppress(OSError):
            shutil.rmtree(self._maps)

    def is_wanted(self) -> bool:
        """Whether the run is still there and has ended: nobody trains what is previewed."""
        run = self.run
        return (
            run.run_file.exists()
            and not run.is_locked()
            and run.launch().get("phase") not in ("queued", "launched")
        )


def refuses_preview(state: str) -> str:
    """Why a run in this state cannot be previewed; empty if it can."""
    if state in ENDED:
        return ""
    return "This run is at work: a dial that is turned acts in it."
