"""The readers of this server: the page itself never opens a file that a person brought."""

import atexit
import logging
import threading
from pathlib import Path

from diffbio_engine.apart import Readers, clear_left_behind

_LOG = logging.getLogger("diffbio.app")

READERS = Readers()
atexit.register(READERS.close)


def begin(data_dir: Path) -> None:
    """Zips are unpacked beside the data from now on; the first look need not wait for imports."""
    scratch = data_dir / ".reading"
    READERS.scratch = scratch

    def prepare() -> None:
        try:
            clear_left_behind(scratch)
            READERS.begin()
        except OSError:
            _LOG.exception("While getting the readers of files ready")

    threading.Thread(target=prepare, name="readers", daemon=True).start()
