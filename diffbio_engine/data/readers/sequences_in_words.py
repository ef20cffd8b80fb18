"""A data set of sequences in words of a vocabulary that lies beside them: letters, or ids."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.matrix.ragged import Ragged
from diffbio_engine.data.readers.sequence_rows import (
    USED,
    SequenceRows,
    cut_said,
    length_choice,
    table_of,
)
from diffbio_engine.data.readers.vocabularies import (
    Vocabulary,
    read_vocabulary,
    words_of_ids,
    words_of_letters,
)
from diffbio_engine.data.reading import MOST_USED, NO_VOCABULARY, Choice, Reading
from diffbio_engine.errors import DataError
from diffbio_engine.ports.alphabets import end_of

_BESIDE = {"quality": "qualities", "known_states": "states"}


def take_vocabulary(dataset: Dataset, files: Sequence[Path], reading: Reading) -> None:
    """Puts the words of a vocabulary in the place of letters, unless a person wants the letters.

    Raises:
        DataError: It is damaged, of other letters, or one of several.
    """
    if not files or dataset.alphabet.unit == "token":
        return
    vocabulary = the_vocabulary(files)
    taken = reading.vocabulary or vocabulary.name
    said = f"{vocabulary.name}: {len(vocabulary.words):,} words, {vocabulary.how}"
    possible = ((vocabulary.name, said), (NO_VOCABULARY, "none: letters"))
    why = "" if reading.vocabulary else "it lies beside the sequences"
    choice = Choice("vocabulary", "Words are of", taken, possible, why)
    dataset.choices = (*dataset.choices, choice)
    if taken == NO_VOCABULARY:
        return
    letters, lost = (
        dataset.ragged["sequences"],
        [_BESIDE[f] for f in _BESIDE if f in dataset.ragged],
    )
    rows, missed = words_of_letters(letters.flat, letters.offsets, dataset.alphabet, vocabulary)
    longer = int((np.diff(letters.offsets) > letters.longest).sum())
    of_letters = cut_said(longer, len(letters), letters.longest)
    dataset.warnings = [said for said in dataset.warnings if said != of_letters]
    dataset.choices = tuple(c for c in dataset.choices if c.name not in ("longest", "quality"))
    words = _ragged(rows, vocabulary, reading)
    dataset.ragged, dataset.alphabet = {"sequences": words}, vocabulary.alphabet
    dataset.states = ()
    _tell(dataset, words, reading)
    n = len(words.flat)
    told = f"The sequences are {n:,} words of {vocabulary.name}, {vocabulary.how}"
    unknown = f"; {missed:,} of {n:,} are not told (no word fits, or a letter is not told)"
    dataset.warnings.append(told + (unknown if missed else "") + ".")
    if lost:
        dataset.warnings.append(f"The {' and '.join(lost)} of letters are left out.")


def data_set_of_ids(
    read: SequenceRows,
    ids: Sequence[np.ndarray],
    files: Sequence[Path],
    name: str,
    path: Path,
    reading: Reading,
    vocabularies: Sequence[Path],
) -> Dataset:
    """A data set of tokens that are told as ids of a vocabulary.

    Raises:
        DataError: There is no vocabulary, or it is another one.
    """
    if not vocabularies:
        raise DataError(
            f"{name} holds ids of tokens, and not which tokens these are.",
            fix="Drop the vocabulary (vocab.txt: a token a line, in the order of the ids) together"
            " with the table, or put both into one folder or zip.",
        )
    vocabulary = the_vocabulary(vocabularies)
    rows, left, unknown = words_of_ids(ids, vocabulary, files[0].name)
    words = _ragged(rows, vocabulary, reading)
    obs, of_names = table_of(read, files)
    dataset = Dataset(
        name=name,
        kind=f"ids of {vocabulary.name}",
        obs=obs,
        var=pd.DataFrame(index=pd.Index([], dtype=object)),
        matrices={},
        path=path,
        warnings=tuple(of_names),
        ragged={"sequences": words},
        alphabet=vocabulary.alphabet,
    )
    _tell(dataset, words, reading)
    n = len(words.flat)
    if left:
        shown = ", ".join(vocabulary.ends[:6])
        dataset.warnings.append(
            f"{left:,} of {left + n:,} tokens are marks ({shown}) and are left out: blocks put in"
            " their own."
        )
    if unknown:
        dataset.warnings.append(f"{unknown:,} of {n:,} tokens are not told ([UNK], [MASK]).")
    if len(files) > 1:
        dataset.samples = tuple((f.name, read.of_file.count(i)) for i, f in enumerate(files))
    return dataset


def the_vocabulary(files: Sequence[Path]) -> Vocabulary:
    """The one that lies there; a ``DataError`` where there are several."""
    if len(files) > 1:
        raise DataError(
            f"There are {len(files)} vocabularies: {', '.join(f.name for f in files[:5])}.",
            fix="Bring the one that the sequences are to be read by.",
        )
    return read_vocabulary(files[0])


def _ragged(rows: list[np.ndarray], vocabulary: Vocabulary, reading: Reading) -> Ragged:
    used = min(int(reading.longest or USED), MOST_USED)
    end = end_of(len(vocabulary.words))
    flat = np.concatenate(rows) if rows else np.zeros(0, np.int16)
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows], dtype=np.int64)])
    return Ragged(flat.astype(np.uint8) if end > 0 else flat, offsets, end, used)


def _tell(dataset: Dataset, words: Ragged, reading: Reading) -> None:
    """How long sequences are in words, and what is cut."""
    lengths = np.diff(words.offsets)
    longest = int(lengths.max(initial=0))
    dataset.obs["tokens" if "tokens" not in dataset.obs else "n_tokens"] = lengths
    if longest > USED or reading.longest:
        choice = length_choice(longest, int(reading.longest or USED), given=bool(reading.longest))
        dataset.choices = (*dataset.choices, choice)
    if cut := int((lengths > words.longest).sum()):
        dataset.warnings.append(cut_said(cut, len(words), words.longest, "words"))
    if empty := int((lengths == 0).sum()):
        dataset.warnings.append(
            f"{empty:,} of {len(words):,} sequences have no words; nothing is learned of them."
        )
