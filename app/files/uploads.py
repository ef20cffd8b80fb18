"""Files on their way in: who may bring them, what has arrived, and what is made of it."""

import binascii
import errno
import hashlib
import json
import os
import secrets
import threading
import time
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from app.files.downloads import safe_name
from diffbio_engine.errors import DataError, UnknownNameError
from diffbio_engine.runs.folder.durable_files import explain_os_error
from diffbio_engine.workspace import DatasetEntry, Room

_MOST_TABS = 10_000
_MOST_PARTS = 2_000
_MOST_BYTES_SAID = 1 << 20
_MOST_UNFINISHED = 20
# Of hidden files only these say something: what the arrays of a zarr store (version 2) are.
_ZARR = (".zgroup", ".zarray", ".zattrs", ".zmetadata")
# Room is held for an upload while something of it comes.
_PROMISED_SECONDS = 600.0


class Shelf(Protocol):
    """Where uploads go: ``diffbio_engine.workspace.Store``."""

    data_dir: Path

    def unfinished(self, owner: str) -> list[DatasetEntry]:
        """What did not arrive whole."""

    def new_upload(self, owner: str, filename: str) -> DatasetEntry:
        """A data set that begins to arrive."""

    def finish_upload(self, owner: str, dataset_id: str) -> DatasetEntry:
        """The same, once it is whole."""

    def delete_dataset(self, owner: str, dataset_id: str) -> None:
        """Removes what had arrived."""


class Disk(Protocol):
    """What may lie there: ``diffbio_engine.workspace.Room``."""

    def require(self, owner: str, n_bytes: int, what: str, promised: int = 0) -> None:
        """Refuses what would not fit."""


@dataclass(frozen=True)
class Announced:
    """A file, or several that belong together, as the browser announces it.

    Args:
        name: As the person knows it; never a path.
        size: Bytes of all parts.
        parts: Name and size of each file, where there are several.
        likeness: Hash of when each was last changed and of the first and last bytes of each (of
            very many, of the first and last few). Only what is alike in all of this is the same
            file; empty if the browser did not say.
    """

    name: str
    size: int
    parts: tuple[tuple[str, int], ...] = ()
    likeness: str = ""

    @property
    def needed(self) -> int:
        """Bytes on the disk while it arrives: several files are packed into one at the end."""
        return self.size * (2 if self.parts else 1)


def announced(body: bytes) -> Announced:
    """What the browser announces, or a ``DataError`` that says what is odd in it."""
    try:
        if len(body) > _MOST_BYTES_SAID:
            raise ValueError("it is too long")
        said = json.loads(body)
        parts = tuple((_text(name), _count(size)) for name, size in said.get("parts", ()))
        size, name = _count(said["size"]), safe_name(_text(said["name"]), "data")
        changed = [_count(stamp) for stamp in said.get("changed", ())]
        ends = binascii.a2b_base64(_text(said.get("ends", "")), strict_mode=True)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(
            f"The browser's request for an upload cannot be understood ({_reason(error)}).",
            fix="Reload the page, then drop the file again.",
        ) from None
    if size <= 0:
        raise DataError(f"{name} is empty.", fix="Choose a file that holds data.")
    if len(parts) > 1:
        parts = tuple((_safe_path(part), n) for part, n in parts)
        if sum(n for _, n in parts) != size or len(parts) > _MOST_PARTS:
            raise DataError("These files do not add up.", fix="Drop them once more.")
        if len({part for part, _ in parts}) < len(parts):
            raise DataError("Two of these files have one name.", fix="Rename one, or zip them.")
        name = safe_name(f"{Path(name).stem}.zip")
    likeness = hashlib.sha256(json.dumps(changed).encode() + ends).hexdigest() if ends else ""
    return Announced(name, size, parts if len(parts) > 1 else (), likeness)


def _safe_path(path: str) -> str:
    """The path of a part inside its folder: names without anything odd, none of which goes up."""
    names = path.split("/")[-8:]
    return "/".join(name if name in _ZARR else safe_name(name) for name in names)


def _text(said: Any) -> str:
    if not isinstance(said, str):
        raise TypeError("a name is no text")
    return said


def _count(said: Any) -> int:
    if isinstance(said, bool) or not isinstance(said, int) or not 0 <= said < 1 << 62:
        raise TypeError("a size or a time is no whole number")
    return said


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, KeyError):
        return f"it has no {error}"
    return str(error)[:100]


@dataclass
class Upload:
    """A file on its way, or several that belong together."""

    id: str
    what: Announced
    partial: Path
    busy: bool = False

    @property
    def name(self) -> str:
        """What it is called."""
        return self.what.name

    @property
    def size(self) -> int:
        """Bytes that are to arrive."""
        return self.what.size

    @property
    def missing(self) -> int:
        """Bytes that the disk must still take; none once it was given up."""
        with suppress(OSError):
            return max(self.what.needed - self.partial.stat().st_size, 0)
        return 0

    @property
    def is_promised(self) -> bool:
        """Whether room is held for it: something of it came in the last ten minutes."""
        with suppress(OSError):
            return time.time() - self.partial.stat().st_mtime < _PROMISED_SECONDS
        return False


