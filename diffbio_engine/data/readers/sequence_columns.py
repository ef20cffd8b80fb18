"""Which column of a table holds sequences, told by its title and by what stands in it."""

import re
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath

from diffbio_engine.data.dataset.name_words import words_of
from diffbio_engine.data.readers.archive_names import names_in
from diffbio_engine.data.readers.packed_text import BROKEN, bare_name
from diffbio_engine.data.readers.table_text import TableText, form_of
from diffbio_engine.data.readers.vocabularies import is_vocabulary
from diffbio_engine.errors import DataError

# What a column of sequences is called: these alone, or beside other words ("protein_sequence").
_CALLED = {"sequence", "sequences", "seq", "seqs", "kmers", "cdr3", "cdr3aa", "junctionaa"}
# These also name what is no sequence ("protein" is often a name), so the values have to be long.
_MAY_BE_CALLED = {"dna", "rna", "protein", "peptide", "text", "nucleotides", "residues", "insert"}
_CALLED_IDS = {"input", "ids", "token", "tokens", "tokenids"}
# Letters that only tell records apart.
_TELL_APART = {"barcode", "barcodes", "cell", "cells", "umi", "index", "adapter", "primer", "gene",
               "genes", "symbol", "name", "id", "chromosome", "chrom", "strand"}  # fmt: skip
_LETTERS = re.compile(r"[A-Za-z*.\- ]+")
_BASES = re.compile(r"[ACGTUNRYSWKMBDHVacgtun.\- ]+")
_RESIDUES = re.compile(r"[ACDEFGHIKLMNPQRSTVWYXBZUOJ*\-]+")
_IDS = re.compile(r"[\[(]?\s*\d+(?:[\s,]+\d+)+\s*[\])]?")
_MISSING = {"", "na", "nan", "none", "null", "n/a"}
# Barcodes of cells have up to 28 bases, guides 20, primers 25; words of capitals are shorter.
_SHORTEST_BASES, _SHORTEST_RESIDUES, _SHORTEST_CALLED = 30, 30, 8
_MOST_COLUMNS, _MOSTLY = 1_000, 0.9
_MOST_TABLES, _HEAD = 16, 1 << 17


@dataclass(frozen=True)
class SequenceColumn:
    """A column that may hold sequences.

    Attributes:
        title: As the header says it.
        at: Which it is, from 0.
        holds: ``"letters"``, or ``"ids"`` of tokens.
        why: Why it is taken for sequences, in words.
        sure: How sure that is; the surest is taken.
    """

    title: str
    at: int
    holds: str
    why: str
    sure: int


def columns_of_sequences(text: TableText) -> list[SequenceColumn]:
    """Columns that clearly hold sequences, the surest first; none of a table of counts."""
    lines = [line for line in lines_of(text) if len(line) == text.width]
    if not lines or text.width > _MOST_COLUMNS:
        return []
    found = []
    for at, title in enumerate(titles_of(text)):
        values = [line[at].strip().strip('"') for line in lines]
        told = [v for v in values if v.lower() not in _MISSING]
        if len(told) >= max(1, _MOSTLY * len(values)) and (column := _judged(title, at, told)):
            found.append(column)
    if found and found[0].at == 0 and found[0].sure == 1 and _are_counts(text, lines):
        return []
    return sorted(found, key=lambda c: (-c.sure, c.at))


def lines_of(text: TableText) -> list[list[str]]:
    """The first lines, with one that was taken for a header and is a record."""
    body = text.lines
    return [text.header, *body] if text.header and not has_titles(text) else body


def has_titles(text: TableText) -> bool:
    """Whether the header is one: no title is a long row of bases."""
    fields = text.header or []
    return bool(fields) and not any(len(f) >= 12 and _BASES.fullmatch(f) for f in fields)


