"""Alphabets of sequences, and the codes that their letters have everywhere in the engine."""

from dataclasses import dataclass

# Codes are 0 .. A - 1 for the letters in their order, A for a letter that is not told, and this
# one past the end of a sequence.
PAST_THE_END = 255
# Batches are padded to multiples of this many positions, unless all records are of one length.
_STEP_OF_WIDTHS = 8


def width_for(length: int) -> int:
    """To how many positions a batch is padded at most, if no record is longer than this."""
    return -(-length // _STEP_OF_WIDTHS) * _STEP_OF_WIDTHS


@dataclass(frozen=True)
class Alphabet:
    """The letters of a kind of molecule.

    Attributes:
        name: As people write it: ``"DNA"``.
        letters: In the order of their codes.
        unit: What one letter is: ``"base"``.
        also: Letters that are valid and name several (N, R) or none of these: code A.
    """

    name: str
    letters: str
    unit: str
    also: str

    def __len__(self) -> int:
        return len(self.letters)


DNA = Alphabet("DNA", "ACGT", "base", "RYSWKMBDHVN")
# Its U has the code of T: a pipeline that was trained on DNA reads RNA.
RNA = Alphabet("RNA", "ACGU", "base", "RYSWKMBDHVN")
PROTEIN = Alphabet("protein", "ACDEFGHIKLMNPQRSTVWY", "residue", "BJOUXZ")
ALPHABETS = {alphabet.name: alphabet for alphabet in (DNA, RNA, PROTEIN)}


def alphabet_of(letters: str) -> Alphabet | None:
    """The alphabet that has these letters in this order; None for any others."""
    return next((alphabet for alphabet in ALPHABETS.values() if alphabet.letters == letters), None)
