"""What a ready pipeline is."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from diffbio_engine.pipelines.spec import PipelineSpec


@dataclass(frozen=True)
class Preset:
    """A ready pipeline.

    Attributes:
        make: From the fields that a data set offers to the document; None for all fields. Blocks
            that need a field which is not there are left out.
        demo: Id of the demo data set that shows it best.
    """

    id: str
    title: str
    summary: str
    make: Callable[[Collection[str] | None], PipelineSpec]
    demo: str = ""
