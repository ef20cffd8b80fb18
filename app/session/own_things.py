"""What a person has on the server, how much room it takes, and getting rid of it."""

from collections.abc import Callable, Mapping
from typing import Any

from app.session.session import Session
from diffbio_engine.errors import RunError, UserError
from diffbio_engine.quantities import in_units
from diffbio_engine.runs.folder.run_spec import paths_of_data
from diffbio_engine.workspace.room import size_of

_BUSY = ("queued", "starting", "running", "paused", "stopping")


def own_datasets(session: Session, wrong: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """The person's data sets, newest first; what did not arrive whole or cannot be read is last.

    Of these the person can only get rid. A file that was brought again, by name and size, says so.

    Args:
        wrong: Why files could not be read that were looked at, by id.
    """
    store, owner = session.store, session.owner
    mine: list[dict[str, Any]] = [
        {"id": d.id, "name": d.name, "size": d.size, "added": d.added, "ours": d.uploaded,
         "wrong": (wrong or {}).get(d.id, "")}
        for d in store.datasets(owner)
    ]  # fmt: skip
    there: set[tuple[str, int]] = set()
    for one in reversed(mine):
        same = (one["name"], one["size"])
        one["again"] = same in there and one["ours"]
        there.add(same)
    damaged = [
        {"id": found, "name": "A data set that cannot be read", "size": 0, "added": 0.0,
         "ours": True, "damaged": True}
        for found in store.damaged_datasets(owner)
    ]  # fmt: skip
    unfinished = [
        {"id": d.id, "name": d.name, "size": size_of(d.partial_path), "added": d.added,
         "ours": True, "unfinished": True}
        for d in store.unfinished(owner)
    ]  # fmt: skip
    return mine + unfinished + damaged


def room_used(session: Session) -> dict[str, str]:
    """How much room the person's things take, in words, and how much of it the trash."""
    if not session.is_attached:
        return {}
    used = session.room.used(session.owner)
    of = f" of {in_units(used.quota)}" if used.quota is not None else ""
    parts = f"data {in_units(used.data)}, runs {in_units(used.runs)}"
    return {
        "words": f"You use {in_units(used.total)}{of} ({parts}, trash {in_units(used.trash)}). "
        f"{in_units(used.free)} of the server's disk are free.",
        "trash": in_units(used.trash) if used.trash else "",
    }


def go_on(session: Session, run_id: str) -> str:
    """Queues a run that ended early again; in words."""
    session.engine.resume(run_id, session.owner)
    return "It goes on from its last checkpoint."


def delete_dataset(session: Session, dataset_id: str) -> str:
    """Deletes a data set for good; what became of it, in words.

    Raises:
        RunError: If a run that is not over reads it.
    """
    store, owner = session.store, session.owner
    known = next((d for d in store.datasets(owner) if d.id == dataset_id), None)
    if known is None:  # one that cannot be read, or that is gone already
        store.delete_dataset(owner, dataset_id)
        return "Deleted."
    reading = [run.title for run in session.engine.runs(owner) if _reads(session, run, known.path)]
    if reading:
        raise RunError(
            f"{known.name} is being read by {len(reading)} of your runs that are not over "
            f"({reading[0]}).",
            fix="Stop these first, or wait until they are done.",
        )
    freed = size_of(known.path) if known.uploaded else 0
    store.delete_dataset(owner, dataset_id)
    if not known.uploaded:
        return f"{known.name} is off your list; the file itself stays where it was."
    return f"{known.name} is deleted; {in_units(freed)} are free again."


def delete_run(session: Session, run_id: str) -> str:
    """Moves a run to the trash; what became of it, in words."""
    session.engine.delete(run_id, session.owner)
    return "The run lies in the trash now; it takes room until the trash is emptied."


def empty_trash(session: Session) -> str:
    """Empties the person's trash; what came of it, in words."""
    return (
        f"The trash is empty; {in_units(session.room.empty_trash(session.owner))} are free again."
    )


def tried(act: Callable[[], str]) -> str | UserError:
    """What it says, or why it could not be done."""
    try:
        return act()
    except UserError as error:
        return error


def _reads(session: Session, run: Any, path: Any) -> bool:
    if run.state not in _BUSY:
        return False
    try:
        return str(path) in paths_of_data(session.engine.folder(run.id, session.owner).run)
    except UserError:
        return False
