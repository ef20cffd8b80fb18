"""How long a run will take, before it begins: its steps, and what the last runs like it took."""

from app.server.paces import Taken
from diffbio_engine.errors import UserError
from diffbio_engine.pipelines import Plan
from diffbio_engine.runs.folder.plain_values import whole
from diffbio_engine.runs.folder.run_spec import RunSpec
from diffbio_engine.training import planned_steps, stages_from

_UNKNOWN = "the first run shows how long that takes"
_EARLIER = " Ends earlier where held-out {rows} gain no more."
_ELSEWHERE = " As its last run took, which was on other data."


def how_long(
    planned: Plan,
    n_cells: int,
    taken: Taken | None,
    to_begin: float | None = None,
    rows: str = "cells",
) -> str:
    """What a run will take, in words; empty where that cannot be told.

    Args:
        planned: The pipeline.
        n_cells: In the data set.
        taken: By the last run like it; None where there is none.
        to_begin: Seconds to the first step of other runs, for where there is none.
        rows: What the rows of the data set are called.
    """
    found = _steps(planned, n_cells)
    if found is None:
        return ""  # Run says what is wrong
    least, most = found
    n = _in_words(least, most)
    earlier = "" if least == most else _EARLIER.format(rows=rows)
    if taken is None:
        begin = f" Other runs took up to {_duration(to_begin)} to begin."
        return f"Trains for {n}: {_UNKNOWN}.{begin if to_begin else ''}{earlier}"
    elsewhere = "" if taken.same_data else _ELSEWHERE
    return f"Trains for {n}: {_parts(taken, most)}.{elsewhere}{earlier}"


def how_many(planned: Plan, n_cells: int) -> str:
    """How many steps a run takes, in words; empty where that cannot be told."""
    found = _steps(planned, n_cells)
    return "" if found is None else _in_words(*found)


def _steps(planned: Plan, n_cells: int) -> tuple[int, int] | None:
    """The fewest and the most."""
    training = planned.spec.training
    if steps := whole(training.get("steps")):
        return steps, steps
    try:
        stages = stages_from(training.get("stages", ()), planned)
        batch = whole(training.get("batch_size"), RunSpec.batch_size)
        return planned_steps(planned, n_cells, stages, batch)
    except (UserError, TypeError, ValueError, AttributeError):
        return None


def _in_words(least: int, most: int) -> str:
    n = f"{most:,} step{'' if most == 1 else 's'}".replace(",", "\u202f")
    return n if least == most else f"{n} at most"


def _parts(taken: Taken, steps: int) -> str:
    """The whole, then what it is made of; what is not known is not counted, and that is said."""
    train = taken.step * steps
    if taken.before is None and taken.after is None:
        return f"about {_duration(train)}, and what it takes to begin and to write the results"
    total = train + (taken.before or 0) + (taken.after or 0)
    parts = [
        f"{_duration(seconds)} to {what}"
        for seconds, what in ((taken.before, "begin"), (train, "train"), (taken.after, "write"))
        if seconds is not None and seconds >= 3
    ]
    missing = "" if taken.after is not None else ", without writing the results"
    said = f" ({', '.join(parts)})" if len(parts) > 1 else ""
    return f"about {_duration(total)}{said}{missing}"


def _duration(seconds: float | None) -> str:
    """Rounded as an estimate is."""
    seconds = seconds or 0.0
    if seconds < 100:
        return f"{max(5, 5 * round(seconds / 5))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{round(seconds / 3600)} h"
