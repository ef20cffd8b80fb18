"""The form of a table of text: its separator, its header, the lines before it, its decimal sign."""

import csv
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from diffbio_engine.data.readers.packed_text import BROKEN, open_text
from diffbio_engine.data.reading import SEPARATORS
from diffbio_engine.errors import DataError

_LOOKED_AT, _FEWEST = 200, 12
_MOST_FIELDS = 500_000
_LONGEST_LINE = 200_000_000
# Line by line, 200,000 columns take 0.4 s a row; a million would take its reader's whole time.
MOST_COLUMNS, MOST_ROWS = 200_000, 5_000_000
# What people write instead of a number; among words a minus may be a strand.
NO_NUMBERS = ("-", "--", ".", "–")
_NO_VALUE = {*NO_NUMBERS, "", "na", "nan", "n/a", "null", "none", "-nan", "#n/a", "<na>", "?"}
_DECIMAL_COMMA = re.compile(r"^-?\d+,\d+([eE][-+]?\d+)?$")
_THOUSANDS = re.compile(r"^-?[1-9]\d{0,2}(,\d{3})+(\.\d+)?$")
_NUMBER = re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$|^[-+]?inf(inity)?$", re.IGNORECASE)


@dataclass(frozen=True)
class TableText:
    """How the text of a table is to be read.

    Attributes:
        separator: The sign between columns; ``" "`` stands for any number of blanks.
        header: The fields of the header; None if the table has none.
        before: How many lines, without blank ones and comments, stand before the header.
        marked: Whether the header itself is marked as a comment.
        width: Columns of a line of the body.
        lines: The first lines of the body, split.
        comments: How many lines of comment there are before the body.
        decimal, thousands: Signs in numbers.
        said: What is to be said of it.
    """

    path: Path
    separator: str
    header: list[str] | None
    before: int
    marked: bool
    width: int
    lines: list[list[str]]
    decimal: str
    thousands: str
    said: tuple[str, ...]

    def body(self) -> Iterator[str]:
        """The lines of the body, without comments and blank lines."""
        skip = self.before + (self.header is not None and not self.marked)
        for line in plain_lines(self.path):
            if skip:
                skip -= 1
            else:
                yield line

    def split(self, line: str) -> list[str]:
        """The fields of a line."""
        return split(line, self.separator)

    def number(self, text: str) -> float | None:
        """A field as a number; None if it is a word."""
        text = text.strip()
        if text.lower() in _NO_VALUE:
            return float("nan")
        if self.thousands:
            text = text.replace(self.thousands, "")
        if self.decimal == ",":
            text = text.replace(",", ".")
        return float(text) if _NUMBER.match(text) else None

    def numbers(self, fields: list[str]) -> tuple[np.ndarray, np.ndarray | None]:
        """Fields as numbers (words as NaN), and which are words; None if none is."""
        if self.decimal == "." and not self.thousands:
            try:
                return np.array(fields, dtype=np.float64), None
            except ValueError:
                pass
        found = [self.number(f) for f in fields]
        words = np.array([n is None for n in found], bool)
        return np.array([np.nan if n is None else n for n in found], np.float64), words


def split(line: str, separator: str) -> list[str]:
    """The fields of a line, quoted or not."""
    if separator == " ":
        line = line.strip()
    if '"' not in line:
        return line.split() if separator == " " else line.split(separator)
    blanks = separator == " "
    return next(csv.reader([line], delimiter=separator, skipinitialspace=blanks), [])


def plain_lines(path: Path, comments: list[str] | None = None) -> Iterator[str]:
    """Lines without those that are blank or comments (``#``); comments go into the list."""
    try:
        with open_text(path) as file:
            while line := file.readline(_LONGEST_LINE):
                if len(line) == _LONGEST_LINE:
                    raise DataError(
                        f"{path.name} has a line of more than {_LONGEST_LINE:,} letters.",
                        fix="Write it as an h5ad or a Matrix Market file.",
                    )
                line = line.rstrip("\r\n")
                if line.startswith("#"):
                    if comments is not None:
                        comments.append(line)
                elif line.strip(" \t,;"):
                    if "\x00" in line:
                        raise _no_text(path)
                    yield line
    except BROKEN as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"{path.name} was cut off or is damaged ({error}).", fix="Copy it again."
        ) from None


