"""Opens people's files in processes of their own: what a file breaks there breaks nothing else."""

from diffbio_engine.apart.limits import Limits, limits_alone, limits_for
from diffbio_engine.apart.opened import Opened
from diffbio_engine.apart.readers import Readers, clear_left_behind
from diffbio_engine.apart.stop import Stop, StoppedError

__all__ = [
    "Limits",
    "Opened",
    "Readers",
    "Stop",
    "StoppedError",
    "clear_left_behind",
    "limits_alone",
    "limits_for",
]
