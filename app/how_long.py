"""How long a run will take, before it begins: its steps, and the pace of the last runs like it."""

import json
from typing import Any

from app.stale import all_settings
from diffbio_engine.declare import find_operator
from diffbio_engine.errors import UserError
from diffbio_engine.pipelines import Plan
from diffbio_engine.pipelines.spec import PipelineSpec
from diffbio_engine.runs.folder import ENDED
from diffbio_engine.runs.plain_values import named, number, text, whole
from diffbio_engine.runs.spec import RunSpec
from diffbio_engine.training import planned_steps, stages_from

_LOOKED_AT = 12
_UNKNOWN = "the first run of a pipeline shows how long that takes"
_EARLIER = "It ends earlier where cells that are held out are explained no better."


class Paces:
    """Seconds per step of a person's last runs. Reads files: not for a callback."""

    def __init__(self, engine: Any):
        self._engine = engine
        self._known: dict[str, tuple[str, str, float] | None] = {}

    def of(self, owner: str, spec: PipelineSpec, path: str) -> float | None:
        """Of the last run of the same pipeline, on the same data where there is one."""
        like, other = _likeness(spec), None
        for run in self._engine.runs(owner)[:_LOOKED_AT]:
            seen = run.id in self._known
            found = self._known[run.id] if seen else self._look(run.id, owner)
            if run.state in ENDED:
                self._known[run.id] = found
            if found is None or found[0] != like:
                continue
            if found[1] == path:
                return found[2]
            other = other or found[2]
        return other

    def _look(self, run_id: str, owner: str) -> tuple[str, str, float] | None:
        try:
            folder = self._engine.folder(run_id, owner)
            run = folder.run
            like = _likeness(PipelineSpec.from_json(run.get("pipeline") or {}))
        except UserError:
            return None
        pace = number(folder.status().get("seconds_per_step"))
        path = text(named(run.get("dataset")).get("path"))
        return (like, path, pace) if pace > 0 and not run.get("bundle") else None


def how_long(planned: Plan, n_cells: int, pace: float | None) -> str:
    """What a run will take, in words; empty where that cannot be told.

    Args:
        planned: The pipeline.
        n_cells: In the data set.
        pace: Seconds per step.
    """
    training = planned.spec.training
    steps = whole(training.get("steps"))
    least = most = steps
    if not steps:
        try:
            stages = stages_from(training.get("stages", ()), planned)
            batch = whole(training.get("batch_size"), RunSpec.batch_size)
            least, most = planned_steps(planned, n_cells, stages, batch)
        except (UserError, TypeError, ValueError, AttributeError):
            return ""  # Run says what is wrong
    n = f"{most:,}".replace(",", "\u202f")
    time = _UNKNOWN if pace is None else f"about {_duration(pace * most)}"
    if least == most:
        return f"Trains for {n} steps: {time}."
    return f"Trains for {n} steps at most: {time}. {_EARLIER}"


def _duration(seconds: float) -> str:
    if seconds < 50:
        n, unit = max(5, 5 * round(seconds / 5)), "second"
    elif seconds < 3000:
        n, unit = max(1, round(seconds / 60)), "minute"
    else:
        n, unit = max(1, round(seconds / 3600)), "hour"
    return f"{n} {unit}{'' if n == 1 else 's'}"


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
