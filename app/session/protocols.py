"""What a tab needs of the server, each as a form that a test can fake without one."""

from pathlib import Path
from typing import Any, Protocol

from app.session.dataset_card import DatasetCard


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