def form_of(path: Path, separator: str = "") -> TableText:
    """Looks at the first lines of a table.

    Args:
        separator: A name of ``SEPARATORS``, where a person said so.
    """
    comments: list[str] = []
    first: list[str] = []
    fields = 0
    for line in plain_lines(path, comments):
        if not first:
            refuse_too_many(
                path, max(map(line.count, SEPARATORS.values())), MOST_COLUMNS, "columns"
            )
        first.append(line)
        fields += 1 + max(line.count(s) for s in SEPARATORS.values())
        if len(first) > _LOOKED_AT or (fields > _MOST_FIELDS and len(first) > _FEWEST):
            break
    if not first:
        raise _no_text(path)
    _refuse_what_stands_for_it(path, first[0])
    said: list[str] = []
    told = re.match(r"^sep=(.)$", first[0].strip().strip('"'))
    before = 0
    if told:
        separator = separator or {v: k for k, v in SEPARATORS.items()}.get(told[1], "")
        first, before = first[1:], 1
    sign = SEPARATORS[separator] if separator else _separator(first)
    lines = [split(line, sign) for line in first]
    widths = Counter(len(fields) for fields in (lines[1:] or lines)[-100:])
    width = widths.most_common(1)[0][0] if widths else 0
    at = next((i for i, x in enumerate(lines[:50]) if _may_be_header(x, width)), 0)
    short = next((x for x in lines[:at] if max(3, width // 2) < len(x) < width - 1), None)
    if short is not None:
        raise DataError(
            f"{path.name} cannot be read as a table: a line before its body has {len(short):,} "
            f"columns ('{short[0][:40]}', ...), the others have {width:,}.",
            fix="Check that the header has a title for each column.",
        )
    marked = _marked(comments, sign, width, lines[at:])
    if at:
        said.append(f"{at} lines before the header were skipped ('{_short(first[0])}', ...).")
    n_comments = len(comments) - (marked is not None)
    if n_comments:
        shown = next(c for c in comments)
        said.append(f"{n_comments} lines of comment were skipped ('{_short(shown)}', ...).")
    header = marked if marked is not None else lines[at]
    body = lines[at:] if marked is not None else lines[at + 1 :]
    decimal, thousands = _signs(body, sign)
    if decimal == ",":
        said.append("Numbers are read with a decimal comma (1,5 is one and a half).")
    elif thousands:
        said.append("Commas in numbers are read as thousands (1,500 is fifteen hundred).")
    text = TableText(
        path, sign, [h.strip() for h in header], before + at, marked is not None,
        width, body, decimal, thousands, (),
    )  # fmt: skip
    return _without_header(text, said)


def _refuse_what_stands_for_it(path: Path, line: str) -> None:
    """A page that says "sign in", or the few lines that Git keeps for a large file."""
    begin = line.strip().lower()
    if begin.startswith(("<!doctype", "<html", "<?xml")):
        raise DataError(
            f"{path.name} is a web page, not a table.",
            fix="Download the file itself; a page to sign in may have come instead.",
        )
    if begin.startswith("version https://git-lfs"):
        raise DataError(
            f"{path.name} is a note of Git LFS that stands for the file.",
            fix="Fetch the file itself: git lfs pull.",
        )


def _without_header(text: TableText, said: list[str]) -> TableText:
    """A first line of numbers like the others is no header (numbers counted through are one)."""
    fields = text.header or []
    numbers = [text.number(f) for f in fields[1:]]
    whole = {n for n in numbers if n is not None}
    header: list[str] | None = text.header
    body = text.lines
    # Names differ from each other, and are whole where they are numbers.
    no_names = len(whole) < len(numbers) or any(not n.is_integer() for n in whole if n == n)
    all_numbers = len(numbers) > 1 and None not in numbers and "" not in fields[1:]
    if not text.marked and all_numbers and no_names:
        header, body = None, [fields, *text.lines]
        said.append("The table has no header: its columns are numbered.")
    return TableText(
        text.path, text.separator, header, text.before, text.marked, text.width, body,
        text.decimal, text.thousands, tuple(said),
    )  # fmt: skip


def _separator(lines: list[str]) -> str:
    """The sign that parts most lines into equally many fields."""
    best, score = ",", (0.0, False, 0)
    for sign in SEPARATORS.values():
        widths = [len(split(line, sign)) for line in lines[:60]]
        width, n = Counter(widths[1:] or widths).most_common(1)[0]
        # A header may lack the title of its first column.
        fitting = n + (widths[0] in (width, width - 1)) if len(widths) > 1 else n
        # Blanks also stand inside of names and sentences.
        found = (fitting / len(widths), sign != " ", width)
        if width > 1 and found > score:
            best, score = sign, found
    return best


def _may_be_header(fields: list[str], width: int) -> bool:
    """Whether a line is as wide as the body and filled; a title in a sheet is one field of many."""
    filled = sum(bool(f.strip()) for f in fields[1:])
    return len(fields) in (width, width - 1) and filled >= 0.5 * (len(fields) - 1)


def _marked(comments: list[str], sign: str, width: int, lines: list[list[str]]) -> list[str] | None:
    """The last comment, where it is the header: ``#gene<tab>cell1<tab>cell2``."""
    if not comments or not lines:
        return None
    fields = split(comments[-1].lstrip("#").strip(), sign)
    numbers = sum(bool(_NUMBER.match(f.strip())) for f in lines[0][1:])
    is_body = width > 2 and numbers > 0.8 * (width - 1)
    words = sum(not _NUMBER.match(f.strip()) for f in fields)
    fits = len(fields) in (width, width - 1) and words > 0.8 * len(fields)
    return fields if is_body and fits else None


def _signs(lines: list[list[str]], separator: str) -> tuple[str, str]:
    """The signs in numbers: decimal and thousands."""
    if separator == "," and not any("," in f for line in lines[:50] for f in line):
        return ".", ""
    seen = [f.strip() for line in lines[:100] for f in line[:2_000] if "," in f]
    numbers = [f for f in seen if _DECIMAL_COMMA.match(f) or _THOUSANDS.match(f)]
    if not numbers or len(numbers) < 0.5 * len(seen):
        return ".", ""
    if all(_THOUSANDS.match(f) for f in numbers):
        return ".", ","
    return ",", ""


def refuse_too_many(path: Path, n: int, most: int, what: str) -> None:
    """Says that a table is larger than text should be."""
    if n > most:
        raise DataError(
            f"{path.name} has {n:,} {what} or more; a table of text may have {most:,} at most.",
            fix="Bring it as an h5ad or 10x file: they are read many times as fast.",
        )


def _short(line: str) -> str:
    return line if len(line) <= 60 else f"{line[:57]}..."


def _no_text(path: Path) -> DataError:
    return DataError(f"{path.name} is not a table of text.", fix="Choose a csv or tsv.")
