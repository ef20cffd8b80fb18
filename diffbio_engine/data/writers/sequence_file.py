"""The sequences as they came, with what was found of each in their headers."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.readers.sequence_text import FASTQ, THREE_LINES, Record, records_of
from diffbio_engine.data.writers.h5ad import Written, whole_or_nothing
from diffbio_engine.errors import DataError
from diffbio_engine.ports import Place

# Longer files are seldom wanted twice; the table names every record all the same.
_LARGEST = 200_000_000
_MOST_FOUND = 8


def write_sequences(
    dataset: Dataset,
    form: str,
    files: Iterable[Path],
    arrays: Mapping[str, Any],
    written: Written,
    out: Path,
) -> str:
    """Writes FASTA or FASTQ, read again from where it came; the sentence about it.

    Each header keeps its words, and has ``key=value`` of what was found behind them: classes and
    single numbers.
    """
    n_bytes = sum(sequences.offsets[-1] for sequences in dataset.ragged.values())
    if n_bytes > _LARGEST:
        return (
            f"{out.name} was not written, because it would have {n_bytes / 1e6:,.0f} MB: the table"
            " of sequences has what was found of each."
        )
    found = {
        Place.parse(written.keys.get(place, place)).name: np.asarray(values)
        for place, values in arrays.items()
        if Place.parse(place).table == "obs"
    }
    told, n_found = "what was found", len(found)
    if n_found > _MOST_FOUND:
        told = f"{_MOST_FOUND} of the {n_found} things that were found of each (the table has all)"
    found = dict(list(found.items())[:_MOST_FOUND])
    n_written = 0
    try:
        with whole_or_nothing(out) as part, part.open("w", encoding="ascii", newline="\n") as file:
            records = (record for path in files for record in records_of(path, form))
            for i, record in enumerate(records):
                said = " ".join(f"{name}={_word(values[i])}" for name, values in found.items())
                file.write(_text(record, dataset.obs.index[i], said, form))
                n_written += 1
            if n_written < dataset.n_cells:
                raise DataError(f"There are {n_written:,} records now.", fix="Run again.")
    except (DataError, FileNotFoundError, IndexError):
        return f"{out.name} was not written: {dataset.name} was changed since it was read."
    return f"{out.name} has the sequences as they came, with {told} in their headers."


def _word(value: Any) -> str:
    said = f"{value:.4g}" if isinstance(value, float | np.floating) else str(value)
    return "_".join(said.encode("ascii", "replace").decode().split()) or "?"


def _text(record: Record, name: str, said: str, form: str) -> str:
    words = record.header.split(maxsplit=1)
    # A name that was made unique, or made up, stands for the one that was there.
    first = words[0] if words and words[0].startswith(name) else name
    header = " ".join((first.encode("ascii", "replace").decode(), *words[1:], said)).strip()
    if form == THREE_LINES:
        return f">{header}\n{record.letters}\n{record.quality}\n"
    if form == FASTQ:
        return f"@{header}\n{record.letters}\n+\n{record.quality}\n"
    lines = [record.letters[k : k + 80] for k in range(0, len(record.letters), 80)]
    return "\n".join((f">{header}", *lines, ""))
