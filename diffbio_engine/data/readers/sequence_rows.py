"""A data set of sequences from their letters, and from what is told of each: of any file."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from diffbio_engine.data.dataset import ORIGINAL_NAME, Dataset
from diffbio_engine.data.dataset.gene_names import made_unique
from diffbio_engine.data.matrix.ragged import Ragged
from diffbio_engine.data.readers.packed_text import bare_name
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
from diffbio_engine.data.readers.sequence_text import FASTQ, THREE_LINES
from diffbio_engine.data.reading import MOST_USED, Choice, Reading
from diffbio_engine.ports.alphabets import ALPHABETS, PAST_THE_END, Alphabet

USED = 1_024
_USUAL_LENGTHS = (128, 256, 512, 1_024, 2_048, 4_096, 8_192)


@dataclass
class SequenceRows:
    """What files say of sequences, in their order.

    Attributes:
        letters: Bytes of the letters, one sequence after the other, in parts.
        lengths: Of each sequence, in bytes.
        of_file: From which of the files each is.
        beside: Bytes beside the letters: qualities, or states.
    """

    names: list[str]
    columns: pd.DataFrame
    letters: list[np.ndarray]
    lengths: list[int]
    of_file: list[int]
    beside: list[np.ndarray] = field(default_factory=list)


def data_set_of(
    read: SequenceRows,
    form: str,
    files: Sequence[Path],
    name: str,
    path: Path,
    reading: Reading,
    notes: Sequence[str] = (),
) -> Dataset:
    """Tells the alphabet, codes the letters and measures them; what to know of that is said.

    Args:
        form: What the files are: ``"FASTA"``.
        notes: What is to be said of what else was read.
    """
    raw = _flat(read.letters)
    raw_offsets = np.concatenate([[0], np.cumsum(read.lengths, dtype=np.int64)])
    counts = counts_of(raw)
    told = tell_alphabet(counts, Path(bare_name(files[0])).suffix, reading.letters)
    gaps = form not in (FASTQ, THREE_LINES)
    codes, offsets = coded(raw, raw_offsets, told.alphabet, gaps=gaps)
    longest = int(np.diff(offsets).max(initial=0))
    used = int(reading.longest or USED)
    ragged = {"sequences": Ragged(codes, offsets, PAST_THE_END, min(used, MOST_USED))}
    choices = [_of_letters(told.alphabet, told.why)]
    warnings = [told.note] if told.note else []
    warnings += what_was_read(counts, told.alphabet, gaps=gaps)
    states: tuple[str, ...] = ()
    if form == THREE_LINES:
        beside, states = states_of(_flat(read.beside))
        ragged["known_states"] = Ragged(beside, raw_offsets, -1, min(used, MOST_USED))
    if form == FASTQ:
        quality, choice, of_quality = _qualities(_flat(read.beside), reading)
        ragged["quality"] = Ragged(quality, raw_offsets, 0, min(used, MOST_USED))
        choices.append(choice)
        warnings += of_quality
    if longest > USED or reading.longest:
        choices.append(length_choice(longest, used, given=bool(reading.longest)))
    obs, of_names = table_of(read, files)
    for title, values in _measured(ragged["sequences"], told.alphabet).items():
        obs[title if title not in obs else f"{title}_of_letters"] = values
    warnings += [*notes, *of_names, *_of_rows(ragged["sequences"], raw_offsets, counts, gaps)]
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


def length_choice(longest: int, used: int, *, given: bool) -> Choice:
    """How many first positions of each are used."""
    most = min(longest, MOST_USED)
    lengths = sorted({used, most, *(n for n in _USUAL_LENGTHS if n < most)})
    possible = tuple((str(n), f"{n:,}" + (" (all)" if n >= longest else "")) for n in lengths)
    why = "" if given else f"the longest sequence has {longest:,}, and long ones take long"
    return Choice("longest", "First positions that are used", str(used), possible, why)


def table_of(read: SequenceRows, files: Sequence[Path]) -> tuple[pd.DataFrame, list[str]]:
    """Names that are unique, what is told of each, and which file it is from."""
    names, columns, notes = read.names, read.columns, []
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


def cut_said(cut: int, n: int, longest: int, what: str = "letters") -> str:
    """That some sequences are longer than what is used of them."""
    return (
        f"{cut:,} of {n:,} sequences are longer than {longest:,} {what}: the first {longest:,} of"
        " each are used. More can be chosen under 'First positions that are used'."
    )


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
        notes.append(cut_said(cut, n, sequences.longest))
    if again := duplicates(sequences.flat, sequences.offsets):
        notes.append(
            f"{again:,} of {n:,} sequences are the same, letter for letter, as another one. Where"
            " one of them is held out, its copies are trained on."
        )
    return notes