def titles_of(text: TableText) -> list[str]:
    """A title for each column, made up where there is none; unique."""
    fields = list(text.header or []) if has_titles(text) else []
    fields = ["", *fields] if len(fields) == text.width - 1 else fields
    titles: list[str] = []
    for i in range(text.width):
        title = fields[i].strip().strip('"') if i < len(fields) else ""
        free, n = title or f"column_{i + 1}", 1
        while free in titles:
            n += 1
            free = f"{title or f'column_{i + 1}'}_{n}"
        titles.append(free)
    return titles


def is_table_of_sequences(path: Path, separator: str = "") -> bool:
    """Whether a column of a table of text clearly holds sequences; its first lines are read."""
    if is_vocabulary(path):
        return False
    try:
        return bool(columns_of_sequences(form_of(path, separator)))
    except (DataError, *BROKEN):  # whoever opens it says what is wrong with it
        return False


def zip_holds_tables_of_sequences(path: Path, endings: tuple[str, ...]) -> bool:
    """Whether every table in a zip is one of sequences, by the first bytes of each."""
    names = [n for n in names_in(path) if not is_vocabulary(Path(n))]
    tables = [n for n in names if bare_name(n).endswith(endings)]
    if not tables or len(tables) > _MOST_TABLES:
        return False
    with tempfile.TemporaryDirectory(prefix="diffbio-") as place:
        try:
            with zipfile.ZipFile(path) as archive:
                for i, name in enumerate(tables):
                    head = Path(place) / f"{i}_{PurePosixPath(name).name}"
                    with archive.open(name) as file:
                        head.write_bytes(file.read(_HEAD).rpartition(b"\n")[0])
                    if not is_table_of_sequences(head):
                        return False
        except (*BROKEN, zipfile.BadZipFile, NotImplementedError, RuntimeError):
            return False  # whoever opens it says what is wrong with it
    return True


def letters_alone(value: str) -> str:
    """The letters of a sequence as tables write it: whole, parted, or as overlapping words.

    ``"ACG CGT GTA"`` is ``ACGTA``; ``"M K V"`` is ``MKV``.
    """
    words = value.split()
    if len(words) < 2:
        return value.strip()
    k = len(words[0])
    same = k > 1 and all(len(word) == k for word in words)
    if same and all(a[1:] == b[:-1] for a, b in pairwise(words)):
        return words[0] + "".join(word[-1] for word in words[1:])
    return "".join(words)


def _judged(title: str, at: int, told: Sequence[str]) -> SequenceColumn | None:
    words = set(words_of(title)) | {"".join(words_of(title))}
    n_ids = sum(bool(_IDS.fullmatch(value)) for value in told)
    if words & _CALLED_IDS and n_ids >= _MOSTLY * len(told):
        return SequenceColumn(title, at, "ids", "whole numbers, one behind the other", 2)
    if not all(map(_LETTERS.fullmatch, told)):
        return None
    lengths = sorted(len(letters_alone(v)) for v in told)
    middle, different = lengths[len(lengths) // 2], len(set(told)) / len(told)
    bases = sum(bool(_BASES.fullmatch(v)) for v in told) / len(told)
    residues = sum(bool(_RESIDUES.fullmatch(v.replace(" ", ""))) for v in told) / len(told)
    if max(bases, residues) < _MOSTLY:
        return None
    if words & _CALLED and middle >= _SHORTEST_CALLED:
        return SequenceColumn(title, at, "letters", f"it is called '{title}'", 3)
    if words & _MAY_BE_CALLED and middle >= 2 * _SHORTEST_CALLED:
        return SequenceColumn(title, at, "letters", f"it is called '{title}'", 2)
    if words & _TELL_APART or different < 0.5:
        return None
    if middle >= (_SHORTEST_BASES if bases >= _MOSTLY else _SHORTEST_RESIDUES):
        what = "bases" if bases >= _MOSTLY else "residues"
        return SequenceColumn(title, at, "letters", f"its values are rows of {what}", 1)
    return None


def _are_counts(text: TableText, lines: Sequence[Sequence[str]]) -> bool:
    """Whether all that stands behind the first column is numbers: sequences as names of rows."""
    numbers = [text.number(field) is not None for line in lines for field in line[1:]]
    return text.width > 3 and all(numbers)
