"""One thread for all tabs: what is new in their runs, and what of theirs is due."""

import logging
import threading
import weakref
from typing import Any

from diffbio_engine.runs.folder.said_once import Said

_LOG = logging.getLogger("diffbio.app")
_POLL_SECONDS = 0.12


def look_on(server: "weakref.ref[Any]", end: threading.Event) -> None:
    """Looks until `end` is set, or nobody holds the server any more."""
    said = Said()
    while not end.wait(_POLL_SECONDS):
        alive = server()
        if alive is None:
            return
        _look_once(alive, said)
        del alive


def _now_in(drivers: "weakref.WeakSet[Any]") -> list[Any]:
    """Those there are; a tab that opens or closes meanwhile is seen the next time."""
    while True:
        try:
            return list(drivers)
        except RuntimeError:  # the loop has added one while they were counted
            continue


def _look_once(server: Any, said: Said) -> None:
    """A function of its own: what it named is let go while the thread waits."""
    for driver in _now_in(server.drivers):
        try:
            driver.look()
        except Exception as error:
            if said.is_news(error):
                _LOG.exception("While looking at a run; the same is not said again for a while")
