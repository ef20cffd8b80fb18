"""Maps of runs as they are read from disk: once for all tabs that show them."""

import threading
from collections import OrderedDict

from diffbio_engine.runs import RunReader, Snapshot
from diffbio_engine.runs.folder.snapshots import snapshot_path

_KEPT = 6


class SnapshotsSeen:
    """The newest few maps that any tab has asked for."""

    def __init__(self) -> None:
        self._snapshots: OrderedDict[tuple[str, int, int], Snapshot] = OrderedDict()
        self._guard = threading.Lock()

    def get(self, reader: RunReader, step: int) -> Snapshot | None:
        """The map of a step, read once for all tabs."""
        # A dial that is turned in a pause draws the same step again.
        key = (str(reader.folder.path), step, _written(reader, step))
        with self._guard:
            if key in self._snapshots:
                return self._snapshots[key]
        found = reader.snapshot(step)
        if found is not None:
            with self._guard:
                self._snapshots[key] = found
                while len(self._snapshots) > _KEPT:
                    self._snapshots.popitem(last=False)
        return found


def _written(reader: RunReader, step: int) -> int:
    try:
        return snapshot_path(reader.folder.snapshots, step).stat().st_mtime_ns
    except OSError:
        return 0
