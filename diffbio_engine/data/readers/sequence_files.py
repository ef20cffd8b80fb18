"""A data set of sequences: one FASTA or FASTQ file, or several that lie together."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from diffbio_engine.data.dataset import ORIGINAL_NAME, Dataset
from diffbio_engine.data.dataset.gene_names import made_unique
from diffbio_engine.data.matrix.memory_limit import refuse_if_too_big
from diffbio_engine.data.matrix.ragged import Ragged
from diffbio_engine.data.readers.archive_names import names_in
from diffbio_engine.data.readers.file_types import FileType, hdf5_endings
from diffbio_engine.data.readers.packed_text import bare_name
from diffbio_engine.data.readers.sequence_headers import names_and_columns
from diffbio_engine.data.readers.sequence_letters import (
    coded,
    counts_of,
    duplicates,
    scores,
    states_of,
    tell_alphabet,
    tell_offset,
    what_was_read,
)
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
from diffbio_engine.data.reading import MOST_USED, Choice, Reading
from diffbio_engine.errors import DataError
from diffbio_engine.ports.alphabets import ALPHABETS, PAST_THE_END, Alphabet

ENDINGS = (*FASTA_ENDINGS, *FASTQ_ENDINGS, *THREE_LINE_ENDINGS)
USED = 1_024
_USUAL_LENGTHS = (128, 256, 512, 1_024, 2_048, 4_096, 8_192)
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
    raw = _flat(read.letters)
    raw_offsets = np.concatenate([[0], np.cumsum(read.lengths, dtype=np.int64)])
    counts = counts_of(raw)
    told = tell_alphabet(counts, Path(bare_name(files[0])).suffix, reading.letters)
    gaps = form == FASTA
    codes, offsets = coded(raw, raw_offsets, told.alphabet, gaps=gaps)
    longest = int(np.diff(offsets).max(initial=0))
    used = int(reading.longest or USED)
    ragged = {"sequences": Ragged(codes, offsets, PAST_THE_END, min(used, MOST_USED))}
    choices = [_of_letters(told.alphabet, told.why)]
    warnings = [told.note] if told.note else []
    warnings += what_was_read(counts, told.alphabet, gaps=gaps)
    states: tuple[str, ...] = ()
    if form == THREE_LINES:
        beside, states = states_of(_flat(read.qualities))
        ragged["known_states"] = Ragged(beside, raw_offsets, -1, min(used, MOST_USED))
    if form == FASTQ:
        quality, choice, notes = _qualities(_flat(read.qualities), reading)
        ragged["quality"] = Ragged(quality, raw_offsets, 0, min(used, MOST_USED))
        choices.append(choice)
        warnings += [*notes, *_of_one_end(files)]
    if longest > USED or reading.longest:
        choices.append(_of_lengths(longest, used, given=bool(reading.longest)))
    obs, notes = _table(read, files)
    for title, values in _measured(ragged["sequences"], told.alphabet).items():
        obs[title if title not in obs else f"{title}_of_letters"] = values
    warnings += [*notes, *_of_rows(ragged["sequences"], raw_offsets, counts, gaps)]
    dataset = Dataset(
        name=name,
        kind=f"{form}, Phred+{choices[1].taken}" if form == FASTQ else form,
        obs=obs,
        var=pd.DataFrame(index=pd.Index([], dtype=object)),
        matrices={},
        path=path,
        warnings=tuple(warnings),
        choices=tuple(choices),
        ragged=ragged,
        alphabet=told.alphabet,
        states=states,
    )
    dataset.files = tuple(files)
    if len(files) > 1:
        dataset.samples = tuple((f.name, read.of_file.count(i)) for i, f in enumerate(files))
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


def _flat(parts: list[np.ndarray]) -> np.ndarray:
    flat = np.concatenate(parts)
    parts.clear()
    return flat


def _of_letters(alphabet: Alphabet, why: str) -> Choice:
    possible = tuple((name, name) for name in ALPHABETS)
    return Choice("letters", "Letters are", alphabet.name, possible, why)


def _qualities(flat: np.ndarray, reading: Reading) -> tuple[np.ndarray, Choice, list[str]]:
    offset, why = tell_offset(counts_of(flat), reading.quality)
    possible = (("33", "Phred+33 (Sanger, today's)"), ("64", "Phred+64 (Illumina before 1.8)"))
    values, notes = scores(flat, offset)
    return values, Choice("quality", "Qualities are", str(offset), possible, why), notes


def _of_lengths(longest: int, used: int, *, given: bool) -> Choice:
    most = min(longest, MOST_USED)
    lengths = sorted({used, most, *(n for n in _USUAL_LENGTHS if n < most)})
    possible = tuple((str(n), f"{n:,}" + (" (all)" if n >= longest else "")) for n in lengths)
    why = "" if given else f"the longest sequence has {longest:,}, and long ones take long"
    return Choice("longest", "First positions that are used", str(used), possible, why)


def _table(read: _Read, files: Sequence[Path]) -> tuple[pd.DataFrame, list[str]]:
    """Names, what the headers say, and which file each is from."""
    names, columns, notes = names_and_columns(read.headers)
    unnamed = [i for i, name in enumerate(names) if not name]
    for i in unnamed:
        names[i] = f"sequence_{i + 1}"
    if unnamed:
        notes.append(
            f"{len(unnamed):,} of {len(names):,} sequences have no name; they are called by their"
            f" number ({names[unnamed[0]]})."
        )
    index = pd.Index(names, dtype=object)
    if repeated := int(index.duplicated().sum()):
        column = ORIGINAL_NAME if ORIGINAL_NAME not in columns else f"{ORIGINAL_NAME}_2"
        columns[column] = pd.Series(names, dtype=object)
        first = index[index.duplicated()][0]
        index = made_unique(index)
        notes.append(
            f"{repeated:,} of {len(names):,} names stand there more than once ({first}); they were"
            f" made unique by -1, -2, ... The names as they were are in the column '{column}'."
        )
    if len(files) > 1:
        stems = [re.sub(r"(\.\w+)$", "", f.name[: len(bare_name(f))]) for f in files]
        stems = stems if len(set(stems)) == len(stems) else [f.name for f in files]
        free = "file" if "file" not in columns else "from_file"
        columns.insert(0, free, pd.Categorical.from_codes(read.of_file, stems))
        notes.append(f"{len(files)} files were joined; the column '{free}' says which.")
    return columns.set_axis(index, axis=0), notes


def _measured(sequences: Ragged, alphabet: Alphabet) -> dict[str, np.ndarray]:
    """Of each sequence its length and, of nucleic acids, the share of G and C among its bases."""
    lengths, ends = np.diff(sequences.offsets), sequences.offsets
    found: dict[str, np.ndarray] = {"length": lengths}
    if alphabet.unit == "base":

        def n_of(which: np.ndarray) -> np.ndarray:
            return np.diff(np.searchsorted(np.flatnonzero(which), ends))

        strong = n_of((sequences.flat == 1) | (sequences.flat == 2))
        told = n_of(sequences.flat < len(alphabet))
        found["gc_content"] = np.where(told > 0, strong / np.maximum(told, 1), np.nan)
    return found


def _of_rows(
    sequences: Ragged, raw_offsets: np.ndarray, counts: np.ndarray, gaps: bool
) -> list[str]:
    """What a person should know of the sequences as they are, with n of N."""
    lengths, n = np.diff(sequences.offsets), len(sequences)
    notes = []
    raw = np.diff(raw_offsets)
    if gaps and n > 1 and counts[list(b"-.")].any() and (raw == raw[0]).all():
        notes.append(
            f"All {n:,} lines up at {raw[0]:,} columns, so the file is an alignment: without its"
            " gaps the sequences do not line up any more."
        )
    if empty := int((lengths == 0).sum()):
        notes.append(f"{empty:,} of {n:,} sequences have no letters; nothing is learned of them.")
    if cut := int((lengths > sequences.longest).sum()):
        notes.append(
            f"{cut:,} of {n:,} sequences are longer than {sequences.longest:,} letters: the first"
            f" {sequences.longest:,} of each are used. More can be chosen under 'First positions"
            " that are used'."
        )
    if again := duplicates(sequences.flat, sequences.offsets):
        notes.append(
            f"{again:,} of {n:,} sequences are the same, letter for letter, as another one. Where"
            " one of them is held out, its copies are trained on."
        )
    return notes


FILE_TYPE = FileType("FASTA", ENDINGS, order=95, listed=95, said="FASTA, FASTQ")
