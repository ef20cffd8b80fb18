"""Tables of text with a column of sequences, and columns that tell something of each."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.matrix.memory_limit import refuse_if_too_big
from diffbio_engine.data.readers.cell_tables import numbers_or_words, typed
from diffbio_engine.data.readers.sequence_columns import (
    SequenceColumn,
    columns_of_sequences,
    has_titles,
    letters_alone,
    titles_of,
)
from diffbio_engine.data.readers.sequence_rows import SequenceRows, data_set_of
from diffbio_engine.data.readers.sequence_text import LONGEST
from diffbio_engine.data.readers.sequences_in_words import data_set_of_ids
from diffbio_engine.data.readers.table_text import (
    MOST_ROWS,
    TableText,
    form_of,
    refuse_too_many,
)
from diffbio_engine.data.reading import NO_COLUMN, Choice, Reading
from diffbio_engine.errors import DataError, did_you_mean

TABLE = "table of sequences"
_LARGEST, _TOGETHER = 2**30, 100_000
# So many letters stay in the table that goes home, as rows of it may have no other name.
_KEPT = 20_000_000
_NAMES = ("id", "name", "seq_id", "seqid", "sequence_id", "accession", "entry", "identifier")


def open_tables(
    files: Sequence[Path],
    name: str,
    path: Path,
    reading: Reading,
    vocabularies: Sequence[Path] = (),
) -> Dataset:
    """One data set of the sequences of a table, or of several with the same columns.

    Args:
        vocabularies: Files of vocabularies beside them, for ids of tokens.

    Raises:
        DataError: With the file and the line, where one is damaged, or has no such column.
    """
    rows, notes = SequenceRows([], pd.DataFrame(), [], [], []), []
    tables, titles, ids = [], [], list[np.ndarray]()
    choice = None
    for i, file in enumerate(files):
        text = _form(file, reading)
        said = column_choice(text, reading)
        choice = choice or said
        if said.taken != choice.taken:
            raise DataError(
                f"The sequences of {file.name} are in the column '{said.taken}', those of"
                f" {files[0].name} in '{choice.taken}'.",
                fix="Give the columns the same titles, or bring the tables one by one.",
            )
        table = _table(file, text)
        if i and bool(ids) != _holds_ids(text, choice.taken):
            raise DataError(
                f"The column '{choice.taken}' holds letters in some tables and ids of tokens in"
                f" others ({files[0].name}, {file.name}).",
                fix="Bring the tables of letters and those of ids apart.",
            )
        if _holds_ids(text, choice.taken):
            ids += _ids(table.pop(choice.taken), file)
            letters, told = [""] * len(table), list[str]()
        else:
            letters, told = _letters(table[choice.taken], file)
        if sum(rows.lengths) + sum(map(len, letters)) > _KEPT:
            table = table.drop(columns=[choice.taken], errors="ignore")
        notes += told
        rows.letters.append(np.frombuffer("".join(letters).encode("latin-1", "replace"), np.uint8))
        rows.lengths += list(map(len, letters))
        rows.of_file += [i] * len(letters)
        rows.names += _names(table, len(rows.names))
        tables.append(table)
        titles += [title for title in table if title not in titles]
    joined = pd.concat(tables, ignore_index=True)[titles]
    rows.columns = pd.DataFrame({t: typed(numbers_or_words(joined[t], text)) for t in titles})
    notes += [f"Columns that not every table has are empty where they lack: {', '.join(lacking)}."
              for lacking in [_lacking(tables, titles)] if lacking]  # fmt: skip
    if ids:
        dataset = data_set_of_ids(rows, ids, files, name, path, reading, vocabularies)
        dataset.warnings += notes
    else:
        dataset = data_set_of(rows, TABLE, files, name, path, reading, notes)
    dataset.files = ()  # they are no FASTA to be read again; the table of sequences goes home
    if choice is not None:
        dataset.choices = (choice, *dataset.choices)
    return dataset


def column_choice(text: TableText, reading: Reading) -> Choice:
    """Which column is taken, and what else can be; ``none`` reads the table as one of counts.

    Raises:
        DataError: There is no such column.
    """
    found = columns_of_sequences(text)
    titles, asked = titles_of(text), reading.sequence_column
    if asked and asked != NO_COLUMN and asked not in titles:
        raise DataError(
            f"{text.path.name} has no column '{asked}'; there is {', '.join(titles[:12])}.",
            fix=did_you_mean(asked, titles) or "Choose one of these.",
            where="sequence_column",
        )
    if not found and not asked:
        raise DataError(
            f"No column of {text.path.name} holds sequences.",
            fix="Choose a table with a column of letters, called 'sequence'.",
        )
    taken = SequenceColumn(asked, 0, "letters", "", 0) if asked else found[0]
    others = [c.title for c in found] if found else titles[:50]
    possible = dict.fromkeys([taken.title, *others, NO_COLUMN])
    none = "none: it is a table of counts"
    said = tuple((title, none if title == NO_COLUMN else title) for title in possible)
    return Choice("sequence_column", "Sequences are in", taken.title, said, taken.why)


def choice_of(path: Path, reading: Reading) -> Choice:
    """The same of a file."""
    return column_choice(form_of(path, reading.separator), reading)


def _form(path: Path, reading: Reading) -> TableText:
    if path.stat().st_size > _LARGEST:
        raise DataError(
            f"{path.name} has more than {_LARGEST >> 30} GB.",
            fix="Bring the sequences as FASTA: it is read piece by piece.",
        )
    text = form_of(path, reading.separator)
    if text.header is not None and not has_titles(text):
        text = replace(text, header=None, lines=[text.header, *text.lines])
    return text


def _table(path: Path, text: TableText) -> pd.DataFrame:
    """All of it as words.

    Raises:
        DataError: A row has more fields than others or fewer, or there are none.
    """
    titles, rows, n_letters = titles_of(text), [], 0
    for n, line in enumerate(text.body(), 1):
        fields = text.split(line)
        if len(fields) != text.width:
            raise DataError(
                f"Row {n:,} of {path.name} ('{line.strip()[:40]}') has"
                f" {len(fields):,} of {text.width:,} columns.",
                fix="Check that all rows have the same number of columns, and that quotes are"
                " closed.",
            )
        rows.append(fields)
        n_letters += len(line)
        if not n % _TOGETHER:
            refuse_too_many(path, n, MOST_ROWS, "rows")
            refuse_if_too_big(5 * n_letters, path.name)
    if not rows:
        raise DataError(
            f"{path.name} has no lines below its titles.", fix="Choose a table with sequences."
        )
    return pd.DataFrame(rows, columns=pd.Index(titles, dtype=object), dtype=object)


def _holds_ids(text: TableText, title: str) -> bool:
    return any(c.title == title and c.holds == "ids" for c in columns_of_sequences(text))


def _ids(column: pd.Series, path: Path) -> list[np.ndarray]:
    """Whole numbers, parted by blanks or commas, in brackets or not."""
    found = []
    for n, value in enumerate(column, 1):
        words = str(value).strip().strip('"').strip("[]()").replace(",", " ").split()
        wrong = [word for word in words if not (word.isdecimal() and len(word) < 9)]
        if wrong:
            raise DataError(
                f"Row {n:,} of {path.name} holds '{wrong[0][:20]}' among ids of tokens.",
                fix="Ids are whole numbers from 0.",
            )
        found.append(np.array([int(word) for word in words], np.int64))
    return found


def _letters(column: pd.Series, path: Path) -> tuple[list[str], list[str]]:
    """The letters of each record, and what was made of the column, with n of N."""
    raw = [str(value).strip().strip('"') for value in column]
    raw = ["" if value.lower() in ("nan", "none", "null", "n/a") else value for value in raw]
    letters = [letters_alone(value) for value in raw]
    if too_long := next((i for i, x in enumerate(letters, 1) if len(x) > LONGEST), 0):
        raise DataError(
            f"Row {too_long:,} of {path.name} has more than {LONGEST:,} letters.",
            fix="Cut it into windows first: chromosomes are not read as one sequence.",
        )
    overlapping = sum(
        len(alone) < len("".join(value.split())) for alone, value in zip(letters, raw, strict=True)
    )
    if not overlapping:
        return letters, []
    return letters, [
        f"{overlapping:,} of {len(letters):,} sequences are written as words that overlap (ACG CGT"
        " GTA); they are read as their letters (ACGTA)."
    ]


def _names(table: pd.DataFrame, before: int) -> list[str]:
    """A column of names, each another; else numbers."""
    for title in table.columns:
        plain = str(title).strip().lower().replace(" ", "_")
        if plain in _NAMES and (table[title] != "").all() and table[title].is_unique:
            return list(table.pop(title).astype(str))
    return [f"sequence_{before + i + 1}" for i in range(len(table))]


def _lacking(tables: Sequence[pd.DataFrame], titles: Sequence[str]) -> str:
    return ", ".join(t for t in titles if any(t not in table for table in tables))
