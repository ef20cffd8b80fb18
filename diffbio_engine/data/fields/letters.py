"""Where ports find what sequences have: letters, their frequencies, their qualities."""

import numpy as np

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.matrix.ragged import Ragged
from diffbio_engine.errors import DataError
from diffbio_engine.ports import BACKGROUND, QUALITY, SEQUENCES, offer_of

LETTERS, FREQUENCIES, QUALITIES = (
    offer_of(port.name).computed for port in (SEQUENCES, BACKGROUND, QUALITY)
)
OF_SEQUENCES = (LETTERS, FREQUENCIES, QUALITIES)
_BLOCK = 1 << 24


def of_sequences(dataset: Dataset, place: str) -> Ragged | np.ndarray:
    """The array at one of these places.

    Raises:
        DataError: The data set has no letters, or no qualities.
    """
    wanted = QUALITY.name if place == QUALITIES else SEQUENCES.name
    if wanted not in dataset.ragged:
        has = "no qualities of letters" if dataset.ragged else "no sequences of letters"
        raise DataError(
            f"{dataset.name} holds {has}.",
            fix="Choose a FASTQ file." if dataset.ragged else "Choose a FASTA or FASTQ file.",
        )
    found = dataset.ragged[wanted]
    return frequencies(found, len(dataset.alphabet)) if place == FREQUENCIES else found


def frequencies(sequences: Ragged, n_letters: int) -> np.ndarray:
    """How frequent each letter is among those that are told: float32, (letters,), adds up to one.

    The same for all where none is told.
    """
    found = np.zeros(256, np.int64)
    for start in range(0, len(sequences.flat), _BLOCK):
        found += np.bincount(sequences.flat[start : start + _BLOCK], minlength=256)
    told = found[:n_letters].astype(np.float64)
    share = told / told.sum() if told.any() else np.full(n_letters, 1 / n_letters)
    return share.astype(np.float32)
