"""What is what in a table of text: names, genes, cells, and what is known of either.

One look decides, and both the preview and the run follow it.
"""

import re
from pathlib import Path

import numpy as np

from diffbio_engine.data.readers.line_names import corner_says, is_row_name_title
from diffbio_engine.data.readers.sketch import Sketch
from diffbio_engine.data.readers.table_text import MOST_ROWS, TableText, form_of, refuse_too_many
from diffbio_engine.data.readers.which_way_round import orient
from diffbio_engine.data.reading import Reading
from diffbio_engine.errors import DataError

_QUOTED = re.compile(r'^\s*"((?:[^"]|"")*)"')
_SAMPLE_ROWS = 200
# So many columns of words are looked at for the names of rows.
_MOST_NAMING, _FEWEST = 5, 4


def sketch_names(path: Path, reading: Reading) -> tuple[Sketch, np.ndarray]:
    """Names, columns of words and orientation, and a sample of the numbers.

    Every line is seen, few are taken apart.
    """
    text = form_of(path, reading.separator)
    header, said = text.header, list(text.said)
    named = _has_row_names(text)
    if header is None:
        header = [f"column_{i + 1}" for i in range(text.width - named)]
    corner = header[0] if named and len(header) == text.width else ""
    header = header[1:] if named and len(header) == text.width else header
    n_columns = text.width - named
    if n_columns < 1 or not text.lines:
        raise DataError(
            f"{path.name} has {len(text.lines)} rows and "
            f"{max(0, n_columns) if text.lines else len(text.header or ())} columns besides "
            "the names.",
            fix="Choose a table with a row of names and a column of names.",
        )
    sketch = Sketch(text, [], list(header[:n_columns]), named, [], {}, said=said)
    sample = [line for line in text.lines[:_SAMPLE_ROWS] if len(line) == text.width]
    values, kinds = _kinds(sketch, sample)
    sketch.words = [i for i, word in enumerate(kinds) if word]
    if len(sketch.words) == n_columns:
        first = sketch.words[0]
        shown = next((sketch.fields(x)[first] for x in sample if sketch.fields(x)[first]), "")
        raise DataError(
            f"{path.name} holds words where numbers are expected (column "
            f"'{sketch.columns[first]}': '{shown}').",
            fix="Keep one row of names and one column of names, and numbers between them.",
        )
    _read_rows(sketch)
    _drop_repeated_header(sketch)
    title = _names_in_a_column(sketch)
    corner = _names_in_a_row(sketch, corner) if title is None else title
    numbers = values[:, sketch.numbers]
    orient(sketch, reading.orientation, corner, numbers)
    if not sketch.named:
        what = "genes" if sketch.genes_in_rows else "cells"
        sketch.said.append(f"The rows have no names: the {what} are numbered.")
        stem = what.removesuffix("s")
        sketch.rows = [f"{stem}_{i + 1}" for i in range(len(sketch.rows))]
    return sketch, numbers


def _has_row_names(text: TableText) -> bool:
    """Whether the first column holds names of rows rather than values."""
    if text.header is not None and len(text.header) == text.width - 1:
        return True  # R leaves out the title of the column of names
    first = [line[0].strip().strip('"') for line in text.lines if line]
    if text.width < 2 or not first:
        return True
    if text.header is not None and is_row_name_title(text.header[0]):
        return True
    numbers = [text.number(f) for f in first]
    if all(n is not None for n in numbers):
        # Rows counted through: 0, 1, 2, ... or 1, 2, 3, ...
        counted = [float(i) for i in range(len(numbers))]
        started = numbers[0] in (0.0, 1.0) and len(numbers) > 2
        return started and [n - (numbers[0] or 0.0) for n in numbers if n is not None] == counted
    return len(set(first)) > 0.5 * len(first)


