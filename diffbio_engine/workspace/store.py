"""What people keep on the server: their pipelines, saved as they edit, and their data sets."""

import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from diffbio_engine.data import Reading
from diffbio_engine.errors import DataError, RunError, UnknownNameError, did_you_mean
from diffbio_engine.runs.folder.durable_files import (
    explain_os_error,
    make_inside,
    read_json,
    write_json,
)
from diffbio_engine.workspace.dataset_entry import FILE, DatasetEntry, entry_in, write_entry
from diffbio_engine.workspace.pipeline_versions import (
    PipelineEntry,
    PipelineVersion,
    document_of,
    history,
    newest_entry,
    save_version,
    version_file,
    versions,
)

_READING = tuple(Reading.__dataclass_fields__)
_MOST_PIPELINES, _MOST_DATASETS = 1_000, 2_000


class Store:
    """Pipelines and data sets by owner, as files under ``data_dir/owners``."""

    def __init__(self, data_dir: str | os.PathLike):
        self.data_dir = Path(data_dir).resolve()
        self._owners = self.data_dir / "owners"

    # Pipelines ----------------------------------------------------------------------------

    def save_pipeline(
        self, owner: str, name: str, document: dict[str, Any], change: str = ""
    ) -> int:
        """Saves a document as the newest version of `name`, and returns the version.

        The same document again makes no new version; the last 50 are kept.

        Args:
            change: What was done last, in words.
        """
        folder = self._pipeline(owner, name, make=True)
        return save_version(folder, name, document, change)

    def pipelines(self, owner: str) -> list[PipelineEntry]:
        """Saved pipelines, newest first."""
        folders = (self._owner(owner) / "pipelines").glob("*")
        found = [entry for folder in folders if (entry := newest_entry(folder)) is not None]
        return sorted(found, key=lambda entry: entry.saved, reverse=True)

    def load_pipeline(self, owner: str, name: str, version: int | None = None) -> dict[str, Any]:
        """A saved document; the newest version unless one is named."""
        folder = self._pipeline(owner, name)
        known = versions(folder)
        if version is None:  # of a damaged one, the one before it
            documents = (document_of(folder, v) for v in reversed(known))
            document = next((d for d in documents if d is not None), None)
        else:
            document = document_of(folder, version) if version in known else None
        if document is None:
            names = [entry.name for entry in self.pipelines(owner)]
            raise UnknownNameError(
                f"There is no saved pipeline '{name}'"
                + (f" in version {version}." if known else "."),
                fix=did_you_mean(name, names) or "Choose one from the list.",
            )
        return document

    def pipeline_versions(self, owner: str, name: str) -> list[int]:
        """Versions that are kept, oldest first."""
        return versions(self._pipeline(owner, name))

    def pipeline_history(self, owner: str, name: str) -> list[PipelineVersion]:
        """What is known of each version that is kept, newest first."""
        return history(self._pipeline(owner, name))

    def rename_pipeline(self, owner: str, name: str, new_name: str) -> None:
        """Gives a pipeline another name, with all its versions."""
        if new_name == name:
            return
        document = self.load_pipeline(owner, name)
        target = self._pipeline(owner, new_name)
        if versions(target):
            raise DataError(
                f"There is a pipeline '{new_name}' already.", fix="Choose another name."
            )
        with explain_os_error(target):
            shutil.rmtree(target, ignore_errors=True)
            os.replace(self._pipeline(owner, name), target)
        # The newest version carries the name.
        newest = version_file(target, versions(target)[-1])
        write_json(newest, {"name": new_name, "saved": time.time(), "document": document})

    def delete_pipeline(self, owner: str, name: str) -> None:
        """Deletes a pipeline with all its versions."""
        shutil.rmtree(self._pipeline(owner, name), ignore_errors=True)

    # Data sets ----------------------------------------------------------------------------

    def new_upload(self, owner: str, filename: str) -> DatasetEntry:
        """A place for an upload; stream it to ``partial_path``."""
        name = Path(filename.replace("\\", "/")).name[:200]
        safe = re.sub(r"[^\w.-]", "_", name, flags=re.ASCII).lstrip(".")[-100:] or "data"
        dataset_id = secrets.token_hex(12)
        return self._write(owner, DatasetEntry(
            dataset_id, name or safe, self._dataset(owner, dataset_id) / safe, time.time(), True
        ))  # fmt: skip

    def finish_upload(self, owner: str, dataset_id: str) -> DatasetEntry:
        """Makes an upload that has arrived whole a data set."""
        dataset = self.dataset(owner, dataset_id)
        if not dataset.partial_path.exists():
            raise DataError(f"'{dataset.name}' did not arrive.", fix="Upload it again.")
        with explain_os_error(dataset.path):
            os.replace(dataset.partial_path, dataset.path)
        return dataset

    def register(
        self, owner: str, path: str | os.PathLike, name: str | None = None
    ) -> DatasetEntry:
        """A file or folder that stays where it is; the same path again is the same data set."""
        where = Path(path).resolve()
        if not where.exists():
            raise DataError(f"There is no file {path}.", fix="Choose a file that exists.")
        for known in self.datasets(owner):
            if known.path == where:
                return known
        dataset = DatasetEntry(secrets.token_hex(12), name or where.name, where, time.time(), False)
        return self._write(owner, dataset)

    def datasets(self, owner: str) -> list[DatasetEntry]:
        """Data sets that are there, newest first."""
        found = [entry_in(folder) for folder in (self._owner(owner) / "datasets").glob("*")]
        there = [dataset for dataset in found if dataset and _exists(dataset.path)]
        return sorted(there, key=lambda dataset: dataset.added, reverse=True)

    def dataset(self, owner: str, dataset_id: str) -> DatasetEntry:
        """A data set of this owner."""
        dataset = entry_in(self._dataset(owner, dataset_id))
        if dataset is None:
            raise UnknownNameError("You have no such data set.", fix="Choose one from the list.")
        return dataset

    def sha256(self, owner: str, dataset_id: str) -> str:
        """The fingerprint of the file; counted once, and again when the file changes."""

        def count(path: Path) -> dict[str, str]:
            if path.is_dir():
                raise DataError(f"{path.name} is a folder.", fix="Choose a file.")
            with path.open("rb") as file:
                return {"sha256": hashlib.file_digest(file, "sha256").hexdigest()}

        return self._remembered(owner, dataset_id, "sha256", count)["sha256"]

    def preview(
        self, owner: str, dataset_id: str, make: Callable[[Path], dict[str, Any]]
    ) -> dict[str, Any]:
        """What `make` finds in the file; made once, and again when the file changes."""
        return self._remembered(owner, dataset_id, "preview", make)

    def reading(self, owner: str, dataset_id: str) -> dict[str, Any]:
        """How the person said the file is to be read; empty if nobody said anything."""
        said = read_json(self._dataset(owner, dataset_id) / "reading.json")
        return {k: v for k, v in said.items() if k in _READING and isinstance(v, str)}

    def set_reading(self, owner: str, dataset_id: str, reading: dict[str, Any]) -> None:
        """Keeps how a file is to be read with its data set."""
        self.dataset(owner, dataset_id)
        file = self._dataset(owner, dataset_id) / "reading.json"
        # What a newer version knows besides is kept.
        others = {k: v for k, v in read_json(file).items() if k not in _READING}
        write_json(file, {**others, **reading})

    def delete_dataset(self, owner: str, dataset_id: str) -> None:
        """Deletes what was uploaded; a registered file stays where it is.

        Raises:
            UnknownNameError: If there is no such data set.
            RunError: If something of it cannot be removed.
        """
        folder = self._dataset(owner, dataset_id)
        if not folder.is_dir():
            raise UnknownNameError("You have no such data set.", fix="Choose one from the list.")
        with explain_os_error(folder):
            shutil.rmtree(folder)

    def unfinished(self, owner: str) -> list[DatasetEntry]:
        """Uploads of which something is there, but not all; newest first."""
        found = [entry_in(folder) for folder in (self._owner(owner) / "datasets").glob("*")]
        begun = [d for d in found if d and d.uploaded and not _exists(d.path)]
        there = [d for d in begun if _exists(d.partial_path)]
        return sorted(there, key=lambda dataset: dataset.added, reverse=True)

    def damaged_datasets(self, owner: str) -> list[str]:
        """Ids of those whose ``dataset.json`` makes no sense; they can only be deleted."""
        folders = (self._owner(owner) / "datasets").glob("*")
        return [f.name for f in folders if (f / FILE).exists() and entry_in(f) is None]

    def _remembered(
        self, owner: str, dataset_id: str, what: str, make: Callable[[Path], dict[str, Any]]
    ) -> dict[str, Any]:
        path = self.dataset(owner, dataset_id).path
        try:
            stat = path.stat()
        except FileNotFoundError:
            raise DataError(f"{path.name} is not there any more.", fix="Upload it again.") from None
        is_now = [stat.st_size, stat.st_mtime_ns]
        file = self._dataset(owner, dataset_id) / f"{what}.json"
        known = read_json(file)
        if known.get("of") != is_now:
            known = {"of": is_now, "is": make(path)}
            write_json(file, known, durable=False)
        return known["is"]

    # Places -------------------------------------------------------------------------------

    def _write(self, owner: str, dataset: DatasetEntry) -> DatasetEntry:
        folder = self._dataset(owner, dataset.id)
        _check_number(folder, _MOST_DATASETS, "data sets")
        make_inside(self.data_dir, folder)
        try:
            write_entry(folder, dataset)
        except RunError:
            with suppress(OSError):
                folder.rmdir()
            raise
        return dataset

    def _owner(self, owner: str) -> Path:
        return self._owners / folder_name(owner)

    def _pipeline(self, owner: str, name: str, *, make: bool = False) -> Path:
        if not name.strip():
            raise DataError("A pipeline needs a name.", fix="Give it one.")
        folder = self._owner(owner) / "pipelines" / folder_name(name)
        if make:
            _check_number(folder, _MOST_PIPELINES, "pipelines")
            make_inside(self.data_dir, folder)
        return folder

    def _dataset(self, owner: str, dataset_id: str) -> Path:
        if not re.fullmatch(r"[0-9a-f]{24}", dataset_id):
            raise UnknownNameError("You have no such data set.", fix="Choose one from the list.")
        return self._owner(owner) / "datasets" / dataset_id


def _check_number(folder: Path, most: int, what: str) -> None:
    """Refuses one more than so many; each costs every look at the list a moment."""
    with suppress(OSError):
        if not folder.exists() and len(os.listdir(folder.parent)) >= most:
            raise DataError(
                f"You have {most:,} {what}, and no more can be kept.",
                fix="Delete some that are no longer needed.",
            )


def folder_name(name: str) -> str:
    """A folder name for any text: readable, never a path, never that of another text."""
    readable = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40]
    return f"{readable}-{hashlib.sha256(name.encode()).hexdigest()[:12]}".lstrip("-")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that no system has, a disk that is gone
        return False
