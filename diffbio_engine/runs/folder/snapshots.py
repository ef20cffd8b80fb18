"""What was drawn at a step: arrays by port, of one record of the data set each, kept thinly.

``snapshots/<step>.npz`` holds an array for each port, with ``facts.json``: their kinds, and which
map and which classes are shown first. A map is one of them, and there need be none. ``latest.json``
names the newest, ``history.json`` those that are kept for the timeline. The last few and an even
selection of all earlier ones are kept, so a run of any length leaves at most about 60 of them.
"""

import contextlib
import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from diffbio_engine.ports import Kind
from diffbio_engine.runs.folder.durable_files import read_json, replace_with, write_json
from diffbio_engine.runs.folder.plain_values import named, text, whole
from diffbio_engine.runs.folder.snapshots_of_before import snapshot_of_before

# More records than this are not drawn: an even sample stands for them, and the page says so.
MOST_DRAWN = 50_000
_FACTS = "facts.json"
# No port is called so: their names have a dot.
_CERTAINTY, _ROWS = "certainty", "rows"
MAPS = (Kind.MAP, Kind.COORDINATES)
_SCORES = (Kind.SCORE, Kind.TIME)


@dataclass(frozen=True)
class Snapshot:
    """What a pipeline says of n records at a step.

    Args:
        step: When it was drawn.
        values: By port, n rows: places float32 (n, 2), scores and times float32 (n,), and of shares
            the likeliest class, int16 (n,); -1 is none.
        kinds: By port, what the array is.
        main: The map that is shown first; empty where there is none.
        classes: The shares that colour it first.
        certainty: The largest share of each record in ``classes``, float32 (n,).
        rows: Which records of the data set these are; None: all, in order.
        note: What it shows, in words, where that is not the run itself.
    """

    step: int
    values: Mapping[str, np.ndarray]
    kinds: Mapping[str, str] = field(default_factory=dict)
    main: str = ""
    classes: str = ""
    certainty: np.ndarray | None = None
    rows: np.ndarray | None = None
    note: str = ""

    @property
    def n(self) -> int:
        """How many records it has."""
        return next((len(array) for array in self.values.values()), 0)

    @property
    def maps(self) -> dict[str, np.ndarray]:
        """Places to draw, by port; those that are shown first before the others."""
        found = self._of(*MAPS)
        return {p: found[p] for p in sorted(found, key=lambda p: (p != self.main, p))}

    @property
    def map(self) -> np.ndarray | None:
        """The map that is shown first; None where there is none."""
        return self.values.get(self.main)

    @property
    def labels(self) -> np.ndarray | None:
        """The likeliest class of each record by the shares that colour the map first."""
        return self.values.get(self.classes)

    @property
    def likeliest(self) -> dict[str, np.ndarray]:
        """The likeliest class of each record by what blocks share records among, by port."""
        return self._of(Kind.SHARES)

    @property
    def scores(self) -> dict[str, np.ndarray]:
        """What blocks say of each record as one number, by port: ``"doublets.doublet_scores"``."""
        return self._of(*_SCORES)

    def _of(self, *kinds: Kind) -> dict[str, np.ndarray]:
        return {port: v for port, v in self.values.items() if self.kinds.get(port) in kinds}

    def arrays(self) -> dict[str, np.ndarray]:
        """Every array of it by the name in its file.

        Raises:
            TypeError: One holds Python objects.
            ValueError: They are not of as many records.
        """
        found = {port: np.asarray(array) for port, array in self.values.items()}
        if self.certainty is not None:
            found[_CERTAINTY] = np.asarray(self.certainty)
        if self.rows is not None:
            found[_ROWS] = np.asarray(self.rows)
        for name, array in found.items():
            if array.dtype.hasobject:
                raise TypeError(f"snapshot array {name!r} holds Python objects")
            if len(array) != self.n:
                raise ValueError(f"{name!r} has {len(array)} values, the others have {self.n}")
        return found


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

    def save(self, snapshot: Snapshot) -> None:
        """Writes one snapshot and makes it the latest."""
        step = snapshot.step
        write_snapshot(snapshot_path(self.folder, step), snapshot)
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


def write_snapshot(path: Path, snapshot: Snapshot) -> None:
    """Writes one snapshot, whole or not at all."""
    facts = {"kinds": dict(snapshot.kinds), "main": snapshot.main, "classes": snapshot.classes}
    content = snapshot.arrays()
    content[_FACTS] = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    # One that is lost by a power failure is drawn again, so nothing waits for the disk.
    replace_with(path, lambda file: np.savez(file, allow_pickle=False, **content), durable=False)


def _read(step: int, content: bytes) -> Snapshot:
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    if _FACTS not in arrays:
        return Snapshot(step, **snapshot_of_before(arrays))
    facts: dict[str, Any] = named(json.loads(arrays.pop(_FACTS).tobytes()))
    kinds = {str(port): text(kind) for port, kind in named(facts.get("kinds")).items()}
    certainty, rows = arrays.pop(_CERTAINTY, None), arrays.pop(_ROWS, None)
    main, classes = text(facts.get("main")), text(facts.get("classes"))
    read = Snapshot(step, arrays, kinds, main, classes, certainty, rows)
    read.arrays()
    return read


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
            return _read(candidate, snapshot_path(folder, candidate).read_bytes())
    return None
