"""Opens a workbook of Excel (xlsx): one of its sheets, as a table of text."""

import csv
import datetime
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.readers.archives import unpack
from diffbio_engine.data.readers.file_types import FileType
from diffbio_engine.data.readers.packed_text import bare_name
from diffbio_engine.data.readers.tables import open_table
from diffbio_engine.data.reading import Choice, Reading
from diffbio_engine.errors import DataError, did_you_mean

_LOOKED_AT = 30
_AS_CSV = (
    "In Excel: choose the sheet with the counts, then 'Save as', 'CSV UTF-8'. (Check the names of "
    "the genes: Excel turns SEPT2 or MARCH1 into dates.)"
)


def is_workbook(path: Path) -> bool:
    """Whether it is a workbook, by its name."""
    return bare_name(path).endswith(FILE_TYPE.endings)


def sheet_as_text(path: Path, place: Path, wanted: str = "") -> tuple[Path, str, list[str]]:
    """A sheet as csv in a folder, its name, and the names of all sheets."""
    # A workbook is a zip: looked at as any other before it is read.
    unpack(path, place / "parts")
    text = place / path.name
    try:
        sheet, sheets = _written(path, wanted, text)
    except (DataError, MemoryError):
        raise
    except ImportError:
        raise DataError(
            f"{path.name} is a workbook of Excel, which cannot be opened here.", fix=_AS_CSV
        ) from None
    except Exception as error:
        said = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise DataError(
            f"{path.name} is a workbook that cannot be read ({said}).", fix=_AS_CSV
        ) from None
    return text, sheet, sheets


def open_workbook(path: Path, reading: Reading) -> Dataset:
    """A sheet: the one that a person says, else the first that holds a table of numbers."""
    with tempfile.TemporaryDirectory(prefix="diffbio-") as place:
        text, sheet, sheets = sheet_as_text(path, Path(place), reading.sheet)
        dataset = open_table(text, replace(reading, separator="comma"))
    dataset.name, dataset.path, dataset.kind = path.name, path, f"workbook, sheet '{sheet}'"
    choices = [c for c in dataset.choices if c.name != "separator"]
    if len(sheets) > 1:
        why = "" if reading.sheet else "the first that holds a table of numbers"
        possible = tuple((name, name) for name in sheets)
        choices.append(Choice("sheet", "Sheet", sheet, possible, why))
        others = ", ".join(s for s in sheets if s != sheet)
        dataset.warnings.append(f"The sheet '{sheet}' is used; there is also {others}.")
    dataset.choices = tuple(choices)
    return dataset


def _written(path: Path, wanted: str, text: Path) -> tuple[str, list[str]]:
    """Writes a sheet as csv; its name, and the names of all sheets."""
    from openpyxl import load_workbook

    book = load_workbook(path, read_only=True, data_only=True, keep_links=False)
    try:
        sheets = [str(s.title) for s in book.worksheets]
        if wanted and wanted not in sheets:
            raise DataError(
                f"There is no sheet '{wanted}' in {path.name}; there are {', '.join(sheets[:20])}.",
                fix=did_you_mean(wanted, sheets) or "Choose one of these.",
                where="sheet",
            )
        taken = wanted or next((s for s in sheets if _holds_table(book[s])), sheets[0])
        with text.open("w", encoding="utf-8", newline="") as file:
            write = csv.writer(file)
            for row in _rows(book[taken]):
                write.writerow([_as_text(value) for value in row])
    finally:
        book.close()
    return taken, sheets


def _holds_table(sheet: Any) -> bool:
    numbers = cells = 0
    for number, row in enumerate(_rows(sheet)):
        if number:
            cells += len(row)
            numbers += sum(isinstance(v, int | float) for v in row)
        if number > _LOOKED_AT:
            break
    return cells >= 4 and numbers > 0.3 * cells


def _rows(sheet: Any) -> Iterator[list[Any]]:
    """Rows that hold something, without the empty columns after the last title."""
    width = 0
    for row in sheet.iter_rows(values_only=True):
        values = list(row)
        while len(values) > width and values[-1] is None:
            values.pop()
        if any(v is not None for v in values):
            width = width or len(values)
            yield [*values, *[None] * (width - len(values))]


def _as_text(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, datetime.datetime):
        return str(value.date())
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


FILE_TYPE = FileType(
    "xlsx",
    (".xlsx", ".xlsm"),
    lambda path, reading, with_uns: open_workbook(path, reading),
    order=50,
)
