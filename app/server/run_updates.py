"""What is new in a run, put in the form in which a tab shows it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from app.session.run_shown import ENDED_EARLY
from app.style.messages import error_from
from diffbio_engine.ports import Address
from diffbio_engine.runs import MetricsBatch, RunChanges, RunReader, Snapshot
from diffbio_engine.runs.folder.plain_values import whole


@dataclass
class News:
    """What one look at a run has found."""

    state: str
    status: dict[str, Any] | None = None
    events: list[dict[str, Any]] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)
    snapshot: Snapshot | None = None
    checkpoint: int | None = None

    def is_empty(self, shown_state: str) -> bool:
        """Whether a tab that shows this state learns nothing."""
        nothing = self.status is None and not self.events and not self.records
        return nothing and self.snapshot is None and self.state == shown_state


def gathered(
    reader: RunReader,
    changes: RunChanges,
    snapshot: Callable[[RunReader, int], Snapshot | None],
) -> News:
    """The changes with the map that goes with them."""
    news = News(changes.state, changes.status, changes.events)
    news.records = [columns for batch in changes.metrics if (columns := _columns(batch))]
    if changes.snapshot is not None:
        news.snapshot = snapshot(reader, changes.snapshot)
    if news.state in ENDED_EARLY:
        news.checkpoint = reader.folder.checkpoint_step()
    return news


def _columns(batch: MetricsBatch) -> dict[str, Any]:
    """A batch by column. ``reset_after``: rows shown so far with a later step are superseded."""
    if not len(batch.rows) and not batch.begins:
        return {}
    columns: dict[str, Any] = {n: batch.rows[:, i] for i, n in enumerate(batch.columns)}
    first = batch.start if batch.start > 0 else -1
    return {**columns, "reset_after": first if batch.begins else None}


def shown_of(status: dict[str, Any], state: str) -> dict[str, Any]:
    """What a tab shows of the heartbeat of a run that is in this state."""
    over = status.get("released") and state != "paused"  # it waits to begin again
    error = status.get("error")
    return {
        "step": whole(status.get("step")),
        "total": whole(status.get("total_steps")),
        "eta": seconds_left(status),
        "message": "" if over else str(status.get("message") or ""),
        "place": str(status.get("place") or ""),
        "device": str(status.get("device") or ""),
        "errors": [error_from(error)] if error else [],
    }


def seconds_left(status: dict[str, Any]) -> float | None:
    """How long the run still takes, by its present pace."""
    total, step, pace = (status.get(k) for k in ("total_steps", "step", "seconds_per_step"))
    if not total or pace is None or step is None or status.get("state") != "running":
        return None
    return max(0.0, (total - step) * pace)


def values_by_block(records: dict[str, Any], before: dict[str, str]) -> dict[str, str]:
    """For each block with loss terms, their newest values in words."""
    said: dict[str, list[str]] = {}
    for name, column in records.items():
        if "." not in name or not len(column):
            continue
        block, port = Address.parse(name).parts
        value = float(np.asarray(column)[-1])
        if np.isfinite(value):
            said.setdefault(block, []).append(f"{port.removesuffix('_loss')} {value:.4g}")
    return {**before, **{block: "  ".join(texts[:3]) for block, texts in said.items()}}
