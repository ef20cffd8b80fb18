"""How much room each person takes on the disk, what is let go by itself, and what is refused."""

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from diffbio_engine.errors import DataError, RunError
from diffbio_engine.quantities import in_units
from diffbio_engine.runs.folder.durable_files import explain_os_error
from diffbio_engine.runs.folder.paths import RunFolder
from diffbio_engine.runs.folder.plain_values import text
from diffbio_engine.workspace.dataset_entry import entry_in
from diffbio_engine.workspace.store import folder_name

# What the disk keeps free for runs and the system.
KEPT_FREE = 256 << 20
TRASH_DAYS = 14.0
_UPLOAD_SECONDS = 86_400.0
_REMEMBERED_SECONDS = 30.0


@dataclass(frozen=True)
class Used:
    """Bytes that a person's things take, what may be taken (None: no limit), and what is free."""

    data: int
    runs: int
    trash: int
    quota: int | None
    free: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.data + self.runs + self.trash


class Room:
    """The disk of one data folder.

    Args:
        data_dir: Holds ``owners/``, ``runs/`` and ``trash/``.
        runs_of: The names of the run folders of a person.
        quota: Bytes that a person may take; None: as much as there is.
        trash_days: After how many days the trash lets go of a run.
    """

    def __init__(
        self,
        data_dir: Path,
        runs_of: Callable[[str], list[str]],
        *,
        quota: int | None = None,
        trash_days: float = TRASH_DAYS,
    ):
        self.data_dir, self._runs_of = data_dir, runs_of
        self.quota, self.trash_days = quota, trash_days
        self._sizes: dict[Path, tuple[float, int]] = {}
        self._guard = threading.Lock()

    def used(self, owner: str) -> Used:
        """What a person takes; sizes of runs are at most half a minute old."""
        runs = [self._size(self.data_dir / "runs" / name) for name in self._runs_of(owner)]
        trash = [self._size(folder) for folder in self._trash_of(owner)]
        data = size_of(self.data_dir / "owners" / folder_name(owner))  # pipelines, too
        return Used(data, sum(runs), sum(trash), self.quota, self.free())

    def free(self) -> int:
        """Bytes that may still be written."""
        return self._free_but_for(0)

    def require(self, owner: str, n_bytes: int, what: str, promised: int = 0) -> None:
        """Refuses what would not fit.

        Args:
            owner: For whom.
            n_bytes: What it takes.
            what: What it is called.
            promised: What others were promised and have not written yet.

        Raises:
            DataError: If the disk or the person's share of it is too small.
        """
        left = max(self.free() - promised, 0)
        if n_bytes > left:
            raise DataError(
                f"{what} needs {in_units(n_bytes)}, and the disk of the server has "
                f"{in_units(left)} left.",
                fix="Delete data sets or runs that are no longer needed and empty the trash, or "
                "choose a smaller file.",
            )
        if self.quota is not None and (used := self.used(owner)).total + n_bytes > self.quota:
            raise DataError(
                f"{what} needs {in_units(n_bytes)}. You use {in_units(used.total)} of the "
                f"{in_units(self.quota)} that each person has here (data {in_units(used.data)}, "
                f"runs {in_units(used.runs)}, trash {in_units(used.trash)}).",
                fix="Delete data sets or runs that are no longer needed, and empty the trash.",
            )

    def empty_trash(self, owner: str) -> int:
        """Removes what the person has deleted; how many bytes came free."""
        return sum(self._remove(folder) for folder in self._trash_of(owner))

    def tidy(self) -> int:
        """Removes what nobody waits for any more; how many bytes came free.

        Old trash (all of it, the oldest first, while the disk is short of more than what readers
        have unpacked for a look, which goes by itself), uploads that were given
        up a day ago, and what ended workers left half-written.
        """
        now, freed = time.time(), 0
        trash = sorted((self.data_dir / "trash").glob("*"), key=_changed)
        for folder in trash:
            if now - _changed(folder) > self.trash_days * 86_400 or self._is_short():
                freed += self._remove(folder)
        for folder in (self.data_dir / "owners").glob("*/datasets/*"):
            if _is_given_up(folder, now):
                freed += self._remove(folder)
        for folder in (self.data_dir / "runs").glob("*"):
            freed += self._half_written(folder)
        return freed

    def _is_short(self) -> bool:
        return self._free_but_for(size_of(self.data_dir / ".reading")) <= 0

    def _free_but_for(self, n_bytes: int) -> int:
        """Bytes that could be written if `n_bytes` were removed first."""
        with explain_os_error(self.data_dir / "owners"):
            return max(shutil.disk_usage(self.data_dir).free + n_bytes - KEPT_FREE, 0)

    def _half_written(self, folder: Path) -> int:
        with contextlib.suppress(OSError):
            if RunFolder(folder).is_locked():
                return 0
        left = [p for p in (folder / "checkpoints").glob("*") if not _is_checkpoint(p)]
        left += [p for pattern in ("*.part", ".*.part", ".*.partial", ".unpacked") for p in
                 folder.glob(pattern)]  # fmt: skip
        # A worker that starts just now may have begun to write.
        return sum(self._remove(p) for p in left if time.time() - _changed(p) > 600)

    def _trash_of(self, owner: str) -> list[Path]:
        return [f for f in (self.data_dir / "trash").glob("*") if _owner_of(f) == owner]

    def _size(self, folder: Path) -> int:
        now = time.monotonic()
        with self._guard:
            when, known = self._sizes.get(folder, (-_REMEMBERED_SECONDS, 0))
        if now - when < _REMEMBERED_SECONDS:
            return known
        known = size_of(folder)
        with self._guard:
            if len(self._sizes) > 10_000:
                self._sizes.clear()
            self._sizes[folder] = (now, known)
        return known

    def _remove(self, path: Path) -> int:
        n = size_of(path)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        with self._guard:
            self._sizes.pop(path, None)
        return n - size_of(path)


def size_of(path: Path) -> int:
    """Bytes on the disk of a file or of all that a folder holds; links are not followed."""
    total = 0
    with contextlib.suppress(OSError):
        if not path.is_dir() or path.is_symlink():
            return path.lstat().st_blocks * 512
        with os.scandir(path) as inside:
            for item in inside:
                with contextlib.suppress(OSError):
                    if item.is_dir(follow_symlinks=False):
                        total += size_of(Path(item.path))
                    else:
                        total += item.stat(follow_symlinks=False).st_blocks * 512
    return total


def _changed(path: Path) -> float:
    with contextlib.suppress(OSError):
        return path.lstat().st_mtime
    return time.time()


def _owner_of(folder: Path) -> str | None:
    run = RunFolder(folder)
    with contextlib.suppress(RunError, OSError):
        return text(run.run.get("owner")) or text(run.launch().get("owner")) or None
    return text(run.launch().get("owner")) or None


def _is_given_up(folder: Path, now: float) -> bool:
    """Whether it is an upload of which nothing arrived for a day."""
    entry = entry_in(folder)
    if entry is None or not entry.uploaded or entry.path.exists():
        return False
    last = _changed(entry.partial_path) if entry.partial_path.exists() else entry.added
    return now - max(last, entry.added) > _UPLOAD_SECONDS


def _is_checkpoint(path: Path) -> bool:
    return path.suffix == ".safetensors" and path.stem.isdecimal()
