"""Reads a table about cells: words and numbers, as csv, tsv or xlsx."""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from diffbio_engine.data.readers.packed_text import bare_name
from diffbio_engine.data.readers.table_text import TableText, form_of
from diffbio_engine.data.readers.text_stream import Stream
from diffbio_engine.data.readers.workbooks import is_workbook, sheet_as_text
from diffbio_engine.errors import DataError

_LARGEST = 2**30
_POSITIONS = "tissue_positions"
_OF_POSITIONS = [
    "barcode", "in_tissue", "array_row", "array_col", "pxl_row_in_fullres", "pxl_col_in_fullres",
]  # fmt: skip
_NO_VALUE = ("", "na", "nan", "none", "null", "n/a")


def read_about(path: Path) -> pd.DataFrame | None:
    """A table as words; None where it has one column or none, and so nothing to tell."""
    if path.stat().st_size > _LARGEST:
        raise DataError(f"it has more than {_LARGEST >> 30} GB.")
    if is_workbook(path):
        with tempfile.TemporaryDirectory(prefix="diffbio-") as place:
            return _of_text(sheet_as_text(path, Path(place))[0])
    return _of_text(path)


def _of_text(path: Path) -> pd.DataFrame | None:
    text = form_of(path)
    if _POSITIONS in bare_name(path) and text.width == 6 and text.header != _OF_POSITIONS:
        # Older Space Rangers write no header.
        text = replace(text, header=None)
        header = list(_OF_POSITIONS)
    elif text.width < 2 or text.header is None:
        return None
    else:
        header = _titles(text)
    table = pd.read_csv(
        Stream(text.body()),
        sep=r"\s+" if text.separator == " " else text.separator,
        header=None,
        names=range(text.width),
        index_col=False,
        dtype=str,
        keep_default_na=False,
    )
    table.columns = pd.Index(header)
    if _tells_kinds(table):
        table = table.iloc[1:].reset_index(drop=True)
    if not len(table):
        raise DataError("it has no lines below its titles.")
    return table.assign(**{c: numbers_or_words(table[c], text) for c in header})


def _tells_kinds(table: pd.DataFrame) -> bool:
    """Whether the first line says of each column what it holds, as Single Cell Portal wants it."""
    first = [str(word).strip().strip('"').lower() for word in table.iloc[0]] if len(table) else [""]
    return first[0] == "type" and set(first[1:]) <= {"group", "numeric"}


def _titles(text: TableText) -> list[str]:
    header = [h.strip().strip('"') for h in text.header or []]
    header = header if len(header) == text.width else ["", *header]
    titles: list[str] = []
    for i, title in enumerate(header):
        free, n = title or f"column_{i + 1}", 1
        while free in titles:
            n += 1
            free = f"{title or f'column_{i + 1}'}_{n}"
        titles.append(free)
    return titles


def numbers_or_words(column: pd.Series, text: TableText) -> pd.Series:
    """Words, or numbers where all that is told is a number."""
    words = column.fillna("").astype(str).str.strip()
    if text.decimal == "." and not text.thousands:
        told = ~words.str.lower().isin(_NO_VALUE)
        fast = pd.to_numeric(words.where(told), errors="coerce").astype(float)
        return fast if told.any() and bool(fast[told].notna().all()) else words
    numbers = [text.number(w) for w in words]
    if any(n is None for n in numbers) or all(n != n for n in numbers):
        return words
    return pd.Series(numbers, index=column.index, dtype=float)


def typed(column: pd.Series) -> pd.Series:
    """Whole numbers as such, and words that stand for nothing as missing."""
    if column.dtype.kind == "f":
        whole = column.notna().all() and bool((column % 1 == 0).all())
        return column.astype(np.int64) if whole else column
    return column.where(~column.str.lower().isin(_NO_VALUE), None)
