"""What was drawn at a step: a map and what colours it, kept thinly over the whole run.

``snapshots/<step>.npz`` holds ``map``, float32 (n, 2), and any arrays of n cells; ``latest.json``
names the newest, ``history.json`` those that are kept for the timeline. The last few and an even
selection of all earlier ones are kept, so a run of any length leaves at most about 60 maps.
"""

import contextlib
import io
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from diffbio_engine.runs.folder.durable_files import read_json, replace_with, write_json
from diffbio_engine.runs.folder.plain_values import whole

SCORE = "score:"
"""Begins the name of an array that is a number by cell which a port gives."""
LIKELIEST = "likeliest:"
"""Begins the name of an array that is the likeliest class by cell of a port's shares."""


@dataclass(frozen=True)
class Snapshot:
    """A map of n cells at a step, and what may colour it.

    Args:
        step: When it was drawn.
        map: float32 (n, 2).
        arrays: n values by name: ``labels`` (int16), ``certainty`` (float32), ...
        note: What it shows, in words, where that is not the run itself.
    """

    step: int
    map: np.ndarray
    arrays: dict[str, np.ndarray]
    note: str = ""

    @property
    def likeliest(self) -> dict[str, np.ndarray]:
        """The likeliest class of each cell by what blocks share cells among, by port."""
        return self._by_port(LIKELIEST)

    @property
    def scores(self) -> dict[str, np.ndarray]:
        """What blocks say of each cell as one number, by port: ``"doublets.doublet_scores"``."""
        return self._by_port(SCORE)

    def _by_port(self, prefix: str) -> dict[str, np.ndarray]:
        named = self.arrays.items()
        return {n.removeprefix(prefix): array for n, array in named if n.startswith(prefix)}


class SnapshotWriter:
    """Keeps the last snapshots and a thin history.

    Args:
        folder: The snapshots folder of a run.
        keep: How many of the last are kept.
        every: Every how many snapshots one goes into the history.
        most: How many the history holds; when it is full every second one is given up.
    """

    def __init__(self, folder: Path, *, keep: int = 3, every: int = 10, most: int = 60):
        self.folder, self.keep, self.most = folder, keep, most
        folder.mkdir(exist_ok=True)
        for left in folder.glob(".*.partial"):
            left.unlink(missing_ok=True)
        found = read_json(folder / "history.json")
        steps = found.get("steps")
        steps = steps if isinstance(steps, list) else []
        self._every = max(whole(found.get("every"), every), 1)
        self._history: list[int] = sorted(s for s in steps if isinstance(s, int))
        self._count = whole(found.get("count"))
        self._recent = snapshot_steps(folder)

    def save(self, step: int, map: np.ndarray, arrays: Mapping[str, np.ndarray]) -> None:
        """Writes one snapshot and makes it the latest."""
        write_snapshot(snapshot_path(self.folder, step), map, arrays)
        self._point_to(step)
        self._recent = [s for s in self._recent if s != step] + [step]
        if self._count % self._every == 0:
            self._remember(step)
        self._count += 1
        self._give_up_old()

    def drop_after(self, step: int) -> None:
        """Forgets what a superseded attempt drew later than `step`."""
        for late in [s for s in self._recent if s > step]:
            snapshot_path(self.folder, late).unlink(missing_ok=True)
        self._recent = [s for s in self._recent if s <= step]
        self._history = [s for s in self._history if s <= step]
        self._write_history()
        if self._recent:
            self._point_to(self._recent[-1])
        else:
            (self.folder / "latest.json").unlink(missing_ok=True)

    def _point_to(self, step: int) -> None:
        write_json(self.folder / "latest.json", {"step": step}, durable=False)

    def _remember(self, step: int) -> None:
        self._history = [s for s in self._history if s != step] + [step]
        if len(self._history) > self.most:
            self._history = self._history[::2]
            self._every *= 2
        self._write_history()

    def _write_history(self) -> None:
        content = {"every": self._every, "count": self._count, "steps": self._history}
        write_json(self.folder / "history.json", content, durable=False)

    def _give_up_old(self) -> None:
        kept = {*self._history, *self._recent[-self.keep :]}
        for old in [s for s in self._recent if s not in kept]:
            snapshot_path(self.folder, old).unlink(missing_ok=True)
        self._recent = [s for s in self._recent if s in kept]


def write_snapshot(path: Path, map: np.ndarray, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes one map with what colours it, whole or not at all."""
    content = {"map": np.asarray(map, dtype=np.float32)}
    content |= {name: np.asarray(array) for name, array in arrays.items()}
    for name, array in content.items():
        if array.dtype.hasobject:
            raise TypeError(f"snapshot array {name!r} holds Python objects")
        if len(array) != len(content["map"]):
            raise ValueError(f"{name!r} has {len(array)} values, {len(content['map'])} cells")
    # A map that is lost by a power failure is drawn again, so nothing waits for the disk.
    replace_with(path, lambda file: np.savez(file, allow_pickle=False, **content), durable=False)


def snapshot_path(folder: Path, step: int) -> Path:
    """Where the snapshot of a step lies."""
    return folder / f"{step:09d}.npz"


def snapshot_steps(folder: Path) -> list[int]:
    """The steps that can be drawn again."""
    return sorted(int(path.stem) for path in folder.glob("*.npz") if path.stem.isdigit())


def latest_step(folder: Path) -> int | None:
    """The step of the newest snapshot."""
    step = read_json(folder / "latest.json").get("step")
    return step if isinstance(step, int) else None


def load_snapshot(folder: Path, step: int | None = None) -> Snapshot | None:
    """The newest snapshot, or the nearest kept at or before `step`; None if there is none.

    A file that cannot be read, as a power failure may leave it, is passed over.
    """
    steps = snapshot_steps(folder)
    if step is None:
        # The pointer first: after a resume the newest need not be the greatest step.
        latest = latest_step(folder)
        order = [] if latest is None else [latest]
        order += steps[::-1]
    else:
        order = [s for s in steps if s <= step][::-1] or steps[:1]
    for candidate in order:
        # The writer may give a file up between the listing and the reading.
        with contextlib.suppress(
            OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error
        ):
            content = io.BytesIO(snapshot_path(folder, candidate).read_bytes())
            with np.load(content, allow_pickle=False) as arrays:
                named = {name: arrays[name] for name in arrays.files}
            return Snapshot(candidate, named.pop("map"), named)
    return None
