"""BedGraph files of strangers: a signal along the genome, averaged in bins, cut into windows."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.dataset.plain_note import PlainNote
from diffbio_engine.data.matrix.memory_limit import refuse_if_too_big
from diffbio_engine.data.matrix.ragged import Ragged
from diffbio_engine.data.readers.file_types import FileType
from diffbio_engine.data.readers.packed_text import open_bytes
from diffbio_engine.data.reading import Choice, Reading
from diffbio_engine.errors import DataError

ENDINGS = (".bedgraph", ".bdg")
# As ChromHMM's: a nucleosome with its linker.
BASES = 200
_USUAL = (25, 50, 100, 200, 500, 1_000, 5_000)
# Bins of one window: what is drawn at once, and kept for gradients.
WINDOW = 512
MOST_LINES, MOST_BINS, MOST_CHROMOSOMES = 20_000_000, 20_000_000, 100_000
LONGEST_CHROMOSOME = 10_000_000_000
_LONGEST_LINE, _LONGEST_NAME = 10_000, 200
_TOGETHER = 200_000
_NOT_DATA = (b"track", b"browser")  # first words; a contig may be called track1


@dataclass
class _Intervals:
    """Intervals of one chromosome, in the order of the file."""

    start: list[np.ndarray]
    end: list[np.ndarray]
    value: list[np.ndarray]


def open_track(path: Path, reading: Reading) -> Dataset:
    """Reads a bedGraph: four columns, chromosome, start (from 0), end, value.

    What no interval covers is 0. The value of a bin is the mean over its bases. A chromosome is cut
    into windows of 512 bins, from its first interval to its last; windows without any signal are
    left out, and that is said.

    Raises:
        DataError: With the line, where it is no bedGraph; beyond a limit; without any signal.
    """
    found = _read(path)
    bases = int(reading.bin_size or BASES)
    rows, names, table, n_windows, overlapping = [], [], [], 0, 0
    n_bins = 0
    for chromosome, parts in found.items():
        start, end, value = (np.concatenate(p) for p in (parts.start, parts.end, parts.value))
        order = np.argsort(start, kind="stable")
        start, end, value = start[order], end[order], value[order]
        overlapping += int((start[1:] < np.maximum.accumulate(end)[:-1]).sum())
        first, last = int(start[0]) // bases, int((end.max() - 1) // bases)
        n_bins += last - first + 1
        if n_bins > MOST_BINS:
            raise DataError(
                f"{path.name} has more than {MOST_BINS:,} bins of {bases:,} bases.",
                fix="Choose larger bins under 'Bases of a bin' (--bin-size), or bring some"
                " chromosomes.",
            )
        signal = _binned(start, end, value, first, last, bases)
        for at in range(0, len(signal), WINDOW):
            piece = signal[at : at + WINDOW]
            n_windows += 1
            if piece.any():
                low = (first + at) * bases
                high = low + len(piece) * bases
                rows.append(piece)
                names.append(f"{chromosome}:{low}-{high}")  # see `window_at`
                table.append((chromosome, low, high, float(piece.mean()), float(piece.max())))
    if not rows:
        raise DataError(
            f"{path.name} has no signal: all its values are 0.", fix="Choose another track."
        )
    columns = ["chromosome", "start", "end", "mean_signal", "largest_signal"]
    obs = pd.DataFrame(table, columns=columns, index=pd.Index(names, dtype=object))
    obs["chromosome"] = pd.Categorical(obs["chromosome"])
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    read = (
        f"The signal is averaged in bins of {bases:,} bases, in windows of {WINDOW} bins; what no"
        " line covers is 0."
    )
    warnings: list[str] = [PlainNote(read)]
    if empty := n_windows - len(rows):
        warnings.append(f"{empty:,} of {n_windows:,} windows have no signal and were left out.")
    if overlapping:
        n = sum(len(p) for parts in found.values() for p in parts.start)
        warnings.append(
            f"{overlapping:,} of {n:,} lines overlap one before; their values were added up."
        )
    possible = tuple((str(n), f"{n:,}") for n in sorted({*_USUAL, bases}))
    why = "" if reading.bin_size else "about a nucleosome, as in ChromHMM"
    return Dataset(
        name=path.name,
        kind="bedGraph",
        obs=obs,
        var=pd.DataFrame(index=pd.Index([], dtype=object)),
        matrices={},
        path=path,
        warnings=tuple(warnings),
        choices=(Choice("bin_size", "Bases of a bin", str(bases), possible, why),),
        ragged={"signal": Ragged(np.concatenate(rows), offsets, np.nan)},
    )


def window_at(name: str) -> tuple[str, int, int] | None:
    """Chromosome, first base and end of a window by its name, ``"chr1:0-102400"``; else None."""
    found = re.fullmatch(r"(.+):([0-9]{1,11})-([0-9]{1,11})", name)
    return None if found is None else (found[1], int(found[2]), int(found[3]))


def _read(path: Path) -> dict[str, _Intervals]:
    found: dict[str, _Intervals] = {}
    kept: dict[str, list[tuple[int, int, float]]] = {}

    def keep() -> None:
        for chromosome, lines in kept.items():
            into = found.setdefault(chromosome, _Intervals([], [], []))
            start, end, value = zip(*lines, strict=True)
            into.start.append(np.array(start, np.int64))
            into.end.append(np.array(end, np.int64))
            into.value.append(np.array(value, np.float64))
        kept.clear()

    for n, (number, line) in enumerate(_lines(path), 1):
        chromosome, start, end, value = _interval(path, number, line)
        kept.setdefault(chromosome, []).append((start, end, value))
        if n % _TOGETHER == 0:
            keep()
            refuse_if_too_big(48 * n, path.name)
            if n > MOST_LINES or len(found) > MOST_CHROMOSOMES:
                raise DataError(
                    f"{path.name} has more than {MOST_LINES:,} lines or {MOST_CHROMOSOMES:,}"
                    " chromosomes.",
                    fix="Bring some chromosomes, or the track in bins (bedtools map).",
                )
    keep()
    if not found:
        raise DataError(
            f"{path.name} has no intervals.",
            fix="A bedGraph has four columns: chromosome, start, end, value.",
        )
    return found


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with open_bytes(path) as file:
        number = 0
        while line := file.readline(_LONGEST_LINE + 1):
            number += 1
            if len(line) > _LONGEST_LINE or b"\x00" in line:
                raise _no_bedgraph(path, number, "is no line of text of four columns")
            line = line.strip()
            if line and not line.startswith(b"#") and line.split(None, 1)[0] not in _NOT_DATA:
                yield number, line


def _interval(path: Path, number: int, line: bytes) -> tuple[str, int, int, float]:
    words = line.split()
    if len(words) != 4:
        raise _no_bedgraph(path, number, f"has {len(words)} columns")
    start, end = (_number(path, number, words, i, int) for i in (1, 2))
    value = _number(path, number, words, 3, float)
    if not 0 <= start < end <= LONGEST_CHROMOSOME:
        raise _no_bedgraph(path, number, f"goes from {start} to {end}")
    if not abs(value) < 1e30:
        raise _no_bedgraph(path, number, "has a value that is not finite")
    chromosome = words[0].decode("utf-8", "replace")
    if len(chromosome) > _LONGEST_NAME or not chromosome.isprintable():
        raise _no_bedgraph(path, number, "has no name of a chromosome in column 1")
    return chromosome, start, end, value


def _number(
    path: Path, number: int, words: list[bytes], place: int, of: Callable[[bytes], Any]
) -> Any:
    try:
        return of(words[place])
    except ValueError:
        told = words[place][:20].decode("utf-8", "replace")
        more = "…" if len(words[place]) > 20 else ""
        said = f"'{told}{more}'" if told.isprintable() else "no text"
        what = "a number" if of is float else "a whole number"
        name = ("start", "end", "value")[place - 1]
        raise _no_bedgraph(
            path, number, f"has {said} in column {place + 1} ({name}), where {what} belongs"
        ) from None


def _no_bedgraph(path: Path, number: int, what: str) -> DataError:
    return DataError(
        f"Line {number:,} of {path.name} {what}.",
        fix="A bedGraph has four columns: chromosome, start (from 0), end, value.",
    )


def _binned(
    start: np.ndarray, end: np.ndarray, value: np.ndarray, first: int, last: int, bases: int
) -> np.ndarray:
    """Mean value of the bins from ``first`` to ``last``, float32."""
    n = last - first + 1
    low, high = start // bases - first, (end - 1) // bases - first
    total, steps = np.zeros(n), np.zeros(n + 1)
    one = low == high
    np.add.at(total, low[one], (value * (end - start))[one])
    several = ~one
    low, high, start, end, value = (x[several] for x in (low, high, start, end, value))
    np.add.at(total, low, value * (bases - start % bases))
    np.add.at(total, high, value * (end - (high + first) * bases))
    np.add.at(steps, low + 1, value * bases)
    np.add.at(steps, high, -value * bases)
    # What is left of a sum that went up and down again is no signal.
    whole = np.cumsum(steps)[:-1]
    whole[np.abs(whole) < 1e-9 * max(float(np.abs(steps).max(initial=0.0)), 1e-300)] = 0.0
    return ((total + whole) / bases).astype(np.float32)


FILE_TYPE = FileType("bedGraph", ENDINGS, order=96, listed=96, said="bedGraph")
