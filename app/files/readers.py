"""The readers of this server: the page itself never opens a file that a person brought."""

import atexit
import logging
import threading
from pathlib import Path

from app.files.uploads import DESKS
from diffbio_engine.apart import Opened, Readers, clear_left_behind
from diffbio_engine.data import file_of
from diffbio_engine.workspace import Room

_LOG = logging.getLogger("diffbio.app")

READERS = Readers()
atexit.register(READERS.close)


def begin(data_dir: Path, room: Room) -> None:
    """Zips are unpacked beside the data from now on; the first look need not wait for imports."""
    scratch = data_dir / ".reading"
    READERS.scratch = scratch
    READERS.room = lambda: max(room.free() - DESKS.promised(), 0)

    def prepare() -> None:
        try:
            clear_left_behind(scratch)
            READERS.begin()
        except OSError:
            _LOG.exception("While getting the readers of files ready")

    threading.Thread(target=prepare, name="readers", daemon=True).start()


def opened(source: str) -> Opened:
    """The reader of a file, which keeps it open while somebody asks on.

    Args:
        source: A file, or ``DatasetCard.source`` where the person said how to read it.
    """
    file, reading = file_of(source)
    return READERS.opened(file, **reading.as_dict())
