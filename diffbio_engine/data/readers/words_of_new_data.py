"""New sequences in the words of the vocabulary that a pipeline was trained on."""

import numpy as np

from diffbio_engine.data.matrix.ragged import Ragged
from diffbio_engine.data.readers.vocabularies import Vocabulary, words_of_letters
from diffbio_engine.data.sampling.records import SEQUENCES, Records
from diffbio_engine.errors import DataError
from diffbio_engine.ports.alphabets import Alphabet, end_of

# Of what stands in new sequences, words that were never trained on say nothing.
_ENOUGH = 0.5


def in_trained_words(records: Records, now: Alphabet, before: Alphabet, name: str) -> list[str]:
    """Puts the trained words in the place of letters, or of words of another vocabulary.

    Words are matched by what they are, never by their number.

    Args:
        now, before: What the sequences are in, and what they are to be in: words.
        name: Of the new data set.

    Raises:
        DataError: Most of what stands in them is none of the trained words.
    """
    given = records.per_record[SEQUENCES]
    n = len(before)
    if now.unit == "token":
        known = {word: i for i, word in enumerate(before.letters)}
        table = np.array([*(known.get(word, n) for word in now.letters), n], np.int16)
        flat = table[np.minimum(given.flat.astype(np.int64), len(now))]
        found, offsets = flat, given.offsets
    else:
        vocabulary = Vocabulary("the trained pipeline", tuple(before.letters))
        rows, _ = words_of_letters(given.flat, given.offsets, now, vocabulary)
        found = np.concatenate(rows) if rows else np.zeros(0, np.int16)
        offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows], dtype=np.int64)])
    missed, total = int((found == n).sum()), len(found)
    told = f"{total - missed:,} of {total:,} words"
    if missed > (1 - _ENOUGH) * total:
        raise DataError(
            f"This pipeline was trained on words such as {', '.join(before.letters[:3])}: only"
            f" {told} of {name} are among them.",
            fix="Bring the sequences by letters, or in words of the same vocabulary.",
            where="data",
        )
    end = end_of(n)
    flat = found.astype(np.uint8) if end > 0 else found
    records.per_record[SEQUENCES] = Ragged(flat, offsets, end, given.longest)
    records.along["letters"] = list(before.letters)
    if now.unit != "token":
        said = f"The letters of {name} are read in the {n:,} words that the pipeline was trained on"
        return [f"{said}: {told} are told."]
    return [
        f"{name} has another vocabulary; its tokens were matched by what they are: {told} are among"
        f" the {n:,} that the pipeline was trained on, the others count as not told."
    ]
