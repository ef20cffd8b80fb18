"""Quality control: what is measured of each cell, where its limits may lie, and who is kept."""

from diffbio_engine.data.quality.automatic import automatic_limits
from diffbio_engine.data.quality.filtering import Filtered, filtered, unfiltered
from diffbio_engine.data.quality.judging import Judged, judged
from diffbio_engine.data.quality.methods import methods_text
from diffbio_engine.data.quality.metrics import Measured, measured

__all__ = [
    "Filtered", "Judged", "Measured", "automatic_limits", "filtered", "judged", "measured",
    "methods_text", "unfiltered",
]  # fmt: skip
