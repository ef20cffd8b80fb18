"""What is what in a table of text: names, genes, cells, and what is known of either.

One look decides, and both the preview and the run follow it.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from diffbio_engine.data.line_names import (
    cell_like,
    corner_says,
    fact_of_cells,
    fact_of_genes,
    gene_like,
    genes_on_sides,
    is_row_name_title,
    not_counted,
)
from diffbio_engine.data.reading import CELLS_IN_ROWS, GENES_IN_ROWS, Reading
from diffbio_engine.data.table_text import MOST_ROWS, TableText, form_of, refuse_too_many
from diffbio_engine.errors import DataError

_QUOTED = re.compile(r'^\s*"((?:[^"]|"")*)"')
_SAMPLE_ROWS = 200
# Names on the two sides must differ by this share before they decide.
_CLEAR = 0.005
# Names gainsay a title where so much more on the wrong side are names of genes, or of cells.
_MORE_GENES, _MORE_CELLS = 0.15, 0.8
# How much more the totals of genes spread than those of cells before that decides.
_SPREAD = 1.5
_ENOUGH = 8
# So many columns of words are looked at for the names of rows.
_MOST_NAMING = 5


@dataclass
class Sketch:
    """A table before its numbers are read.

    Attributes:
        text: How its text is read.
        rows: Names of the rows of the body, in order.
        columns: Names of the columns after the names of the rows.
        named_rows: Whether the first column holds their names, or numbers them.
        named_by: The column of words that names them instead.
        words: Columns of words.
        word_rows: Rows of words (number in the body -> fields).
        row_facts, column_facts: Rows and columns of numbers that are no genes and no cells.
        fractions: Rows whose last number is a fraction.
        why: Why each of these is none (``"by name"``, ``"it is the sum of the others"``).
    """

    text: TableText
    rows: list[str]
    columns: list[str]
    named_rows: bool
    words: list[int]
    word_rows: dict[int, list[str]]
    orientation: str = CELLS_IN_ROWS
    reason: str = ""
    row_facts: list[int] = field(default_factory=list)
    column_facts: list[int] = field(default_factory=list)
    why: dict[str, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    fractions: set[int] = field(default_factory=set)
    named_by: int | None = None

    @property
    def named(self) -> bool:
        """Whether the rows have names of their own."""
        return self.named_rows or self.named_by is not None

    @property
    def numbers(self) -> list[int]:
        """Columns of numbers."""
        words = set(self.words)
        return [i for i in range(len(self.columns)) if i not in words]

    @property
    def genes_in_rows(self) -> bool:
        return self.orientation == GENES_IN_ROWS

    def fields(self, line: list[str]) -> list[str]:
        """The fields of a line that belong to the columns."""
        return line[1:] if self.named_rows else line


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
    title = _names_in_a_column(sketch)
    corner = corner if title is None else title
    numbers = values[:, sketch.numbers]
    _orient(sketch, reading.orientation, corner, numbers)
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
        if sign != " " and line.count(sign) < text.width - 1:
            raise DataError(
                f"{text.path.name} cannot be read as a table: row {number + 1:,} "
                f"('{name.strip()[:40]}') has {line.count(sign) + 1:,} columns, others have "
                f"{text.width:,}.",
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


def _orient(sketch: Sketch, wanted: str, corner: str, numbers: np.ndarray) -> None:
    """Which way round: as a person says, else by names, else by what varies as genes do."""
    sketch.orientation, sketch.reason = _which_way(sketch, corner, numbers)
    if wanted:
        sketch.orientation, sketch.reason = wanted, ""


def _which_way(sketch: Sketch, corner: str, numbers: np.ndarray) -> tuple[str, str]:
    words = set(sketch.words)
    columns = [c for i, c in enumerate(sketch.columns) if i not in words]
    rows = [r for i, r in enumerate(sketch.rows) if i not in sketch.word_rows]
    known = [c for c in columns if not (fact_of_cells(c) or fact_of_genes(c))] or columns
    listed = [r for r in rows if not (fact_of_cells(r) or fact_of_genes(r))] or rows
    genes_listed, genes_known = genes_on_sides(
        listed if sketch.named else [], known if sketch.text.header is not None else []
    )
    clear = genes_listed - genes_known + cell_like(known) - cell_like(listed)
    if not sketch.named:
        clear = -genes_known + cell_like(known)
    if sketch.text.header is None:
        clear = genes_listed - cell_like(listed) if sketch.named else 0.0
    told = corner_says(corner)
    if told and not _names_gainsay(corner, listed, known):
        way = GENES_IN_ROWS if told == "genes" else CELLS_IN_ROWS
        return way, f"the names of the rows are titled '{corner}'"
    if clear > _CLEAR:
        shown = listed[0] if genes_listed > genes_known else known[0]
        side = "rows are named like genes" if shown == listed[0] else "columns are named like cells"
        return GENES_IN_ROWS, f"{side} ({shown}, ...)"
    if clear < -_CLEAR:
        shown = known[0] if genes_known > genes_listed else listed[0]
        side = "columns are named like genes" if shown == known[0] else "rows are named like cells"
        return CELLS_IN_ROWS, f"{side} ({shown}, ...)"
    all_columns = sketch.columns
    if any(not_counted(r) for r in rows) or sum(map(fact_of_genes, all_columns)) > sum(
        map(fact_of_cells, all_columns)
    ):
        return GENES_IN_ROWS, "rows or columns beside the counts are those of a table of genes"
    if any(map(fact_of_cells, all_columns)):
        return CELLS_IN_ROWS, "columns beside the counts tell of cells"
    return _by_spread(numbers, len(rows))


def _names_gainsay(corner: str, listed: list[str], known: list[str]) -> bool:
    """Whether the names say clearly that a title is not that of the rows.

    Names of genes or barcodes on the wrong side tell; locus tags only where the title names
    neither genes nor cells themselves ("sample").
    """
    genes, cells = (listed, known) if corner_says(corner) == "genes" else (known, listed)
    wrong, right = gene_like(cells), gene_like(genes)
    if corner_says(corner) == "cells" and not re.match(r"\W*(cell|barcode)", corner, re.I):
        wrong, right = genes_on_sides(cells, genes)
    return wrong > right + _MORE_GENES or cell_like(genes) > cell_like(cells) + _MORE_CELLS


def _by_spread(numbers: np.ndarray, n_rows: int) -> tuple[str, str]:
    """Totals of genes spread over orders of magnitude, those of cells far less."""
    values = np.where(np.isfinite(numbers), np.abs(numbers), 0)
    if min(values.shape) >= _ENOUGH:
        of_rows = float(np.std(np.log1p(values.mean(axis=1) * 100)))
        of_columns = float(np.std(np.log1p(values.mean(axis=0) * 100)))
        if of_rows > _SPREAD * of_columns:
            return GENES_IN_ROWS, "the totals of the rows spread as those of genes do"
        if of_columns > _SPREAD * of_rows:
            return CELLS_IN_ROWS, "the totals of the columns spread as those of genes do"
    if n_rows > 5_000 and n_rows > 10 * numbers.shape[1]:
        return GENES_IN_ROWS, "there are far more rows than columns; the names do not tell"
    return CELLS_IN_ROWS, "the names do not tell, and this is the usual way"
