"""What the last runs of a pipeline took, by which it is said how long the next one will take."""

import json
from dataclasses import dataclass, replace
from typing import Any

from app.session.protocols import Runs
from app.session.stale import all_settings
from diffbio_engine.declare import find_operator
from diffbio_engine.errors import UserError
from diffbio_engine.pipelines.spec import PipelineSpec
from diffbio_engine.runs import RunFolder
from diffbio_engine.runs.folder.events import EventTail
from diffbio_engine.runs.folder.paths import ENDED
from diffbio_engine.runs.folder.plain_values import named, number, text, whole
from diffbio_engine.runs.folder.run_spec import RunSpec

_LOOKED_AT = 12
# Longer than this between the wish and the worker is a wait for a place, and none of the run's own.
_MOST_TO_START = 20.0


@dataclass(frozen=True)
class Taken:
    """Seconds of a run.

    Attributes:
        step: Of one step of training, with the maps drawn and the cells looked at between steps.
        before: From the wish to the first step: starting, reading, preparing, compiling; None
            where it is not known.
        after: For the results; None where it is not known.
        same_data: Whether it is of the data set that was asked about.
    """

    step: float
    before: float | None = None
    after: float | None = None
    same_data: bool = True


@dataclass(frozen=True)
class _Seen:
    like: str
    path: str
    taken: Taken


class Paces:
    """What a person's last runs took. Reads files: not for a callback."""

    def __init__(self, engine: Runs):
        self._engine = engine
        # Of each person's last runs; what is no longer among them is forgotten.
        self._known: dict[str, dict[str, _Seen | None]] = {}

    def of(self, owner: str, spec: PipelineSpec, path: str) -> Taken | None:
        """Of the last run of the same pipeline, on the same data where there is one.

        Of several on the same data the shortest start and end count: what is compiled once is not
        compiled again.
        """
        like = _likeness(spec)
        alike = [seen for seen in self._last(owner) if seen.like == like]
        same = [seen.taken for seen in alike if seen.path == path]
        if not same:
            return replace(alike[0].taken, same_data=False) if alike else None
        return replace(
            same[0],
            before=_least(taken.before for taken in same),
            after=_least(taken.after for taken in same),
        )

    def to_begin(self, owner: str) -> float | None:
        """The longest that one of the last runs, of whatever pipeline, took to its first step."""
        found = [seen.taken.before for seen in self._last(owner)]
        return max((seconds for seconds in found if seconds is not None), default=None)

    def _last(self, owner: str) -> list[_Seen]:
        before, now = self._known.get(owner, {}), dict[str, _Seen | None]()
        found = []
        for run in self._engine.runs(owner)[:_LOOKED_AT]:
            seen = before[run.id] if run.id in before else self._look(run.id, owner)
            if run.state in ENDED:
                now[run.id] = seen
            if seen is not None:
                found.append(seen)
        self._known[owner] = now
        return found

    def _look(self, run_id: str, owner: str) -> _Seen | None:
        try:
            folder = self._engine.folder(run_id, owner)
            run = folder.run
            like = _likeness(PipelineSpec.from_json(run.get("pipeline") or {}))
        except UserError:
            return None
        if run.get("bundle"):
            return None
        taken = taken_by(folder)
        path = text(named(run.get("dataset")).get("path"))
        return None if taken is None else _Seen(like, path, taken)


def taken_by(folder: RunFolder) -> Taken | None:
    """What a run took, by what it left; None where it took no step whose time is known."""
    status = folder.status()
    pace = number(status.get("seconds_per_step"))
    if pace <= 0:
        return None
    events = EventTail(folder.events_file).read_new()
    if whole(status.get("attempt")) != 1:
        return Taken(pace)  # it was left and went on: its parts are not to be told apart
    asked, began = number(folder.run.get("created")), number(status.get("started"))
    first = _time_of(events, "compiled")
    before = None
    if asked and first > began >= asked:
        before = min(began - asked, _MOST_TO_START) + first - began
    trained, over = _time_of(events[::-1], "checkpoint"), _time_of(events, "finished")
    if not over > trained > first > 0:
        return Taken(pace, before)
    steps = whole(status.get("step")) - 1
    paused = any(event.get("kind") == "paused" for event in events)
    if steps > 0 and not paused:
        pace = (trained - first) / steps
    return Taken(pace, before, over - trained)


def _time_of(events: list[dict[str, Any]], kind: str) -> float:
    return next((number(e.get("t")) for e in events if e.get("kind") == kind), 0.0)


def _least(found: Any) -> float | None:
    return min((seconds for seconds in found if seconds is not None), default=None)


def _likeness(spec: PipelineSpec) -> str:
    """The same for pipelines whose steps take the same time on the same data."""
    blocks = []
    for block in spec.blocks:
        live = {s.name for s in find_operator(block.operator).settings if s.live}
        said = all_settings(spec, block.id).items()
        config = {name: value for name, value in said if name not in live}
        blocks.append([block.id, block.operator, block.learns, config])
    wires = sorted(f"{wire.source} {wire.target}" for wire in spec.wires)
    batch = whole(spec.training.get("batch_size"), RunSpec.batch_size)
    return json.dumps([blocks, wires, spec.variable_genes, batch], sort_keys=True, default=str)