class Desk:
    """What one tab may upload, and for whom."""

    def __init__(
        self,
        owner: str,
        store: Shelf,
        uploads: dict[str, Upload],
        room: Disk,
        promised: Callable[[], int],
    ):
        self.owner, self.store, self.uploads = owner, store, uploads
        self.room, self.promised = room, promised

    def begin(self, what: Announced) -> Upload:
        """A place for an upload; an unfinished one of the very same file is carried on."""
        for upload in list(self.uploads.values()):
            if not upload.partial.exists():
                self.forget(upload)
            elif what.likeness and upload.what == what:
                if not upload.is_promised:
                    self.room.require(self.owner, upload.missing, what.name, self.promised())
                    with explain_os_error(upload.partial):
                        os.utime(upload.partial)
                return upload
        if (n := len(self.store.unfinished(self.owner))) >= _MOST_UNFINISHED:
            raise DataError(
                f"{n} uploads of yours are unfinished; at most {_MOST_UNFINISHED} may be.",
                fix="Delete some under Your data sets, or drop their files again to carry them on.",
            )
        self.room.require(self.owner, what.needed, what.name, self.promised())
        dataset = self.store.new_upload(self.owner, what.name)
        folder = dataset.partial_path.parent
        with explain_os_error(folder):
            folder.mkdir(parents=True, exist_ok=True)
        with explain_os_error(dataset.partial_path):
            dataset.partial_path.touch()
        upload = Upload(dataset.id, what, dataset.partial_path)
        self.uploads[dataset.id] = upload
        return upload

    def forget(self, upload: Upload) -> None:
        """Waits for it no more; what had arrived is gone already."""
        self.uploads.pop(upload.id, None)

    def give_up(self, upload: Upload) -> None:
        """Removes what had arrived, so that nothing half-written stays."""
        self.forget(upload)
        with suppress(UnknownNameError):  # the folder is gone already
            self.store.delete_dataset(self.owner, upload.id)

    def finish(self, upload: Upload) -> None:
        """Makes what has arrived whole a data set."""
        if upload.what.parts:
            _zip_parts(upload)
        self.store.finish_upload(self.owner, upload.id)
        self.uploads.pop(upload.id, None)


class Desks:
    """The desk of each tab, by a token that cannot be guessed."""

    def __init__(self) -> None:
        self._lock, self._desks = threading.Lock(), OrderedDict[str, Desk]()
        # By person, not by tab, so that a reload can carry an upload on.
        self._uploads: dict[str, dict[str, Upload]] = {}

    def open(self, owner: str, store: Shelf, room: Disk | None = None) -> str:
        """A token for one tab; close it with the tab.

        Args:
            owner: Whose tab it is.
            store: Where uploads go.
            room: What fits; by default what the disk holds.
        """
        token = secrets.token_urlsafe(24)
        room = room or Room(store.data_dir, lambda owner: [])
        with self._lock:
            uploads = self._uploads.setdefault(owner, {})
            self._desks[token] = Desk(owner, store, uploads, room, self.promised)
            while len(self._desks) > _MOST_TABS:
                self._desks.popitem(last=False)
        return token

    def close(self, token: str) -> None:
        """The tab is closed; what had arrived of an upload waits for the person's next tab."""
        with self._lock:
            self._desks.pop(token, None)

    def promised(self) -> int:
        """Bytes that are yet to arrive of all uploads that something came of lately."""
        with self._lock:
            every = [u for uploads in self._uploads.values() for u in list(uploads.values())]
        return sum(u.missing for u in every if u.is_promised)

    def get(self, token: str) -> Desk | None:
        """The desk of a token."""
        with self._lock:
            return self._desks.get(token)


DESKS = Desks()


def _zip_parts(upload: Upload) -> None:
    """Files that belong together (matrix, barcodes, features) lie end to end; zips them."""
    packed = upload.partial.with_suffix(".packing")
    try:
        with upload.partial.open("rb") as file, zipfile.ZipFile(packed, "w") as archive:
            for name, size in upload.what.parts:
                now = time.localtime()[:6]
                with archive.open(zipfile.ZipInfo(name, now), "w", force_zip64=True) as member:
                    while size > 0:
                        piece = file.read(min(size, 1 << 20))
                        if not piece:
                            raise OSError(errno.EIO, f"{name} is cut off")
                        member.write(piece)
                        size -= len(piece)
        os.replace(packed, upload.partial)
    finally:
        packed.unlink(missing_ok=True)
