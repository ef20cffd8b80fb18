"""Where ports find what lies along positions: letters, their qualities, a signal."""

import numpy as np

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.matrix.ragged import Ragged
from diffbio_engine.errors import DataError
from diffbio_engine.ports import BACKGROUND, KNOWN_STATES, QUALITY, SEQUENCES, SIGNAL, offer_of

LETTERS, FREQUENCIES, QUALITIES, STATES, SIGNALS = (
    offer_of(port.name).computed for port in (SEQUENCES, BACKGROUND, QUALITY, KNOWN_STATES, SIGNAL)
)
OF_SEQUENCES = (LETTERS, FREQUENCIES, QUALITIES, STATES, SIGNALS)
# What a data set has not got, and which files have it.
_LACKING = {
    SIGNAL.name: ("no signal along the genome", "Choose a bedGraph file."),
    QUALITY.name: ("no qualities of letters", "Choose a FASTQ file."),
    KNOWN_STATES.name: (
        "no states of letters",
        "Choose a FASTA file with a third line in each record (.3line).",
    ),
}
_FIELD_AT = {QUALITIES: QUALITY.name, STATES: KNOWN_STATES.name, SIGNALS: SIGNAL.name}
_BLOCK = 1 << 24


def of_sequences(dataset: Dataset, place: str) -> Ragged | np.ndarray:
    """The array at one of these places.

    Raises:
        DataError: The data set has no letters, no qualities, or no signal.
    """
    wanted = _FIELD_AT.get(place, SEQUENCES.name)
    if wanted not in dataset.ragged:
        no_sequences = ("no sequences of letters", "Choose a FASTA or FASTQ file.")
        has, fix = _LACKING.get(wanted, no_sequences) if dataset.ragged else no_sequences
        raise DataError(f"{dataset.name} holds {has}.", fix=fix)
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
