"""A data set of a person, as the store keeps it in ``dataset.json``."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffbio_engine.runs.folder.durable_files import read_json, write_json
from diffbio_engine.runs.folder.plain_values import number, text
from diffbio_engine.runs.folder.said_once import Said

_LOG = logging.getLogger(__name__)
_SAID = Said(seconds=86_400.0)
FILE = "dataset.json"


@dataclass(frozen=True)
class DatasetEntry:
    """A file of data that its owner may use.

    Args:
        id: Cannot be guessed.
        name: As the person knows it.
        path: Where it lies; for an upload that is not finished it does not exist yet.
        added: When.
        uploaded: Whether the store owns the file.
    """

    id: str
    name: str
    path: Path
    added: float
    uploaded: bool

    @property
    def size(self) -> int:
        """Bytes; 0 while it is not there."""
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def partial_path(self) -> Path:
        """Where an upload is streamed to."""
        return self.path.with_name(self.path.name + ".partial")


def entry_in(folder: Path) -> DatasetEntry | None:
    """The data set of a folder; None if what is written there makes no sense, which is logged once.

    Keys that are not known here were written by a newer version, and are left aside.
    """
    if not (folder / FILE).exists():
        return None
    said = read_json(folder / FILE)
    path = text(said.get("path"))
    if not path or "\0" in path or said.get("id") != folder.name:
        error = ValueError(f"{folder / FILE} is damaged; this data set is left out of the list")
        if _SAID.is_news(error):
            _LOG.warning("%s", error)
        return None
    place = Path(path)
    name = text(said.get("name")) or place.name
    return DatasetEntry(
        folder.name, name, place, number(said.get("added")), said.get("uploaded") is True
    )


def write_entry(folder: Path, dataset: DatasetEntry) -> None:
    """Writes a data set; what else a newer version wrote beside it is kept."""
    known: dict[str, Any] = read_json(folder / FILE)
    write_json(folder / FILE, {**known, **vars(dataset), "path": str(dataset.path)})
