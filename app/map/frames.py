"""Snapshots as they are drawn: turned so that they do not flip, in axes that hold still.

What is worked out for a step of a run is kept for all tabs that show the run.
"""

import itertools
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from app.map.shading import View
from diffbio_engine.runs import Snapshot

# A map may fill its axes down to this share of either side before they close in on it.
_EMPTY_ENOUGH = 0.55
_MARGIN = 0.06


@dataclass(frozen=True)
class MapFrame:
    """One map of one step, ready to be drawn.

    Attributes:
        run, step, name: Which run, which step, which map of it.
        xy: Places as drawn, float32 ``(n, 2)``.
        raw: Places as the pipeline gave them; what is exported.
        labels: Cluster by cell, or None.
        certainty: Largest share by cell, or None.
        scores: What blocks say of each cell as one number, by port.
        likeliest: The likeliest class of each cell, by port of shares.
        cells: Row of each cell in the data set, or None if all are there in order.
        view: The axes.
        note: As ``Snapshot.note``: what it shows that the run itself does not.
        serial: Another one for each frame that was ever made; what pictures are kept by.
        main: The port whose classes are the labels; empty if there is none.
    """

    run: str
    step: int
    name: str
    xy: np.ndarray
    raw: np.ndarray
    labels: np.ndarray | None
    certainty: np.ndarray | None
    cells: np.ndarray | None
    view: View
    serial: int = -1
    main: str = ""
    scores: Mapping[str, np.ndarray] = field(default_factory=dict)
    likeliest: Mapping[str, np.ndarray] = field(default_factory=dict)
    note: str = ""

    @property
    def n_clusters(self) -> int:
        """How many clusters the labels name."""
        return 0 if self.labels is None or not len(self.labels) else int(self.labels.max()) + 1


def frame_of(run: str, snapshot: Snapshot, name: str, *, turned: bool = True) -> MapFrame:
    """The map of the port `name` of a snapshot, placed; worked out once for all tabs.

    Args:
        turned: Whether it may be turned onto the one before; places in a tissue may not.
    """
    with _LOCK:
        history = _HISTORIES.get((run, name))
        if history is None:
            history = _HISTORIES[run, name] = _History(run, name, turned)
        _HISTORIES.move_to_end((run, name))
        while len(_HISTORIES) > 32:
            _HISTORIES.popitem(last=False)
    return history.frame(snapshot)


