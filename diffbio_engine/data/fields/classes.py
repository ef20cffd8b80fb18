"""Where ports find what equivalence classes have."""

import numpy as np

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.errors import DataError
from diffbio_engine.ports import (
    CLASS_COUNTS,
    CLASS_STARTS,
    CLASS_TRANSCRIPTS,
    CLASS_WEIGHTS,
    EFFECTIVE_LENGTHS,
    offer_of,
)

PORTS = (CLASS_STARTS, CLASS_TRANSCRIPTS, CLASS_WEIGHTS, CLASS_COUNTS, EFFECTIVE_LENGTHS)
PLACES = {port.name: offer_of(port.name).computed for port in PORTS}
OF_CLASSES = tuple(PLACES.values())


def of_classes(dataset: Dataset, place: str) -> np.ndarray:
    """The array at one of these places.

    Raises:
        DataError: The data set has no classes.
    """
    found = dataset.classes
    if found is None:
        raise DataError(
            f"{dataset.name} holds no equivalence classes.",
            fix="Choose the folder that salmon quant --dumpEq wrote.",
        )
    arrays = (
        found.starts, found.transcripts, found.weights, found.counts.astype(np.float32),
        found.effective_lengths,
    )  # fmt: skip
    return dict(zip(OF_CLASSES, arrays, strict=True))[place]
