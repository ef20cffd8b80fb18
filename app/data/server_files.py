"""What lies in the folder of the server and can be chosen there."""

import contextlib
import itertools
import os
from pathlib import Path
from typing import Any

from app.access.reach import in_server_folder
from app.session.session import Session
from diffbio_engine.data.file_names import all_endings
from diffbio_engine.data.readers.zarr_store import MARKS as STORES
from diffbio_engine.errors import DataError

_MOST_LISTED, _MOST_SEEN = 400, 2_000


def server_files(session: Session, path: str) -> list[dict[str, Any]]:
    """What lies in a folder of the server that can be read, folders first.

    ``tenx`` says that a folder is opened as one data set; inside a folder whose folders hold
    matrices, the whole of it is offered first.
    """
    root = Path(session.data_dir).resolve()
    if not root.is_dir():
        raise DataError(
            "The folder of data of this server is not there any more.",
            fix="Tell whoever runs the server to look at its DATA_DIR.",
        )
    here = in_server_folder(session, path)
    if not here.is_dir():
        here, path = root, ""
    inside = _inside(here)
    found: list[dict[str, Any]] = []
    if path:
        above = here.relative_to(root).parent
        name = "" if above == Path() else str(above)
        found.append({"name": "..", "path": name, "folder": True, "size": 0})
        if _holds(here, "*/*.mtx*", "*/*/*.mtx*", "*/*/*/*.mtx*"):
            whole = {"name": "All samples of this folder", "path": str(here.relative_to(root))}
            found.append({**whole, "folder": True, "size": 0, "tenx": True})
    for item in sorted(inside, key=lambda i: (not os.path.isdir(i), i.name.lower())):
        if len(found) >= _MOST_LISTED:
            break
        if can_be_chosen(item) and _is_reached(session, item):
            with contextlib.suppress(OSError):  # it was removed a moment ago
                found.append(
                    {"name": item.name, "path": str(item.relative_to(root)),
                     "folder": item.is_dir(), "size": 0 if item.is_dir() else item.stat().st_size,
                     "tenx": item.is_dir() and _holds(item, "*.mtx", "*.mtx.*", *STORES)}
                )  # fmt: skip
    return found


def _inside(folder: Path) -> list[Path]:
    """What lies in a folder, or a sentence that names it where the server may not look."""
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise DataError(
            f"The folder '{folder.name}' cannot be read by the server ({error.strerror}).",
            fix="Ask whoever runs the server to give its account the right to read it.",
        ) from None


def _is_reached(session: Session, item: Path) -> bool:
    try:
        in_server_folder(session, item)
    except DataError:
        return False
    return True


def can_be_chosen(item: Path) -> bool:
    """Whether it may be a data set, by its name."""
    return os.path.isdir(item) or item.name.lower().endswith(all_endings())


def _holds(folder: Path, *patterns: str) -> bool:
    """Whether such a file lies there, as far as one look can tell."""
    try:
        seen = (p for pattern in patterns for p in itertools.islice(folder.glob(pattern), 1))
        return any(p.is_file() for p in itertools.islice(seen, _MOST_SEEN))
    except OSError:
        return False
