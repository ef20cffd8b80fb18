"""A data set of sequences: one FASTA or FASTQ file, or several that lie together."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.matrix.memory_limit import refuse_if_too_big
from diffbio_engine.data.readers.archive_names import names_in
from diffbio_engine.data.readers.file_types import FileType, hdf5_endings
from diffbio_engine.data.readers.packed_text import bare_name
from diffbio_engine.data.readers.sequence_headers import names_and_columns
from diffbio_engine.data.readers.sequence_rows import SequenceRows, data_set_of
from diffbio_engine.data.readers.sequence_text import (
    FASTA,
    FASTA_ENDINGS,
    FASTQ,
    FASTQ_ENDINGS,
    THREE_LINE_ENDINGS,
    THREE_LINES,
    form_of,
    records_of,
)
from diffbio_engine.data.reading import Reading
from diffbio_engine.errors import DataError

ENDINGS = (*FASTA_ENDINGS, *FASTQ_ENDINGS, *THREE_LINE_ENDINGS)
_TOGETHER = 100_000
_MATE = re.compile(r"^(.*?[._-])(?:R)?([12])((?:[._-]\d{3})?)$", re.IGNORECASE)


@dataclass
class _Read:
    """What the records of the files say, in their order."""

    headers: list[str] = field(default_factory=list)
    letters: list[np.ndarray] = field(default_factory=list)
    qualities: list[np.ndarray] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    of_file: list[int] = field(default_factory=list)


def is_sequence_file(path: Path) -> bool:
    """By its name, else by its first lines; packed ones too."""
    if not path.is_file() or not path.stat().st_size:
        return False
    if bare_name(path).endswith(ENDINGS):
        return True
    named_otherwise = Path(bare_name(path)).suffix not in ("", ".txt", ".seq", ".text", ".dat")
    try:
        return not named_otherwise and bool(form_of(path))
    except DataError:  # whoever opens it says what is wrong with it
        return False


def holds_sequences(path: Path) -> bool:
    """Whether an archive holds such files and no matrix, by the names in it; of a large tar, by
    the first of them.
    """
    names = [bare_name(name) for name in names_in(path, most_of_large=1)]
    matrices = (*hdf5_endings(), ".mtx", ".mtx_rows", ".zarr")
    return any(n.endswith(ENDINGS) for n in names) and not any(n.endswith(matrices) for n in names)


def open_sequences(files: Sequence[Path], name: str, path: Path, reading: Reading) -> Dataset:
    """Reads all of the files; of several, the column ``file`` says which each is from.

    Raises:
        DataError: With the file, the record and the line, where one is damaged or none of these.
    """
    forms = {file: _form(file) for file in files}
    if len(set(forms.values())) > 1:
        raise DataError(
            f"{name} holds FASTA and FASTQ files: {', '.join(f.name for f in files[:8])}.",
            fix="Bring the files of one kind together, the others by themselves.",
        )
    form = forms[files[0]]
    _refuse_mates(files if form == FASTQ else ())
    read = _read(files, form)
    if not read.headers:
        raise DataError(f"{name} has no records.", fix=f"Choose a {form} file with sequences.")
    names, columns, notes = names_and_columns(read.headers)
    unnamed = [i for i, name in enumerate(names) if not name]
    for i in unnamed:
        names[i] = f"sequence_{i + 1}"
    if unnamed:
        notes.append(
            f"{len(unnamed):,} of {len(names):,} sequences have no name; they are called by their"
            f" number ({names[unnamed[0]]})."
        )
    told = SequenceRows(names, columns, read.letters, read.lengths, read.of_file, read.qualities)
    dataset = data_set_of(told, form, files, name, path, reading, notes)
    if form == FASTQ:
        dataset.warnings += _of_one_end(files)
    return dataset


def _form(path: Path) -> str:
    form = form_of(path, named=bare_name(path).endswith(ENDINGS))
    if form:
        three = form == FASTA and bare_name(path).endswith(THREE_LINE_ENDINGS)
        return THREE_LINES if three else form
    if path.stat().st_size == 0:
        raise DataError(f"{path.name} is empty (0 bytes).", fix="Upload or copy the file again.")
    expected = "FASTQ" if bare_name(path).endswith(FASTQ_ENDINGS) else "FASTA"
    sign = "@" if expected == FASTQ else ">"
    raise DataError(
        f"{path.name} is named as {expected} is, but does not begin with a record of it: a name"
        f" after '{sign}', then letters.",
        fix="Choose the file that holds sequences, or give it the ending of what it is.",
    )


def _refuse_mates(files: Sequence[Path]) -> None:
    """Two files of the same pairs are not two lots of reads."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for file in files:
        stem = re.sub(r"(\.\w+)$", "", bare_name(file))
        if match := _MATE.match(stem):
            found.setdefault((match[1], match[3]), {})[match[2]] = file.name
    both = next((mates for mates in found.values() if len(mates) == 2), None)
    if both:
        raise DataError(
            f"{both['1']} and {both['2']} look like the two ends of the same pairs, which are not"
            " read together yet.",
            fix="Bring one of them, or merge the pairs first (fastp --merge, PEAR, vsearch"
            " --fastq_mergepairs) and bring the result. If they are no pairs, rename one.",
        )


def _of_one_end(files: Sequence[Path]) -> list[str]:
    """That the other end of the pairs is not there, where a name says that there is one."""
    ends = [f.name for f in files if re.search(r"[._-]R[12]([._-]\d{3})?\.", f.name)]
    if not ends:
        return []
    return [f"By its name {ends[0]} is one end of pairs; the other end is not read."]


def _read(files: Sequence[Path], form: str) -> _Read:
    read = _Read()
    letters: list[str] = []
    qualities: list[str] = []
    n_letters = 0

    def keep() -> None:
        read.letters.append(np.frombuffer("".join(letters).encode("ascii"), np.uint8))
        read.qualities.append(np.frombuffer("".join(qualities).encode("ascii"), np.uint8))
        letters.clear()
        qualities.clear()

    waiting = 0
    for i, file in enumerate(files):
        for record in records_of(file, form):
            read.headers.append(record.header)
            read.lengths.append(len(record.letters))
            read.of_file.append(i)
            letters.append(record.letters)
            qualities.append(record.quality)
            waiting += len(record.letters)
            if len(letters) == _TOGETHER or waiting > 1 << 26:
                n_letters += waiting
                refuse_if_too_big((3 if form == FASTA else 4) * n_letters, file.name)
                waiting = 0
                keep()
    keep()
    return read


FILE_TYPE = FileType("FASTA", ENDINGS, order=95, listed=95, said="FASTA, FASTQ")