def turn_onto(xy: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rotation or reflection and shift that bring one map closest to another (Procrustes).

    ``(xy - here) @ turn + there`` has the least sum of squared distances to `other`. Sizes are
    left alone: a map that grows shall be seen to grow.

    References:
        Schonemann (1966), A generalized solution of the orthogonal Procrustes problem.
    """
    fine = np.isfinite(xy).all(1) & np.isfinite(other).all(1)
    if fine.sum() < 2:
        return np.eye(2), np.zeros(2), np.zeros(2)
    here, there = xy[fine].mean(0, np.float64), other[fine].mean(0, np.float64)
    u, _, vt = np.linalg.svd((xy[fine] - here).T.astype(np.float64) @ (other[fine] - there))
    return u @ vt, here, there


def eased(before: View | None, xy: np.ndarray) -> View:
    """Axes for the next map: those before as long as it fits them, else moved towards it."""
    fine = xy[np.isfinite(xy).all(1)]
    if not len(fine):
        return before or (-1.0, 1.0, -1.0, 1.0)
    low, high = fine.min(0).astype(float), fine.max(0).astype(float)
    span = np.maximum(high - low, max(1e-6, 1e-3 * float(np.abs(fine).max())))
    wide = (low - _MARGIN * span, high + _MARGIN * span)
    if before is None:
        return _view(*wide)
    old_low, old_high = np.array(before[::2]), np.array(before[1::2])
    fits = (low >= old_low).all() and (high <= old_high).all()
    filled = (span / (old_high - old_low)).max()
    if fits and filled >= _EMPTY_ENOUGH:
        return before
    # Half of the way at each frame, but never so that a cell lies outside.
    new_low = np.minimum((old_low + wide[0] - _MARGIN * span) / 2, low - 0.02 * span)
    new_high = np.maximum((old_high + wide[1] + _MARGIN * span) / 2, high + 0.02 * span)
    return _view(new_low, new_high)


def _view(low: np.ndarray, high: np.ndarray) -> View:
    return float(low[0]), float(high[0]), float(low[1]), float(high[1])


class _History:
    """What is known of one map of one run."""

    def __init__(self, run: str, name: str, turned: bool = True):
        self._run, self._name, self._lock = run, name, threading.Lock()
        self._turned = turned
        self._turns: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}
        self._views: dict[int, View] = {}
        self._frames: OrderedDict[int, MapFrame] = OrderedDict()
        self._last: MapFrame | None = None

    def frame(self, snapshot: Snapshot) -> MapFrame:
        with self._lock:
            raw = snapshot.values[self._name]
            known = self._frames.get(snapshot.step)
            # A resumed run draws a step again, and so does a dial that is turned in a pause.
            if known is not None and _same(known, raw, snapshot):
                self._frames.move_to_end(snapshot.step)
                return known
            frame = self._place(snapshot, np.asarray(raw, np.float32))
            self._frames[snapshot.step] = self._last = frame
            while len(self._frames) > 4:
                self._frames.popitem(last=False)
            return frame

    def _place(self, snapshot: Snapshot, raw: np.ndarray) -> MapFrame:
        cells, last = snapshot.rows, self._last
        comparable = last is not None and last.xy.shape == raw.shape
        if last is not None and comparable and cells is not None and last.cells is not None:
            comparable = bool((cells == last.cells).all())
        if snapshot.step not in self._turns:
            self._turns[snapshot.step] = (
                turn_onto(raw, last.xy)
                if last is not None and comparable and self._turned
                else (np.eye(2), np.zeros(2), np.zeros(2))
            )
        turn, here, there = self._turns[snapshot.step]
        xy = ((raw - here) @ turn + there).astype(np.float32)
        newest = last is None or snapshot.step >= max(self._views, default=0)
        if snapshot.step not in self._views:
            self._views[snapshot.step] = eased(
                last.view if last is not None and newest else None, xy
            )
        elif not _fits(self._views[snapshot.step], xy):  # a dial was turned at this step
            self._views[snapshot.step] = eased(self._views[snapshot.step], xy)
        return MapFrame(
            self._run, snapshot.step, self._name, xy, raw, snapshot.labels, snapshot.certainty,
            cells, self._views[snapshot.step], next(_SERIAL), snapshot.classes, snapshot.scores,
            snapshot.likeliest, snapshot.note,
        )  # fmt: skip


def _same(frame: MapFrame, raw: np.ndarray, snapshot: Snapshot) -> bool:
    scores, likeliest = snapshot.scores, snapshot.likeliest
    of_each = (*scores.values(), *likeliest.values())
    now = (raw, snapshot.labels, snapshot.certainty, *of_each)
    of_each = (*frame.scores.values(), *frame.likeliest.values())
    shown = (frame.raw, frame.labels, frame.certainty, *of_each)
    return (
        (frame.note, frame.main) == (snapshot.note, snapshot.classes)
        and [*scores, *likeliest] == [*frame.scores, *frame.likeliest]
        and all(
            a is b or (a is not None and b is not None and np.array_equal(a, b, equal_nan=True))
            for a, b in zip(shown, now, strict=True)
        )
    )


def _fits(view: View, xy: np.ndarray) -> bool:
    fine = xy[np.isfinite(xy).all(1)]
    low, high = np.array(view[::2]), np.array(view[1::2])
    return bool(((fine >= low) & (fine <= high)).all())


_SERIAL = itertools.count()
_LOCK = threading.Lock()
_HISTORIES: OrderedDict[tuple[str, str], _History] = OrderedDict()
