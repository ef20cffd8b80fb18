"""From letters to codes: which alphabet they are of, and what is no letter of it, with n of N."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from diffbio_engine.errors import DataError
from diffbio_engine.ports.alphabets import ALPHABETS, DNA, PROTEIN, RNA, Alphabet

# Residues whose letters are none of nucleic acids, ambiguity codes included.
_PROTEIN_ALONE = "EFILPQZ"
# Bases that are told: of proteins about a third of the letters are among them.
_BASES = "ACGTUN"
_MOSTLY, _HARDLY, _FEW = 0.9, 0.02, 100
_GAPS = b"-."
_NO_STATE, _MOST_STATES = "U?-._", 64
_DROPPED = 254
_BLOCK = 1 << 24


@dataclass(frozen=True)
class Told:
    """Which alphabet was taken, and why."""

    alphabet: Alphabet
    why: str = ""
    note: str = ""


def counts_of(flat: np.ndarray) -> np.ndarray:
    """How often each byte occurs: int64, (256,)."""
    found = np.zeros(256, np.int64)
    for start in range(0, len(flat), _BLOCK):
        found += np.bincount(flat[start : start + _BLOCK], minlength=256)
    return found


def tell_alphabet(counts: np.ndarray, ending: str, said: str) -> Told:
    """DNA, RNA or protein, from how often each letter occurs.

    Args:
        counts: By byte; capital and small letters are the same.
        ending: Of the file's name: ``.faa`` says protein where letters leave it open.
        said: What a person said it is; empty leaves it to the letters.
    """
    if said:
        return Told(ALPHABETS[said])
    n_of = {chr(c): int(counts[ord(chr(c))] + counts[ord(chr(c).lower())]) for c in range(65, 91)}
    n = sum(n_of.values())
    if not n:
        return Told(PROTEIN if ending in (".faa", ".pep") else DNA, "there are no letters")
    bases = sum(n_of[c] for c in _BASES) / n
    if sum(n_of[c] for c in _PROTEIN_ALONE) / n >= _HARDLY or bases < _MOSTLY:
        note = _few(n, "protein") if n < _FEW and bases >= 0.5 else ""
        return Told(PROTEIN, f"{1 - bases:.0%} of the letters are none of A, C, G, T, U or N", note)
    if ending in (".faa", ".pep"):
        return Told(
            PROTEIN,
            f"the name ends in {ending}",
            f"{bases:.0%} of the letters are A, C, G, T, U or N, as those of DNA are; the file is"
            f" read as protein because its name ends in {ending}. If it is DNA, say so under"
            " 'Letters are'.",
        )
    alphabet = RNA if n_of["U"] > n_of["T"] else DNA
    note = _few(n, alphabet.name) if n < _FEW else ""
    if n_of["U"] and n_of["T"]:
        note = (
            f"There are both T ({n_of['T']:,}) and U ({n_of['U']:,}) among the letters; they are"
            " read as the same base."
        )
    why = f"{100 * bases:.4g}% of the letters are {', '.join(alphabet.letters)} or N"
    return Told(alphabet, why, note)


def _few(n: int, name: str) -> str:
    return (
        f"There are only {n:,} letters to tell {name} by. If they are something else, say so under"
        " 'Letters are'."
    )


def table_of(alphabet: Alphabet, *, gaps: bool) -> np.ndarray:
    """The code of each byte, uint8 (256,); ``gaps``: whether blanks, ``-`` and ``.`` are left out.

    They are not where something stands beside each letter.
    """
    table = np.full(256, len(alphabet), np.uint8)
    for code, letter in enumerate(alphabet.letters):
        table[[ord(letter), ord(letter.lower())]] = code
    if alphabet in (DNA, RNA):
        for letter in "TU":
            table[[ord(letter), ord(letter.lower())]] = 3
    for sign in b" \t\r\n\x0b\x0c" + _GAPS if gaps else b"":
        table[sign] = _DROPPED
    return table


def coded(
    flat: np.ndarray, offsets: np.ndarray, alphabet: Alphabet, *, gaps: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Codes and where each sequence begins, without blanks (and gaps).

    Cost: one pass; one byte a letter more.
    """
    table = table_of(alphabet, gaps=gaps)
    codes = np.empty_like(flat)
    for start in range(0, len(flat), _BLOCK):
        codes[start : start + _BLOCK] = table[flat[start : start + _BLOCK]]
    dropped = np.flatnonzero(codes == _DROPPED)
    if not len(dropped):
        return codes, offsets
    return np.delete(codes, dropped), offsets - np.searchsorted(dropped, offsets)


