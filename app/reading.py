"""The readers of this server: the page itself never opens a file that a person brought."""

import atexit
import logging
import threading
from pathlib import Path

from app.uploads import DESKS
from diffbio_engine.apart import Readers, clear_left_behind
from diffbio_engine.runs import Room

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