def _kinds(sketch: Sketch, sample: list[list[str]]) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the sample (words as NaN), and which columns hold words."""
    values = np.full((len(sample), len(sketch.columns)), np.nan, np.float64)
    is_word = np.zeros(values.shape, bool)
    for i, line in enumerate(sample):
        values[i], words = sketch.text.numbers(sketch.fields(line))
        if words is not None:
            is_word[i] = words
    # A row of words (labels of the columns) makes no column one of words.
    rows = is_word.mean(axis=1) > 0.5 if len(sample) else np.zeros(0, bool)
    if rows.sum() < 0.5 * len(rows):
        values = values[~rows]
        return values, is_word[~rows].any(axis=0)
    return values, is_word.any(axis=0)


def _read_rows(sketch: Sketch) -> None:
    """Names of all rows, and the rows of words among them; numbers are not read."""
    text, sign = sketch.text, sketch.text.separator
    probe = sketch.numbers[-1] + sketch.named_rows
    from_end = text.width - 1 - probe
    for number, line in enumerate(text.body()):
        quoted = _QUOTED.match(line) if line.startswith('"') else None
        if quoted:
            name = quoted[1].replace('""', '"')
        else:
            parts = line.split(None, 1) if sign == " " else line.split(sign, 1)
            name = parts[0] if parts else ""
        sketch.rows.append(name.strip())
        if number >= MOST_ROWS:
            refuse_too_many(text.path, number + 1, MOST_ROWS, "rows")
        if sign != " ":
            n_fields = line.count(sign) + 1
        else:  # a field that is empty is none between blanks: the others would move up
            n_fields = len(text.split(line) if '"' in line else line.split())
        if n_fields < text.width:
            raise DataError(
                f"{text.path.name} cannot be read as a table: row {number + 1:,} "
                f"('{name.strip()[:40]}') has {n_fields:,} columns, others have {text.width:,}.",
                fix="Check that all rows have the same number of columns.",
            )
        last = line.rsplit(None if sign == " " else sign, from_end + 1)
        field_text = last[-1 - from_end].strip().strip('"') if len(last) > from_end else ""
        value = text.number(field_text)
        if value is not None and value % 1:
            sketch.fractions.add(number)
        if value is None:
            fields = sketch.fields(text.split(line))
            words = [text.number(f) is None for f in fields]
            mine = [words[i] for i in sketch.numbers if i < len(words)]
            if mine and sum(mine) > 0.5 * len(mine):
                sketch.word_rows[number] = fields


def _drop_repeated_header(sketch: Sketch) -> None:
    """Files that were put together one below the other have their header again and again."""
    for number, fields in sketch.word_rows.items():
        if [f.strip() for f in fields] == sketch.columns:
            sketch.again.add(number)
    if n := len(sketch.again):
        rows = "row repeats" if n == 1 else "rows repeat"
        sketch.said.append(f"{n:,} {rows} the header and {'was' if n == 1 else 'were'} left out.")


def _names_in_a_column(sketch: Sketch) -> str | None:
    """Rows that are only counted take their names from a column of words; gives its title.

    R's write.csv and pandas' to_csv count the rows of a table whose names are in a column.
    """
    if len(sketch.rows) < 3 or not sketch.words or len(sketch.word_rows) > 0.5 * len(sketch.rows):
        return None
    body = [i for i in range(len(sketch.rows)) if i not in sketch.word_rows]
    counted = [str(i) for i in range(len(body) + 1)]
    if sketch.named_rows and [sketch.rows[i] for i in body] not in (counted[:-1], counted[1:]):
        return None
    words = sketch.words[:_MOST_NAMING]
    lines = [sketch.fields(sketch.text.split(line)) for line in sketch.text.body()]
    for told in (True, False):
        for column in words:
            title = sketch.columns[column]
            names = [line[column].strip() if column < len(line) else "" for line in lines]
            known = [names[i] for i in body]
            least = 0.9 if told else 1.0  # some symbols stand for several genes
            alike = bool(corner_says(title)) == told and all(known)
            if alike and len(set(known)) >= least * len(known):
                sketch.rows, sketch.named_by = names, column
                sketch.said.append(f"The rows are only numbered: column '{title}' names them.")
                return title
    return None


def _names_in_a_row(sketch: Sketch, corner: str) -> str:
    """Columns that are called alike take their names from a row of words; gives its title.

    A table with several headers has groups in the first (ctrl, ctrl, stim) and names in another;
    the groups become a row of words.
    """
    n = len(sketch.columns)
    if n < _FEWEST or len(set(sketch.columns)) > 0.5 * n:
        return corner
    for number, fields in sketch.word_rows.items():
        names = [f.strip() for f in fields]
        if len(names) == n and all(names) and len(set(names)) == n:
            title, sketch.rows[number] = sketch.rows[number], corner or "group"
            sketch.columns, sketch.word_rows[number] = names, sketch.columns
            sketch.said.append(
                f"The header has {len(set(sketch.word_rows[number])):,} different titles for {n:,} "
                f"columns: the row '{title}' below it names them."
            )
            return title
    return corner