def what_was_read(counts: np.ndarray, alphabet: Alphabet, *, gaps: bool) -> list[str]:
    """What of the letters was changed or is not told, with n of N."""
    n = int(counts.sum() - counts[list(b" \t\r\n")].sum())
    small = int(counts[97:123].sum())
    notes = []
    masked = "" if alphabet is PROTEIN else " (soft-masked, as repeats are)"
    if small and small < int(counts[65:91].sum() + small):
        notes.append(
            f"{small:,} of {n:,} letters are lowercase{masked}; they are read as the others."
        )
    if alphabet is RNA:
        notes.append("RNA: U is read as T, so a pipeline that was trained on DNA reads it too.")
    if gaps and (n_gaps := int(counts[list(_GAPS)].sum())):
        notes.append(f"{n_gaps:,} of {n:,} signs are gaps (- or .); they are left out.")
    if n_stops := int(counts[ord("*")]):
        notes.append(f"{n_stops:,} of {n:,} letters are stops (*); they count as not told.")
    valid = set(("".join(alphabet.letters) + alphabet.also).encode())
    valid |= set(b"TU") if alphabet is not PROTEIN else set()
    valid |= {c + 32 for c in valid} | set(b"*-. \t\r\n")
    wrong = [c for c in range(256) if counts[c] and c not in valid]
    if wrong:
        shown = ", ".join(repr(chr(c)).strip("'") for c in wrong[:8])
        notes.append(
            f"{int(counts[wrong].sum()):,} of {n:,} letters are none of {alphabet.name} ({shown});"
            " they count as not told."
        )
    return notes


def tell_offset(counts: np.ndarray, said: str) -> tuple[int, str]:
    """From which sign qualities are counted, 33 or 64, and why.

    Phred+64 (Illumina 1.3 to 1.7) has nothing below ';' and up to 'i'; Phred+33 begins at '!'.
    """
    used = np.flatnonzero(counts)
    if said:
        return int(said), ""
    if not len(used):
        return 33, "there are no qualities"
    low, high = int(used[0]), int(used[-1])
    old = low >= 59 and 75 < high <= 110
    return (64 if old else 33), f"they lie between '{chr(low)}' and '{chr(high)}'"


def scores(flat: np.ndarray, offset: int) -> tuple[np.ndarray, list[str]]:
    """Phred scores; those below 0 (of Solexa, or a wrong guess) are 0, and said."""
    below = int((flat < offset).sum())
    values = np.where(flat < offset, 0, flat - np.uint8(offset)).astype(np.uint8)
    n = f"{below:,} of {len(flat):,} qualities are below 0 by Phred+{offset}"
    if below > 0.5 * len(flat):
        raise DataError(
            f"{n}.",
            fix="Say Phred+33 under 'Qualities are'.",
            where="quality",
        )
    return values, [f"{n}; they count as 0."] if below else []


def states_of(flat: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """States of letters as numbers from 0 (int8), -1 where none is told, and their names.

    ``U``, ``?``, ``-``, ``.`` and ``_`` say that a state is not known, as data banks of membrane
    proteins write it.
    """
    counts = counts_of(flat)
    told = [c for c in range(33, 127) if counts[c] and chr(c) not in _NO_STATE]
    if len(told) > _MOST_STATES:
        raise DataError(
            f"There are {len(told):,} different states of letters.",
            fix=f"At most {_MOST_STATES} are read: write a sign for each.",
        )
    table = np.full(256, -1, np.int8)
    table[told] = np.arange(len(told))
    return table[flat], tuple(chr(c) for c in told)


def duplicates(flat: np.ndarray, offsets: Sequence[int] | np.ndarray) -> int:
    """How many sequences are the same, letter for letter, as one before them."""
    whole = flat.tobytes()
    rows = {hash(whole[a:b]) for a, b in itertools.pairwise(offsets)}
    return len(offsets) - 1 - len(rows)
