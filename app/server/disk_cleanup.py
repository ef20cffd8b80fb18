"""The disk of the server: what a person may take of it, and what is let go by itself."""

import logging
import os
import threading
import weakref
from typing import Any

from diffbio_engine.quantities import number_set
from diffbio_engine.runs import Engine
from diffbio_engine.runs.folder.said_once import Said
from diffbio_engine.workspace import Room

_LOG = logging.getLogger("diffbio.app")
_SECONDS = 300.0


def room_settings() -> dict[str, Any]:
    """What ``QUOTA_GB`` and ``TRASH_DAYS`` say, as options of ``Room``; a sentence if wrong."""
    quota, days = number_set(os.environ, "QUOTA_GB"), number_set(os.environ, "TRASH_DAYS")
    return {
        "quota": None if quota is None else int(quota * 2**30),
        **({} if days is None else {"trash_days": days}),
    }


def room_of(engine: Engine, settings: dict[str, Any]) -> Room:
    """The room of an engine's data folder."""
    return Room(engine.data_dir, lambda owner: [run.id for run in engine.runs(owner)], **settings)


def begin(room: Room, end: threading.Event) -> None:
    """Tidies now and every five minutes, until the end."""
    told = (weakref.ref(room), end)
    threading.Thread(target=_tidy_on, args=told, name="tidying", daemon=True).start()


def _tidy_on(room: "weakref.ref[Room]", end: threading.Event) -> None:
    said = Said()
    while not end.is_set():
        alive = room()
        if alive is None:
            return
        try:
            alive.tidy()
        except Exception as error:
            if said.is_news(error):
                _LOG.exception("While tidying the data folder")
        del alive
        if end.wait(_SECONDS):
            return
