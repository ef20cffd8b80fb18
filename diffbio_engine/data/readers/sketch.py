"""A table before its numbers are read: what its rows and columns are, as one look decided."""

from dataclasses import dataclass, field

from diffbio_engine.data.readers.table_text import TableText
from diffbio_engine.data.reading import CELLS_IN_ROWS, GENES_IN_ROWS


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
        again: Rows of words that repeat the header.
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
    again: set[int] = field(default_factory=set)

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
