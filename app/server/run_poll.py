"""One thread for all tabs: what is new in their runs, and what of theirs is due."""

import logging
import threading
import weakref
from collections.abc import Iterable
from typing import Protocol

from diffbio_engine.runs.folder.said_once import Said

_LOG = logging.getLogger("diffbio.app")
_POLL_SECONDS = 0.12


class Looks(Protocol):
    """What of a tab is looked after."""

    def look(self) -> None:
        """Brings what is new."""


class OfTabs(Protocol):
    """Whoever knows the tabs there are."""

    @property
    def drivers(self) -> Iterable[Looks]:
        """Those of all tabs."""


def look_on(server: "weakref.ref[OfTabs]", end: threading.Event) -> None:
    """Looks until `end` is set, or nobody holds the server any more."""
    said = Said()
    while not end.wait(_POLL_SECONDS):
        alive = server()
        if alive is None:
            return
        _look_once(alive, said)
        del alive


def _now_in(drivers: Iterable[Looks]) -> list[Looks]:
    """Those there are; a tab that opens or closes meanwhile is seen the next time."""
    while True:
        try:
            return list(drivers)
        except RuntimeError:  # the loop has added one while they were counted
            continue


def _look_once(server: OfTabs, said: Said) -> None:
    """A function of its own: what it named is let go while the thread waits."""
    for driver in _now_in(server.drivers):
        try:
            driver.look()
        except Exception as error:
            if said.is_news(error):
                _LOG.exception("While looking at a run; the same is not said again for a while")
