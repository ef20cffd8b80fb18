"""The state of each letter, as blocks found it: three lines a sequence, and stretches as BED."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.writers.colors import category_colors
from diffbio_engine.data.writers.h5ad import whole_or_nothing

# One sign for each state: its name where that is a single letter, else these in turn.
_SIGNS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_NOT_KNOWN = "?"


@dataclass(frozen=True)
class States:
    """A class for each position of each sequence.

    Attributes:
        codes: int, (sequences, positions); -1 past the end, or where nothing is known.
        names: Of the classes.
    """

    codes: np.ndarray
    names: tuple[str, ...]

    @property
    def signs(self) -> str:
        """A letter for each class."""
        single = len(set(self.names)) == len(self.names) and all(len(n) == 1 for n in self.names)
        return "".join(self.names) if single else _SIGNS[: len(self.names)]


class BedLines:
    """Lines of a BED with the names of states and their colours, as the page draws them.

    Nine columns (UCSC), as ChromHMM's dense BED: score 0, no strand, the thick part all of it.
    """

    def __init__(self, states: States) -> None:
        colors = category_colors(len(states.names))
        channels = [",".join(str(int(c[i : i + 2], 16)) for i in (1, 3, 5)) for c in colors]
        self._told = [
            (name.replace(" ", "_"), rgb) for name, rgb in zip(states.names, channels, strict=True)
        ]

    head = 'track name="states" description="States" visibility=1 itemRgb="On"\n'

    def line(self, chromosome: str, start: int, end: int, state: int) -> str:
        """One stretch, counted from 0, its end not in it."""
        name, rgb = self._told[state]
        return f"{chromosome}\t{start}\t{end}\t{name}\t0\t.\t{start}\t{end}\t{rgb}\n"


def write_states(dataset: Dataset, states: States, three_lines: Path, bed: Path) -> list[str]:
    """Writes both files; the sentences about them.

    Letters are as they were read: one that is not told is N (X in a protein). Positions that were
    not used have no state: ``?``, and no stretch.
    """
    if len(states.names) > len(_SIGNS):
        return [f"{three_lines.name} was not written: {len(states.names)} states are too many."]
    unknown = "X" if dataset.alphabet.unit == "residue" else "N"
    letters = np.frombuffer(("".join(dataset.alphabet.letters) + unknown).encode(), np.uint8)
    signs = np.frombuffer((states.signs + _NOT_KNOWN).encode(), np.uint8)
    sequences, names = dataset.ragged["sequences"], [str(name) for name in dataset.obs.index]
    with (
        whole_or_nothing(three_lines) as part,
        part.open("wb") as lines,
        whole_or_nothing(bed) as other,
        other.open("w", encoding="utf-8", newline="\n") as stretches,
    ):
        told = BedLines(states)
        stretches.write(told.head)
        for i, name in enumerate(names):
            row = sequences.row(i)
            codes = np.full(len(row), -1)
            known = min(len(row), states.codes.shape[1])
            codes[:known] = states.codes[i, :known]
            head = name.encode("ascii", "replace")
            lines.write(b">%s\n%s\n%s\n" % (head, letters[row].tobytes(), signs[codes].tobytes()))
            for start, stop, state in runs_of(codes):
                stretches.write(told.line(name, start, stop, state))
    key = _key(states)
    return [
        f"{three_lines.name} has the state of each letter in a third line{key};"
        f" {bed.name} has the stretches of each state (BED, counted from 0)."
    ]


def _key(states: States) -> str:
    pairs: Sequence[str] = [
        f"{sign}: {name}"
        for sign, name in zip(states.signs, states.names, strict=True)
        if sign != name
    ]
    return f" ({', '.join(pairs)})" if pairs else ""


def runs_of(codes: np.ndarray) -> Iterator[tuple[int, int, int]]:
    """Where each run of one number begins and ends, and the number; none below 0."""
    ends = np.flatnonzero(np.diff(codes, append=-2)) + 1
    begin = 0
    for end in ends.tolist():
        if codes[begin] >= 0:
            yield begin, end, int(codes[begin])
        begin = end
