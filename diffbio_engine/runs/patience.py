"""How long a paused run keeps its memory, on a GPU too, before it gives it back."""

import math
from collections.abc import Mapping

from diffbio_engine.errors import RunError

PAUSED_MINUTES = "PAUSED_MINUTES"
_USUAL = 30.0


def seconds_paused(environ: Mapping[str, str]) -> float:
    """After how many seconds in a pause a worker saves and ends; infinite: never.

    Args:
        environ: ``PAUSED_MINUTES`` there says it in minutes; 0 is never.

    Raises:
        RunError: What stands there is no such number.
    """
    said = environ.get(PAUSED_MINUTES, "").strip()
    try:
        minutes = float(said) if said else _USUAL
    except ValueError:
        minutes = math.nan
    if not minutes >= 0:
        raise RunError(
            f"{PAUSED_MINUTES}={said} is no number of minutes.",
            fix=f"Give a number, such as {_USUAL:.0f}; 0 keeps a paused run's memory for ever.",
        )
    return minutes * 60 or math.inf
