"""Files on their way in: who may bring them, what has arrived, and what is made of it."""

import errno
import os
import secrets
import shutil
import threading
import time
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from app.downloads import safe_name
from diffbio_engine.errors import DataError
from diffbio_engine.runs import Store

# What the disk keeps free for runs and the system.
_RESERVE = 256 << 20
_MOST_TABS = 10_000


@dataclass
class Upload:
    """A file on its way, or several that belong together (``parts``: name and size of each)."""

    id: str
    name: str
    size: int
    parts: list[tuple[str, int]]
    partial: Path
    busy: bool = False


class Desk:
    """What one tab may upload, and for whom."""

    def __init__(self, owner: str, store: Store, uploads: dict[str, Upload]):
        self.owner, self.store, self.uploads = owner, store, uploads

    def begin(self, name: str, size: int, parts: list[tuple[str, int]]) -> Upload:
        """A place for an upload; an unfinished one of the same name and size is carried on."""
        name = safe_name(name, "data")
        if size <= 0:
            raise DataError(f"{name} is empty.", fix="Choose a file that holds data.")
        if len(parts) > 1:
            if sum(n for _, n in parts) != size or len(parts) > 20:
                raise DataError("These files do not add up.", fix="Drop them once more.")
            parts = [(safe_name(part), n) for part, n in parts]
            name = safe_name(f"{Path(name).stem}.zip")
        for upload in self.uploads.values():
            if (upload.name, upload.size) == (name, size) and upload.partial.exists():
                return upload
        dataset = self.store.new_upload(self.owner, name)
        folder = dataset.partial_path.parent
        folder.mkdir(parents=True, exist_ok=True)
        needed = size * (2 if len(parts) > 1 else 1)
        free = shutil.disk_usage(folder).free - _RESERVE
        if needed > free:
            self.store.delete_dataset(self.owner, dataset.id)
            raise DataError(
                f"{name} needs {_in_words(needed)}, and the disk of the server has "
                f"{_in_words(max(free, 0))} left.",
                fix="Delete data sets or runs that are no longer needed, or choose a smaller file.",
            )
        dataset.partial_path.touch()
        upload = Upload(dataset.id, name, size, parts, dataset.partial_path)
        self.uploads[dataset.id] = upload
        return upload

    def give_up(self, upload: Upload) -> None:
        """Removes what had arrived, so that nothing half-written stays."""
        self.uploads.pop(upload.id, None)
        self.store.delete_dataset(self.owner, upload.id)

    def finish(self, upload: Upload) -> None:
        """Makes what has arrived whole a data set."""
        if len(upload.parts) > 1:
            _zip_parts(upload)
        self.store.finish_upload(self.owner, upload.id)
        self.uploads.pop(upload.id, None)


class Desks:
    """The desk of each tab, by a token that cannot be guessed."""

    def __init__(self) -> None:
        self._lock, self._desks = threading.Lock(), OrderedDict[str, Desk]()
        # By person, not by tab, so that a reload can carry an upload on.
        self._uploads: dict[str, dict[str, Upload]] = {}

    def open(self, owner: str, store: Store) -> str:
        """A token for one tab; close it with the tab."""
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._desks[token] = Desk(owner, store, self._uploads.setdefault(owner, {}))
            while len(self._desks) > _MOST_TABS:
                self._desks.popitem(last=False)
        return token

    def close(self, token: str) -> None:
        """The tab is closed; what had arrived of an upload waits for the person's next tab."""
        with self._lock:
            self._desks.pop(token, None)

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
            for name, size in upload.parts:
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


def _in_words(n_bytes: int) -> str:
    for unit, size in (("GB", 1 << 30), ("MB", 1 << 20), ("kB", 1 << 10)):
        if n_bytes >= size:
            return f"{n_bytes / size:.1f} {unit}"
    return f"{n_bytes} bytes"
