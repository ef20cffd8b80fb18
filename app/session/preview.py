"""What a tab shows of dials that were turned after its run had ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from diffbio_engine.runs import Snapshot


@dataclass(frozen=True)
class Preview:
    """What a tab shows of turned dials.

    Attributes:
        dials: As they are turned now.
        shown: Those that the snapshot shows; a moment ago they may have been others.
        snapshot: The map with them; None until there is one.
        message: What is being done, or why there is no map.
    """

    dials: Mapping[str, Any]
    shown: Mapping[str, Any] = field(default_factory=dict)
    snapshot: Snapshot | None = None
    message: str = ""
