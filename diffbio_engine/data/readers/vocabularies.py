"""Token vocabularies, a token a line (BERT's vocab.txt), and sequences as words of them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np

from diffbio_engine.data.readers.packed_text import BROKEN, bare_name, open_text
from diffbio_engine.errors import DataError
from diffbio_engine.ports.alphabets import DNA, PROTEIN, RNA, Alphabet

_CALLED = re.compile(r"(^|[^a-z])vocab(ulary)?([^a-z].*)?\.txt$")
_MARK = re.compile(r"\[[^\]\s]*\]|<[^>\s]*>")
# What stands for something that is not told; other marks say where a sequence begins or ends.
_NOT_TOLD = re.compile(r"[\[<](unk|mask|unknown)", re.IGNORECASE)
_INSIDE = "##"
MOST_TOKENS, _LONGEST_TOKEN, _LARGEST = 32_000, 64, 4_000_000
_MOST_LETTERS = 50_000_000


@dataclass(frozen=True)
class Vocabulary:
    """Tokens in the order of their ids.

    Attributes:
        name: What a person calls it: the name of its file.
        tokens: Marks among them: ``[PAD]``, ``<cls>``.
    """

    name: str
    tokens: tuple[str, ...]

    @cached_property
    def words(self) -> tuple[str, ...]:
        """Tokens that are no marks, in their order: what sequences are written in here."""
        return tuple(t for t in self.tokens if not _MARK.fullmatch(t))

    @property
    def marks(self) -> tuple[str, ...]:
        return tuple(t for t in self.tokens if _MARK.fullmatch(t))

    @property
    def ends(self) -> tuple[str, ...]:
        """Marks that say where a sequence begins, ends or is filled up."""
        return tuple(t for t in self.marks if not _NOT_TOLD.match(t))

    @property
    def alphabet(self) -> Alphabet:
        """Words in the place of letters."""
        return Alphabet(f"{len(self.words):,} words", self.words, "token", "")

    @cached_property
    def overlapping(self) -> int:
        """Letters of a word, where all words have as many and more than one: then one begins at
        each position (DNABERT). Else 0: one word after the other.
        """
        return overlap_of(self.words)

    @property
    def how(self) -> str:
        """How a sequence becomes words, in words."""
        if self.overlapping:
            return f"a word of {self.overlapping} letters from each letter on"
        if all(len(word) == 1 for word in self.words):
            return "a word for each letter"
        return "one word after the other, the longest that fits"


def overlap_of(words: Sequence[str]) -> int:
    """Letters of a word where words overlap: all have as many, 2 to 16; else 0."""
    lengths = {len(word) for word in words}
    plain = not any(word.startswith(_INSIDE) for word in words)
    return lengths.pop() if len(lengths) == 1 and plain and max(lengths) in range(2, 17) else 0


def is_vocabulary(path: Path) -> bool:
    """By its name: vocab.txt, dna_vocab.txt."""
    return bool(_CALLED.search(bare_name(path)))


def read_vocabulary(path: Path) -> Vocabulary:
    """The tokens of a file.

    Raises:
        DataError: With the line, where it is none.
    """
    try:
        with open_text(path) as file:
            text = file.read(_LARGEST + 1)
    except BROKEN as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path.name} cannot be read ({error}).", fix="Copy it again.") from None
    if len(text) > _LARGEST:
        raise _no(path, f"has more than {_LARGEST:,} letters")
    tokens = text.splitlines()
    while tokens and not tokens[-1].strip():
        tokens.pop()
    tokens = [token.removesuffix("\r") for token in tokens]
    if not tokens:
        raise _no(path, "is empty")
    if len(tokens) > MOST_TOKENS:
        raise _no(path, f"has {len(tokens):,} tokens; {MOST_TOKENS:,} at most are read")
    first: dict[str, int] = {}
    for n, token in enumerate(tokens, 1):
        if not token.strip():
            raise _no(path, f"has no token in line {n:,}")
        if len(token) > _LONGEST_TOKEN or not token.isprintable() or token.split() != [token]:
            raise _no(path, f"has no token but '{token[:20]}' in line {n:,}")
        if token in first:
            raise _no(path, f"has '{token}' in the lines {first[token]:,} and {n:,}")
        first[token] = n
    found = Vocabulary(path.name, tuple(tokens))
    if len(found.words) < 2:
        raise _no(path, f"has {len(found.words)} words besides {len(found.marks)} marks")
    return found


def _no(path: Path, what: str) -> DataError:
    return DataError(
        f"{path.name} {what}.",
        fix="A vocabulary has one token a line, in the order of the ids, each once: [PAD], [CLS],"
        " AAA, AAC, ...",
    )


def words_of_letters(
    letters: np.ndarray, offsets: np.ndarray, alphabet: Alphabet, vocabulary: Vocabulary
) -> tuple[list[np.ndarray], int]:
    """Each sequence in words of the vocabulary, and how many letters stand in none.

    Words of one length overlap; else the longest word that fits is taken, then the next. What no
    word begins with, and a word with a letter that is not told, counts as not told.

    Args:
        letters: Codes of the alphabet, one sequence after the other.
        offsets: Where each begins, and where the last ends.

    Raises:
        DataError: The words are of other letters, or there are too many letters.
    """
    if len(letters) > _MOST_LETTERS:
        raise DataError(
            f"There are {len(letters):,} letters; {_MOST_LETTERS:,} at most are read in words.",
            fix="Bring fewer sequences, or take the letters ('none' under 'Words are of').",
        )
    at = {word: i for i, word in enumerate(vocabulary.words)}
    text = _as_text(letters, alphabet, vocabulary)
    unknown = len(at)
    k, rows, missed = vocabulary.overlapping, [], 0
    longest = max(len(word.removeprefix(_INSIDE)) for word in at)
    for start, end in pairwise(offsets):
        one, found = text[start:end], []
        if k:
            found = [at.get(one[i : i + k], unknown) for i in range(len(one) - k + 1)]
            missed += found.count(unknown)
        else:
            i = 0
            while i < len(one):
                inside = _INSIDE if i else ""
                for n in range(min(longest, len(one) - i), 0, -1):
                    piece = one[i : i + n]
                    word = at.get(inside + piece, at.get(piece)) if inside else at.get(piece)
                    if word is not None:
                        break
                else:
                    n, word = 1, unknown
                    missed += 1
                found.append(word)
                i += n
        rows.append(np.array(found, np.int16))
    if rows and missed and missed == sum(map(len, rows)):
        raise DataError(
            f"No word of {vocabulary.name} ({vocabulary.words[0]}, {vocabulary.words[1]}, ...)"
            f" stands in the sequences, which are {alphabet.name}.",
            fix="Bring the vocabulary of such sequences, or take the letters ('none' under 'Words"
            " are of').",
        )
    return rows, missed


def _as_text(letters: np.ndarray, alphabet: Alphabet, vocabulary: Vocabulary) -> str:
    """Letters as the vocabulary writes them: small or capital, T or U."""
    used = set("".join(vocabulary.words))
    names = list(alphabet.letters)
    if alphabet in (DNA, RNA):
        names[3] = "U" if "U" in {x.upper() for x in used} and "T" not in used else "T"
    names.append("X" if alphabet is PROTEIN else "N")
    if not any(x.isupper() for x in used):
        names = [name.lower() for name in names]
    table = np.array([ord(name) for name in names], np.uint8)
    return table[np.minimum(letters, len(alphabet))].tobytes().decode("ascii")


def words_of_ids(
    rows: Sequence[np.ndarray], vocabulary: Vocabulary, where: str
) -> tuple[list[np.ndarray], int, int]:
    """Ids of tokens as words; how many marks were left out, and how many words are not told.

    Raises:
        DataError: With the row, where an id is none of the vocabulary.
    """
    marks, not_told = -1, len(vocabulary.words)
    words = {word: i for i, word in enumerate(vocabulary.words)}
    table = np.array(
        [words.get(t, not_told if _NOT_TOLD.match(t) else marks) for t in vocabulary.tokens],
        np.int16,
    )
    found, left, n_unknown = [], 0, 0
    for n, ids in enumerate(rows, 1):
        if len(ids) and (ids.max() >= len(table) or ids.min() < 0):
            raise DataError(
                f"Row {n:,} of {where} has the id {int(ids.max()):,}; {vocabulary.name} has"
                f" {len(table):,} tokens, 0 to {len(table) - 1:,}.",
                fix="Bring the vocabulary that these ids are of.",
            )
        row = table[ids]
        left += int((row == marks).sum())
        n_unknown += int((row == not_told).sum())
        found.append(row[row != marks])
    return found, left, n_unknown
