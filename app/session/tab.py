"""What is asked of a tab by others: that it shows, or hands over, what it works on."""

from collections.abc import Callable
from typing import Protocol

from app.session.data_in_use import DataInUse
from app.session.shared_document import SharedDocument


class Tab(Protocol):
    """One tab among others; `app.session.session.Session` is one."""

    owner: str
    opened: float
    is_connected: Callable[[], bool]
    document: SharedDocument
    data: DataInUse

    def mirror(self, other: "Tab", with_past: bool = False) -> None:
        """Shows what another tab works on; `with_past` brings its undo along."""

    def say(self, text: str, kind: str = "info") -> None:
        """A short notification."""

    def later(self, function: Callable[[], None]) -> None:
        """Runs a function inside this tab's event loop."""
