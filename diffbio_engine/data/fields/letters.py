"""Where ports find what lies along positions: letters, their qualities, a signal."""

import numpy as np
import pandas as pd

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.matrix.ragged import Ragged
from diffbio_engine.errors import DataError
from diffbio_engine.ports import (
    BACKGROUND,
    KNOWN_STATES,
    QUALITY,
    SEQUENCES,
    SIGNAL,
    WINDOW_ORDER,
    offer_of,
)
from diffbio_engine.ports.sequence_ports import SPANS

LETTERS, FREQUENCIES, QUALITIES, STATES, SIGNALS, ORDER = _PLACES = tuple(
    offer_of(port.name).computed
    for port in (SEQUENCES, BACKGROUND, QUALITY, KNOWN_STATES, SIGNAL, WINDOW_ORDER)
)
OF_SEQUENCES = (*_PLACES, *SPANS)
# What a data set has not got, and which files have it.
_LACKING = {
    SIGNAL.name: ("no signal along the genome", "Choose a bedGraph file."),
    QUALITY.name: ("no qualities of letters", "Choose a FASTQ file."),
    KNOWN_STATES.name: (
        "no states of letters",
        "Choose a FASTA file with a third line in each record (.3line).",
    ),
}
_FIELD_AT = {
    QUALITIES: QUALITY.name,
    STATES: KNOWN_STATES.name,
    SIGNALS: SIGNAL.name,
    ORDER: SIGNAL.name,
}
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
    if place == ORDER:
        return order_of_windows(dataset.obs)
    found = dataset.ragged[wanted]
    return frequencies(found, len(dataset.alphabet)) if place == FREQUENCIES else found


def order_of_windows(windows: pd.DataFrame) -> np.ndarray:
    """Whole numbers, one more from a window to the next that begins where it ends; else two more.

    Args:
        windows: ``chromosome``, ``start`` and ``end``, in the order of the genome.
    """
    names, start, end = (windows[name].to_numpy() for name in ("chromosome", "start", "end"))
    touch = (names[1:] == names[:-1]) & (start[1:] == end[:-1])
    return np.concatenate([[0], np.cumsum(np.where(touch, 1, 2))]).astype(np.int32)


def frequencies(sequences: Ragged, n_letters: int) -> np.ndarray:
    """How frequent each letter is among those that are told: float32, (letters,), adds up to one.

    The same for all where none is told.
    """
    found = np.zeros(max(256, n_letters + 1), np.int64)
    for start in range(0, len(sequences.flat), _BLOCK):
        found += np.bincount(sequences.flat[start : start + _BLOCK], minlength=len(found))
    told = found[:n_letters].astype(np.float64)
    share = told / told.sum() if told.any() else np.full(n_letters, 1 / n_letters)
    return share.astype(np.float32)
