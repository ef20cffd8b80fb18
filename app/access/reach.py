"""What a person may reach: one decision, on resolved places, for every path a browser may name."""

import os
from pathlib import Path
from typing import Protocol

from diffbio_engine.data.readers.mtx_folder import read_along
from diffbio_engine.errors import DataError, UserError
from diffbio_engine.runs import RunFolder
from diffbio_engine.workspace.store import folder_name

# What the workbench keeps in its data folder. The rest of it is the server folder, which
# whoever runs the server fills and everybody sees.
OWN_FOLDERS = ("owners", "runs", "active", "trash", "demos", "cache", "tabs")


class OwnRuns(Protocol):
    """Knows whose each run is."""

    def folder(self, run_id: str, owner: str) -> RunFolder:
        """The folder of a run, for its owner only."""


class Person(Protocol):
    """Who asks: a session."""

    owner: str
    data_dir: Path

    @property
    def engine(self) -> OwnRuns:
        """The runs of the server."""


def within_reach(session: Person, path: str | os.PathLike) -> Path:
    """The resolved place of a path that this session's person may read.

    That is: the server folder (below ``DATA_DIR``, but for what the workbench keeps there itself),
    the demo data, the person's own data sets and own runs. Links are followed before the decision,
    ``..`` and absolute paths are taken as the system takes them, and hidden names are not reached.

    Args:
        session: Whose ``owner``, ``data_dir`` and ``engine`` decide.
        path: Absolute, or relative to the data folder.

    Raises:
        DataError: One sentence for all that is not reached, so that nobody learns what is there.
    """
    try:
        root = Path(session.data_dir).resolve(strict=True)
        place = (root / path).resolve(strict=True)
        allowed = _is_allowed(session, root, place)
    except (OSError, ValueError, RuntimeError):  # absent, a name no system knows, a ring of links
        allowed = False
    if not allowed:
        raise DataError(
            f"There is no file '{str(path)[:200]}' that you may open on this server.",
            fix="Choose one from the list under Data, or upload it.",
        )
    return place


def whole_within_reach(session: Person, path: str | os.PathLike) -> Path:
    """The same for what is read with all that lies in it or belongs to it beside it.

    No link there leads elsewhere, and what the workbench keeps in its data folder is no part of it.
    """
    place = within_reach(session, path)
    root = Path(session.data_dir).resolve()
    if _is_same(place, root):  # it holds everybody's
        within_reach(session, root / "owners")
    for beside in (*read_along(root / path), *read_along(place)):
        if beside.is_symlink():
            within_reach(session, beside)
    for folder, folders, files in os.walk(place):
        for name in (*folders, *files):
            inner = os.path.join(folder, name)
            if os.path.islink(inner):
                within_reach(session, inner)
    return place


def in_server_folder(session: Person, path: str | os.PathLike) -> Path:
    """The same for what is chosen from the server folder only."""
    place = within_reach(session, path)
    steps = _steps_below(Path(session.data_dir).resolve(), place) or ()
    if steps and _is_own(Path(session.data_dir).resolve(), steps[0]):
        raise DataError(
            f"There is no file '{str(path)[:200]}' in the server folder.",
            fix="Choose one from the list.",
        )
    return place


def _is_allowed(session: Person, root: Path, place: Path) -> bool:
    steps = _steps_below(root, place)
    if steps is None or any(step.name.startswith(".") for step in steps):
        return False
    if not steps or not _is_own(root, steps[0]):
        return True
    if _is_same(steps[0], root / "demos"):
        return True
    if len(steps) >= 4 and _is_same(steps[0], root / "owners"):
        mine = root / "owners" / folder_name(session.owner) / "datasets"
        return _is_same(steps[2], mine)
    if len(steps) >= 2 and _is_same(steps[0], root / "runs"):
        return _is_own_run(session, steps[1])
    return False


def _is_own_run(session: Person, folder: Path) -> bool:
    try:
        return _is_same(session.engine.folder(folder.name, session.owner).path, folder)
    except UserError:
        return False


def _steps_below(root: Path, place: Path) -> tuple[Path, ...] | None:
    """The folders from below the root down to the place; None if it is elsewhere.

    By identity, not by spelling: some file systems take ``Owners`` for ``owners``.
    """
    steps: list[Path] = []
    for above in (place, *place.parents):
        if _is_same(above, root):
            return tuple(reversed(steps))
        steps.append(above)
    return None


def _is_own(root: Path, top: Path) -> bool:
    return any(_is_same(top, root / name) for name in OWN_FOLDERS)


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False
