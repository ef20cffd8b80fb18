"""Who is next: the owner who was served longest ago, and of theirs the run that waits longest."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffbio_engine.runs.folder.durable_files import read_json
from diffbio_engine.runs.folder.plain_values import number


@dataclass(frozen=True)
class Waiting:
    """A run in the queue.

    Args:
        run_id: Which run.
        owner: Whose it is.
        since: When it was queued.
        again: Whether it lost its worker: it had a place already, and gets the next one.
    """

    run_id: str
    owner: str
    since: float
    again: bool = False


def order_of_service(waiting: Iterable[Waiting], served: Mapping[str, float]) -> list[Waiting]:
    """The queue in the order in which it will be served.

    Args:
        waiting: All runs that wait.
        served: When each owner was last given a place.
    """
    served = dict(served)
    turn = max(served.values(), default=0.0)
    queue = sorted(waiting, key=lambda run: (not run.again, run.since, run.run_id))
    order = [run for run in queue if run.again]
    by_owner: dict[str, deque[Waiting]] = {}
    for run in queue:
        if not run.again:
            by_owner.setdefault(run.owner, deque()).append(run)
    while by_owner:
        owner = min(by_owner, key=lambda o: (served.get(o, 0.0), by_owner[o][0].since))
        order.append(by_owner[owner].popleft())
        if not by_owner[owner]:
            del by_owner[owner]
        # From here on this owner was served after everybody else.
        turn += 1.0
        served[owner] = turn
    return order


def waiting_runs(data_dir: Path, launches: Mapping[str, dict[str, Any]]) -> list[Waiting]:
    """The queue in the order of service."""
    waiting = [
        Waiting(run_id, launch["owner"], number(launch.get("since")), bool(launch.get("again")))
        for run_id, launch in launches.items()
        if launch.get("phase") == "queued" and isinstance(launch.get("owner"), str)
    ]
    served = read_json(data_dir / "served.json").items()
    return order_of_service(waiting, {owner: number(when) for owner, when in served})
