"""What a tab needs of the server, each as a form that a test can fake without one."""

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any, Protocol

from app.session.dataset_card import DatasetCard
from diffbio_engine.runs import RunFolder
from diffbio_engine.runs.folder.run_line import RunSummary
from diffbio_engine.workspace import DatasetEntry
from diffbio_engine.workspace.room import Used
from diffbio_engine.workspace.store import PipelineEntry, PipelineVersion


class Tells(Protocol):
    """Where a tab says something to the person."""

    def say(self, text: str, kind: str = "info") -> None:
        """A short notification."""

    def refuse(self, error: BaseException) -> None:
        """Why something cannot be, in words."""


class Driver(Protocol):
    """Starts and steers runs for one tab, and brings their news into its ``RunShown``."""

    def start(self, **options: Any) -> None:
        """Starts a run of the tab's document on its data."""

    def apply(self, card: DatasetCard, *, few_genes: bool = False) -> None:
        """Starts a run that applies what the shown run has learned to other cells."""

    def ask(self, what: str) -> None:
        """Asks the shown run to pause, resume, step or stop, or for its results."""

    def turn(self, dial: str, value: float) -> None:
        """Turns a dial of the shown run."""

    def watch(self, run_id: str) -> None:
        """Shows this run from now on."""

    def forget(self) -> None:
        """Shows no run."""

    def folder(self) -> Path:
        """Folder of the shown run."""

    def records(self) -> dict[str, Any]:
        """All loss rows of the shown run."""


class Rights(Protocol):
    """Whether one tab edits its pipeline, or looks on; `app.server.editing` says it of all."""

    def may_edit(self) -> bool:
        """Whether no other tab holds this one's pipeline."""

    def holds(self) -> bool:
        """Whether this tab is the one that edits its pipeline."""

    def names(self) -> set[str]:
        """What the pipelines are called that other tabs of this person hold."""

    def settle(self, renamed: bool = False) -> None:
        """After each change: the tab holds its pipeline, or looks on."""

    def take_over(self) -> None:
        """The tab edits from now on, with all that the other has done."""

    def look(self, now: float) -> None:
        """Called often: who has been away for long gives way to who waits."""


class Previews(Protocol):
    """Processes that draw ended runs with other dials."""

    def ask(self, run: RunFolder, dials: Mapping[str, float], by: str = "") -> int:
        """Asks for a map with these dials; the number of the request."""

    def is_at_work(self, run: RunFolder) -> bool:
        """Whether a process is there to draw."""

    def end(self, run: RunFolder, by: str = "") -> None:
        """Nobody looks any more, as far as `by` knows."""


class Runs(Protocol):
    """All runs of the server, and their queue: ``diffbio_engine.runs.Engine``."""

    @property
    def previews(self) -> Previews:
        """The previewing processes."""

    def runs(self, owner: str) -> list[RunSummary]:
        """The runs of this owner, newest first."""

    def folder(self, run_id: str, owner: str) -> RunFolder:
        """The folder of a run, for its owner only."""

    def resume(self, run_id: str, owner: str) -> None:
        """Carries a run on."""

    def delete(self, run_id: str, owner: str) -> None:
        """Ends a run, and moves its folder to the trash."""

    def where(self) -> str:
        """Where runs compute, in words."""


class PipelineStore(Protocol):
    """The saved pipelines of people: ``diffbio_engine.workspace.Store``."""

    def pipelines(self, owner: str) -> list[PipelineEntry]:
        """Those of this owner, newest first."""

    def load_pipeline(self, owner: str, name: str, version: int | None = None) -> dict[str, Any]:
        """A document, as last saved or of a version."""

    def save_pipeline(
        self, owner: str, name: str, document: dict[str, Any], change: str = ""
    ) -> int:
        """Saves a document; the number of its version."""

    def rename_pipeline(self, owner: str, name: str, new_name: str) -> None:
        """Gives a saved pipeline another name."""

    def pipeline_history(self, owner: str, name: str) -> list[PipelineVersion]:
        """Its versions, newest first."""


class DatasetStore(Protocol):
    """The data sets of people: ``diffbio_engine.workspace.Store``."""

    def datasets(self, owner: str) -> list[DatasetEntry]:
        """Those of this owner, newest first."""

    def dataset(self, owner: str, dataset_id: str) -> DatasetEntry:
        """One of them."""

    def register(self, owner: str, path: str | PathLike, name: str | None = None) -> DatasetEntry:
        """Takes a file of the server into the list."""

    def new_upload(self, owner: str, filename: str) -> DatasetEntry:
        """A data set that begins to arrive."""

    def finish_upload(self, owner: str, dataset_id: str) -> DatasetEntry:
        """The same, once it is whole."""

    def reading(self, owner: str, dataset_id: str) -> dict[str, Any]:
        """How the person said it is to be read."""

    def set_reading(self, owner: str, dataset_id: str, reading: dict[str, Any]) -> None:
        """Keeps how it is to be read."""

    def delete_dataset(self, owner: str, dataset_id: str) -> None:
        """Takes it off the list; what was uploaded is deleted."""

    def unfinished(self, owner: str) -> list[DatasetEntry]:
        """What did not arrive whole."""

    def damaged_datasets(self, owner: str) -> list[str]:
        """What cannot be read."""


class Library(PipelineStore, DatasetStore, Protocol):
    """All that is kept of people, besides runs."""

    data_dir: Path


class Disk(Protocol):
    """How much room a person has: ``diffbio_engine.workspace.Room``."""

    def used(self, owner: str) -> Used:
        """How much their things take."""

    def empty_trash(self, owner: str) -> int:
        """Empties their trash; the bytes that are free again."""

    def require(self, owner: str, n_bytes: int, what: str, promised: int = 0) -> None:
        """Refuses what would not fit."""
