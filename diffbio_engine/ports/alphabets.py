"""Alphabets of sequences, and the codes that their letters have everywhere in the engine."""

from collections.abc import Sequence
from dataclasses import dataclass

# Codes are 0 .. A - 1 for the letters in their order, A for a letter that is not told, and this
# one past the end of a sequence. Words of a large vocabulary are no bytes: then it is -1.
PAST_THE_END, PAST_THE_WORDS = 255, -1
# So many letters or words are rows of an array at most; more are vectors by their number.
MOST_AS_ROWS = 256
# Batches are padded to multiples of this many positions, unless all records are of one length.
_STEP_OF_WIDTHS = 8


def end_of(n_letters: int) -> int:
    """What stands past the end of sequences of so many letters or words."""
    return PAST_THE_END if n_letters < PAST_THE_END else PAST_THE_WORDS


def width_for(length: int) -> int:
    """To how many positions a batch is padded at most, if no record is longer than this."""
    return -(-length // _STEP_OF_WIDTHS) * _STEP_OF_WIDTHS


@dataclass(frozen=True)
class Alphabet:
    """The letters of a kind of molecule, or the words of a vocabulary.

    Attributes:
        name: As people write it: ``"DNA"``.
        letters: In the order of their codes.
        unit: What one letter is: ``"base"``, or ``"token"``.
        also: Letters that are valid and name several (N, R) or none of these: code A.
    """

    name: str
    letters: Sequence[str]
    unit: str
    also: str

    def __len__(self) -> int:
        return len(self.letters)


DNA = Alphabet("DNA", "ACGT", "base", "RYSWKMBDHVN")
# Its U has the code of T: a pipeline that was trained on DNA reads RNA.
RNA = Alphabet("RNA", "ACGU", "base", "RYSWKMBDHVN")
PROTEIN = Alphabet("protein", "ACDEFGHIKLMNPQRSTVWY", "residue", "BJOUXZ")
ALPHABETS = {alphabet.name: alphabet for alphabet in (DNA, RNA, PROTEIN)}


def alphabet_of(letters: Sequence[str]) -> Alphabet | None:
    """The alphabet that has these letters in this order; of words, a vocabulary; None for none."""
    known = (alphabet for alphabet in ALPHABETS.values() if list(alphabet.letters) == list(letters))
    words = tuple(letters)
    return next(known, Alphabet(f"{len(words):,} words", words, "token", "") if words else None)
