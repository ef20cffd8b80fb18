"""FASTA and FASTQ of strangers, record by record (dnaio): limits, and mistakes in words."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from diffbio_engine.data.readers.packed_text import open_bytes
from diffbio_engine.errors import DataError

FASTA, FASTQ, THREE_LINES = "FASTA", "FASTQ", "3-line FASTA"
FASTA_ENDINGS = (
    ".fasta", ".fa", ".fna", ".ffn", ".frn", ".faa", ".fas", ".fsa", ".mfa", ".afa", ".pep",
)  # fmt: skip
FASTQ_ENDINGS = (".fastq", ".fq")
# A name, the letters, and as many letters that say in which state each is.
THREE_LINE_ENDINGS = (".3line",)
# A bacterial genome is a sequence of 5 million; a chromosome is for tools that cut windows.
LONGEST = 10_000_000
MOST_RECORDS = 10_000_000
LONGEST_HEADER = 20_000
_HEAD = 1 << 16
_OF_A_LINE = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz*-. \t0123456789?_"
_QUESTION_MARKS = bytes(range(128)) + b"?" * 128


@dataclass(frozen=True)
class Record:
    """One sequence as it stands in a file; ``quality`` is empty in FASTA.

    In FASTA of three lines it is the third: the state of each letter.
    """

    header: str
    letters: str
    quality: str = ""


def form_of(path: Path, *, named: bool = False) -> str:
    """``"FASTA"`` or ``"FASTQ"`` by the first lines, packed or not; empty for anything else.

    Args:
        named: Whether its name says so too: then odd signs among the letters are no reason.

    Raises:
        DataError: A packed file that is damaged from its beginning.
    """
    with open_bytes(path) as file:
        head = file.read(_HEAD)
    if b"\x00" in head:
        return ""
    lines = [x.strip() for x in head.removeprefix(b"\xef\xbb\xbf").splitlines()]
    lines = [x for x in lines if x and not x.startswith(b"#")]
    if not lines or lines[0][:1] not in b">@":
        return ""
    if lines[0].startswith(b">"):
        # An empty record may follow at once; what follows else is of letters alone.
        body = [x for x in lines[1:] if not x.startswith(b">")][:3]
        return FASTA if named or all(_is_letters(x) for x in body) else ""
    first = head.removeprefix(b"\xef\xbb\xbf").splitlines()
    return FASTQ if len(first) < 3 or first[2].startswith(b"+") else ""


def _is_letters(line: bytes) -> bool:
    return not line.translate(None, _OF_A_LINE)


def records_of(path: Path, form: str) -> Iterator[Record]:
    """Every record of a file.

    Raises:
        DataError: While it is read: damaged, cut off, of other bytes than text, or beyond a limit;
            with the number of the record and the line.
    """
    from dnaio import readers
    from dnaio.exceptions import FileFormatError

    n = 0
    with open_bytes(path) as raw:
        text = io.BufferedReader(_Watched(raw, path, form), 1 << 17)
        try:
            reader: Any = (
                readers.FastqReader(text)
                if form == FASTQ
                else readers.FastaReader(text, keep_linebreaks=form == THREE_LINES)
            )
            for n, found in enumerate(reader, 1):
                _check(path, n, found.name, len(found.sequence))
                beside = found.qualities or ""
                letters = found.sequence
                if form == THREE_LINES:
                    letters, beside = _two_lines(path, n, letters)
                yield Record(found.name, letters, beside)
        except FileFormatError as error:
            if not str(error.message).split("final record was:")[-1].strip("' \\nr"):
                return  # blank lines at the end
            raise _in_words(path, form, n, error) from None


def _two_lines(path: Path, n: int, lines: str) -> tuple[str, str]:
    letters, _, states = lines.partition("\n")
    if len(letters) != len(states) or "\n" in states:
        raise DataError(
            f"Record {n:,} of {path.name} has {len(letters):,} letters and {len(states):,} states.",
            fix="Give each record three lines: a name after '>', the letters, and as many states.",
        )
    return letters, states


def _check(path: Path, n: int, header: str, length: int) -> None:
    if n > MOST_RECORDS:
        raise DataError(
            f"{path.name} holds more than {MOST_RECORDS:,} records.",
            fix="Bring a part of it, for instance the first million records.",
        )
    if length > LONGEST:
        raise _too_long(path, f"record {n:,}")
    if len(header) > LONGEST_HEADER:
        raise DataError(
            f"The header of record {n:,} of {path.name} has {len(header):,} letters.",
            fix=f"Shorten it: at most {LONGEST_HEADER:,} letters are read.",
        )


def _too_long(path: Path, where: str) -> DataError:
    return DataError(
        f"{where[:1].upper()}{where[1:]} of {path.name} has more than {LONGEST:,} letters.",
        fix="Cut it into windows first (bedtools makewindows and getfasta): chromosomes are not"
        " read as one sequence.",
    )


def _in_words(path: Path, form: str, n: int, error: Any) -> DataError:
    line = "" if error.line is None else f" (line {error.line + 1:,})"
    said = str(error.message)
    if form != FASTQ:
        return DataError(
            f"{path.name} does not begin with a header{line}: a record of FASTA begins with '>'.",
            fix="Put a line with '>' and a name before each sequence.",
        )
    if "Premature end" in said:
        return DataError(
            f"{path.name} ends in the middle of record {n + 1:,}{line}: it was cut off.",
            fix="Copy it again, or remove the lines of that record.",
        )
    if "differ" in said:
        return DataError(
            f"Record {n + 1:,} of {path.name}{line} has not as many qualities as letters.",
            fix="Copy the file again, or remove that record.",
        )
    return DataError(
        f"Record {n + 1:,} of {path.name}{line} is no FASTQ: {_plain(said)}.",
        fix="A record has four lines: @name, letters, +, qualities. Letters over several lines are"
        " not read: rewrite the file with 'seqtk seq'.",
    )


def _plain(said: str) -> str:
    first = said.splitlines()[0].strip().rstrip(".")
    return first[:1].lower() + first[1:160]


class _Watched(io.RawIOBase):
    """The bytes of a text file, until a line or a record is longer than any may be.

    Other bytes than ASCII, which only headers have, become question marks: dnaio reads ASCII.
    """

    def __init__(self, stream: IO[bytes], path: Path, form: str):
        self._stream, self._path, self._form = stream, path, form
        self._line = self._record = 0
        self._begun = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def,override]
        piece = self._stream.read(len(buffer))
        if not self._begun:
            piece = self._first(piece)
        if b"\x00" in piece:
            raise self._no_text()
        if not piece.isascii():
            piece = piece.translate(_QUESTION_MARKS)
        self._line = self._watch(piece, b"\n", self._line, 2 * LONGEST)
        if self._form != FASTQ:
            self._record = self._watch(piece, b">", self._record, 4 * LONGEST)
        buffer[: len(piece)] = piece
        return len(piece)

    def _first(self, piece: bytes) -> bytes:
        self._begun = True
        if piece.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise self._no_text()
        return piece.removeprefix(b"\xef\xbb\xbf")

    def _watch(self, piece: bytes, sign: bytes, since: int, most: int) -> int:
        """Bytes since the last sign; a ``DataError`` once there are too many."""
        first, last = piece.find(sign), piece.rfind(sign)
        if since + (first if first >= 0 else len(piece)) > most:
            raise _too_long(self._path, "a line" if sign == b"\n" else "a record")
        return len(piece) - last - 1 if last >= 0 else since + len(piece)

    def _no_text(self) -> DataError:
        return DataError(
            f"{self._path.name} is no plain text, so no {self._form}.",
            fix="Save it as plain text (ASCII or UTF-8), or choose another file.",
        )
