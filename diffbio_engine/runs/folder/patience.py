"""How long a paused run keeps its memory, on a GPU too, before it gives it back."""

import math
from collections.abc import Mapping

from diffbio_engine.quantities import number_set

PAUSED_MINUTES = "PAUSED_MINUTES"
_USUAL = 30.0


def seconds_paused(environ: Mapping[str, str]) -> float:
    """After how many seconds in a pause a worker saves and ends; infinite: never.

    Args:
        environ: ``PAUSED_MINUTES`` there says it in minutes; 0 is never.

    Raises:
        SettingError: What stands there is no such number.
    """
    said = number_set(
        environ,
        PAUSED_MINUTES,
        most=math.inf,
        of=" of minutes",
        fix=f"Give a number, such as {_USUAL:.0f}; 0 keeps a paused run's memory for ever.",
    )
    minutes = _USUAL if said is None else said
    return minutes * 60 or math.inf
