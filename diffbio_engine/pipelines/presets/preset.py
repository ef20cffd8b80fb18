"""What a ready pipeline is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from diffbio_engine.pipelines.spec import PipelineSpec


@dataclass(frozen=True)
class Preset:
    """A ready pipeline.

    Attributes:
        make: From the fields that a data set offers, and their places in the file, to the
            document; None for all fields. Blocks that need a field which is not there are left
            out.
        demo: Id of the demo data set that shows it best.
    """

    id: str
    title: str
    summary: str
    make: Callable[[Mapping[str, str] | None], PipelineSpec]
    demo: str = ""
