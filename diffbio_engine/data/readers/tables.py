"""Reads a table of counts: csv, tsv or txt, packed or not, either way round.

Columns and rows that are no genes and no cells (totals, clusters, lengths) go to the table of
cells or of genes; how each was understood is said.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.dataset.plain_note import PlainNote
from diffbio_engine.data.matrix.in_memory import InMemory
from diffbio_engine.data.matrix.whole_numbers import are_whole
from diffbio_engine.data.readers.feature_kinds import kept_features
from diffbio_engine.data.readers.file_types import FileType
from diffbio_engine.data.readers.packed_text import BROKEN
from diffbio_engine.data.readers.sketch import Sketch
from diffbio_engine.data.readers.table_facts import EMPTY, MANY_EMPTY, sketch_table
from diffbio_engine.data.readers.table_text import NO_NUMBERS
from diffbio_engine.data.readers.text_stream import Stream
from diffbio_engine.data.readers.triplets import open_triplets
from diffbio_engine.data.reading import (
    CELLS_IN_ROWS,
    GENES_IN_ROWS,
    SEPARATORS,
    Choice,
    Reading,
)
from diffbio_engine.errors import DataError

_VALUES_AT_ONCE = 2**23
_NO_VALUES = ("?", "-nan", "#N/A", "na", "nan", "NaN", "none", "null")
_MOST_SHOWN = 6
_WIDE = 20_000


def open_table(path: Path, reading: Reading) -> Dataset:
    """The whole table, as sparse counts, with what is known of cells and of genes beside it."""
    if not reading.orientation and (found := open_triplets(path, reading)) is not None:
        return found
    sketch = sketch_table(path, reading)
    numbers, words = _read(sketch)
    body = [i for i in range(len(sketch.rows)) if i not in sketch.word_rows]
    if numbers.shape[0] != len(body):
        raise DataError(
            f"{path.name} has {len(body):,} lines with names, but {numbers.shape[0]:,} rows.",
            fix="Check that no name and no value holds the end of a line.",
        )
    columns = sketch.numbers
    row_facts, column_facts = set(sketch.row_facts), set(sketch.column_facts)
    rows_kept = np.array([i for i, r in enumerate(body) if r not in row_facts], int)
    kept = np.array([i for i, c in enumerate(columns) if c not in column_facts], int)
    row_names = [sketch.rows[body[i]] for i in rows_kept]
    column_names = [sketch.columns[columns[i]] for i in kept]
    of_rows: dict[str, Any] = {}
    for c in sketch.words:
        _put(of_rows, sketch.columns[c], list(words[c].to_numpy()[rows_kept]))
    for i, c in enumerate(columns):
        # Every line ended with a separator: a column without a name and without a value.
        if c in column_facts and sketch.why.get(sketch.columns[c]) != EMPTY:
            _put(of_rows, sketch.columns[c], _plain_numbers(numbers[rows_kept][:, [i]]))
    of_columns: dict[str, Any] = {}
    for i, fields in sketch.word_rows.items():
        if i not in sketch.again:
            _put(of_columns, sketch.rows[i], [fields[columns[j]].strip() or None for j in kept])
    for i, r in enumerate(body):
        if r in row_facts:
            _put(of_columns, sketch.rows[r], _plain_numbers(numbers[[i]][:, kept].T))
    matrix, empty = _without_empty(numbers[rows_kept][:, kept])
    about_rows = pd.DataFrame(of_rows, index=pd.Index(row_names, dtype=object))
    about_columns = pd.DataFrame(of_columns, index=pd.Index(column_names, dtype=object))
    obs, var = about_rows, about_columns
    if sketch.genes_in_rows:
        matrix, obs, var = matrix.T.tocsr(), about_columns, about_rows
    kept, left, of_features = kept_features(var, reading.features)
    if len(kept) < len(var):
        matrix, var = matrix[:, kept], var.iloc[kept]
    return Dataset(
        name=path.name,
        kind="table of text",
        obs=obs,
        var=var,
        matrices={"X": InMemory(matrix)},
        warnings=(
            PlainNote(_orientation_said(sketch)),
            *sketch.said,
            *_facts_said(sketch, matrix.shape),
            *empty,
            *left,
        ),
        path=path,
        choices=(*_choices(sketch, reading), *of_features),
    )


def _without_empty(matrix: sp.csr_matrix) -> tuple[sp.csr_matrix, list[str]]:
    """Where many fields are empty, and none is 0, an empty one stands for 0."""
    missing = np.isnan(matrix.data)
    size, n = int(np.prod(matrix.shape)), int(missing.sum())
    if n < MANY_EMPTY * size or matrix.nnz < size or not are_whole(matrix.data[~missing]):
        return matrix, []
    matrix.data[missing] = 0
    matrix.eliminate_zeros()
    return matrix, [f"{n:,} of {size:,} fields are empty and none is 0: empty ones are 0."]


def _put(table: dict[str, Any], name: str, values: Any) -> None:
    """A column under its name, or one that is free: of two alike none is lost."""
    free, n = name, 1
    while free in table:
        n += 1
        free = f"{name}_{n}"
    table[free] = values


def _plain_numbers(column: sp.csr_matrix) -> np.ndarray:
    values = np.asarray(column.todense(), np.float64).ravel()
    known = values[np.isfinite(values)]
    return (
        values.astype(np.int64) if len(known) == len(values) and (known % 1 == 0).all() else values
    )


def _read(sketch: Sketch) -> tuple[sp.csr_matrix, pd.DataFrame]:
    """All numbers (rows of the body without rows of words), and the columns of words."""
    text, path = sketch.text, sketch.text.path
    if text.width > _WIDE:
        return _read_wide(sketch)
    numbers = [i + sketch.named_rows for i in sketch.numbers]
    words = [i + sketch.named_rows for i in sketch.words]
    kinds: dict[int, Any] = dict.fromkeys(numbers, np.float64) | dict.fromkeys(words, str)
    blocks, labels = [], []
    try:
        pieces = pd.read_csv(
            Stream(_lines(sketch)),
            sep=r"\s+" if text.separator == " " else text.separator,
            header=None,
            names=list(range(text.width)),
            index_col=False,
            usecols=[*numbers, *words],
            dtype=kinds,
            decimal=text.decimal,
            thousands=text.thousands or None,
            na_values={c: list(_NO_VALUES) for c in words}
            | {c: [*_NO_VALUES, *NO_NUMBERS] for c in numbers},
            chunksize=max(20, min(2_000, _VALUES_AT_ONCE // text.width)),
        )
        for piece in pieces:
            with np.errstate(over="ignore"):  # too large for any count: told as infinite
                blocks.append(sp.csr_matrix(piece[numbers].to_numpy(np.float32)))
            labels.append(piece[words])
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise DataError(
            f"{path.name} cannot be read as a table ({str(error).strip()}).",
            fix="Check that all rows have the same number of columns.",
        ) from None
    except (*BROKEN, OverflowError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"A column of {path.name} holds numbers in some rows and words in others "
            f"({str(error).strip()}).",
            fix="Mend the table, or leave the column out.",
        ) from None
    if not blocks:
        raise DataError(f"{path.name} has no rows of numbers.", fix="Choose a table of counts.")
    table = pd.concat(labels, ignore_index=True)
    table.columns = pd.Index(sketch.words)
    table = table.astype(object).where(table.notna(), None)
    return sp.vstack(blocks, format="csr"), table


def _read_wide(sketch: Sketch) -> tuple[sp.csr_matrix, pd.DataFrame]:
    """Line by line: pandas takes a millisecond for each column, however short it is."""
    text, blocks, labels = sketch.text, [], []
    numbers = np.array(sketch.numbers)
    for line in _lines(sketch):
        fields = sketch.fields(text.split(line))
        if len(fields) != len(sketch.columns):
            raise DataError(
                f"{text.path.name} cannot be read as a table: a line has {len(fields):,} columns "
                f"besides its name, others have {len(sketch.columns):,}.",
                fix="Check that all rows have the same number of columns.",
            )
        wanted = fields
        if sketch.words:
            wanted = [fields[i] for i in numbers]
            labels.append([fields[i].strip() or None for i in sketch.words])
        values, words = text.numbers(wanted)
        if words is not None and words.any():
            shown = wanted[int(np.argmax(words))]
            raise DataError(
                f"A column of {text.path.name} holds numbers in some rows and words in others "
                f"('{shown[:40]}').",
                fix="Mend the table, or leave the column out.",
            )
        with np.errstate(over="ignore"):
            blocks.append(sp.csr_matrix(values[None].astype(np.float32)))
    if not blocks:
        raise DataError(f"{text.path.name} has no rows of numbers.", fix="Choose another table.")
    table = pd.DataFrame(labels or [[]] * len(blocks), columns=pd.Index(sketch.words), dtype=object)
    return sp.vstack(blocks, format="csr"), table


def _lines(sketch: Sketch) -> Iterator[str]:
    for number, line in enumerate(sketch.text.body()):
        if number not in sketch.word_rows:
            yield line


def _orientation_said(sketch: Sketch) -> str:
    """How the table was understood, and how to say otherwise."""
    if not sketch.reason:
        return f"Read with {sketch.orientation}, as you said."
    why = f"Read with {sketch.orientation}, because {sketch.reason}."
    return f"{why} Turn it round if that is wrong."


def _choices(sketch: Sketch, reading: Reading) -> tuple[Choice, ...]:
    ways = ((CELLS_IN_ROWS, "Cells in rows"), (GENES_IN_ROWS, "Genes in rows"))
    signs = {sign: name for name, sign in SEPARATORS.items()}
    return (
        Choice("orientation", "Which way round", sketch.orientation, ways, sketch.reason),
        Choice(
            "separator",
            "Between the columns",
            signs[sketch.text.separator],
            tuple((name, name) for name in SEPARATORS),
            "" if reading.separator else "it parts the lines into equally many columns",
        ),
    )


def _facts_said(sketch: Sketch, shape: tuple[int, int]) -> list[str]:
    """What was taken for neither genes nor cells, and where it is now: n of N."""
    rows, columns = ("genes", "cells") if sketch.genes_in_rows else ("cells", "genes")
    moved = [sketch.columns[i] for i in sketch.column_facts]
    moved = [name for name in moved if sketch.why.get(name) != EMPTY]
    words = [sketch.columns[i] for i in sketch.words]
    row_facts = [sketch.rows[i] for i in sketch.row_facts]
    word_rows = [sketch.rows[i] for i in sketch.word_rows if i not in sketch.again]
    said = []
    for names, line, what, to, n_all in (
        (moved + words, "columns", columns, rows, len(sketch.columns)),
        (row_facts + word_rows, "rows", rows, columns, len(sketch.rows)),
    ):
        if not names:
            continue
        table = "obs" if to == "cells" else "var"
        some = ", ".join(f"'{n}'{_why(sketch, n)}" for n in names[:_MOST_SHOWN])
        more = f" and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else ""
        are = f"are no {what} and were"
        if len(names) == 1:
            are = f"is no {what.removesuffix('s')} and was"
        said.append(
            f"{len(names):,} of {n_all:,} {line} {are} moved to the table of {to} ({table}): "
            f"{some}{more}."
        )
    return said


def _why(sketch: Sketch, name: str) -> str:
    why = sketch.why.get(name, "")
    return f" ({why})" if why and why != "by name" else ""


FILE_TYPE = FileType(
    "csv",
    (".csv", ".tsv", ".txt", ".tab", ".gct"),
    lambda path, reading, with_uns: open_table(path, reading),
    order=45,
)
