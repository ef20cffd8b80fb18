"""Values from files that anybody may have changed: of the right kind, or a usual one instead."""

import math
from typing import Any


def number(value: Any, usual: float = 0.0) -> float:
    """A finite number; `usual` where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return usual
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return usual
    return found if math.isfinite(found) else usual


def whole(value: Any, usual: int = 0) -> int:
    """A whole number; `usual` where it is none."""
    return int(number(value, usual))


def text(value: Any, usual: str = "") -> str:
    """A text; `usual` where it is none."""
    return value if isinstance(value, str) else usual


def named(value: Any) -> dict[str, Any]:
    """Values by name; none where it is something else."""
    return value if isinstance(value, dict) else {}
