"""Equivalence classes of fragments, as salmon's ``--dumpEq`` writes them, with lengths beside."""

import math
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from diffbio_engine.data.matrix.equivalence_classes import EquivalenceClasses
from diffbio_engine.data.readers.packed_text import BROKEN, bare_name, open_bytes
from diffbio_engine.errors import DataError

CLASSES, TABLE = "eq_classes.txt", "equivalence_classes.tsv"
_LENGTHS = ("quant.sf", "effective_lengths.tsv")
_MOST_TRANSCRIPTS, _MOST_CLASSES, _MOST_MEMBERS = 5_000_000, 20_000_000, 200_000_000
_LONGEST_LINE, _LONGEST_NAME = 1 << 22, 1_000
_MOST_FRAGMENTS = 2**53
_AGAIN = "Copy it again, or let salmon write it anew (salmon quant --dumpEq)."


@dataclass(frozen=True)
class Transcripts:
    """Names, lengths and effective lengths, in bases."""

    names: list[str]
    lengths: np.ndarray
    effective: np.ndarray


def is_classes(path: Path | str) -> bool:
    """Whether it is a file of equivalence classes, by its name."""
    return bare_name(path).endswith((CLASSES, TABLE))


def is_lengths(path: Path) -> bool:
    """Whether it is a file of effective lengths, by its name."""
    return bare_name(path).endswith(_LENGTHS)


def lengths_beside(path: Path, files: Sequence[Path]) -> Path | None:
    """The file of effective lengths that belongs to these classes, of several the nearest.

    In salmon's folder ``quant.sf`` stands beside ``aux_info``, in which the classes are.
    """
    near = [f for f in files if is_lengths(f)]
    folders = (path.parent, path.parent.parent)
    return next((f for folder in folders for f in near if f.parent == folder), None)


def read_classes(path: Path, lengths: Path) -> tuple[Transcripts, EquivalenceClasses]:
    """All classes of a file.

    Raises:
        DataError: With the file and the line: damaged, cut off, beyond a limit, or of transcripts
            that have no effective length.
    """
    try:
        known = _lengths_of(lengths)
        if bare_name(path).endswith(TABLE):
            names, classes = _of_table(path, known)
        else:
            names, classes = _of_salmon(path)
    except BROKEN as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path.name} is damaged or was cut off.", fix=_AGAIN) from None
    without = [name for name in names if name not in known]
    if without:
        raise DataError(
            f"{len(without):,} of {len(names):,} transcripts of {path.name} have no effective"
            f" length in {lengths.name} ({', '.join(without[:3])}).",
            fix="Bring both files of the same run of salmon.",
        )
    table = np.array([known[name] for name in names])
    transcripts = Transcripts(names, table[:, 0], table[:, 1])
    return transcripts, classes.packed(table[:, 1])


class _Growing:
    """Classes as they are read."""

    def __init__(self, path: Path, n_transcripts: int) -> None:
        self.path, self.n_transcripts = path, n_transcripts
        self.starts, self.members = array("q"), array("i")
        self.weights, self.counts = array("d"), array("d")
        self.weighed: bool | None = None

    def add(
        self, line: int, members: Sequence[int], weights: Sequence[float], count: float
    ) -> None:
        """One more class."""
        if not members or min(members) < 0 or max(members) >= self.n_transcripts:
            raise _wrong(self.path, line, f"names no transcript of the {self.n_transcripts:,}")
        if len(set(members)) < len(members):
            raise _wrong(self.path, line, "names a transcript twice")
        if self.weighed is not None and self.weighed != bool(weights):
            raise _wrong(self.path, line, "has weights where others have none, or none")
        if not all(math.isfinite(w) and w >= 0 for w in weights):
            raise _wrong(self.path, line, "has a weight that is below 0 or no number")
        if not (0 <= count <= _MOST_FRAGMENTS and count == int(count)):
            raise _wrong(self.path, line, "does not end in a number of fragments")
        if len(self.members) + len(members) > _MOST_MEMBERS or len(self.counts) >= _MOST_CLASSES:
            raise DataError(
                f"{self.path.name} holds more than {_MOST_CLASSES:,} classes or"
                f" {_MOST_MEMBERS:,} memberships.",
                fix="Bring one sample.",
            )
        self.weighed = bool(weights)
        self.starts.append(len(self.members))
        self.members.extend(members)
        self.weights.extend(weights)
        self.counts.append(count)

    def packed(self, effective: np.ndarray) -> EquivalenceClasses:
        """As arrays; without weights in the file these are 1 / effective length."""
        members = np.frombuffer(self.members, np.int32).copy()
        weights = np.frombuffer(self.weights) if self.weighed else 1 / effective[members]
        return EquivalenceClasses(
            np.frombuffer(self.starts, np.int64).astype(np.int32),
            members,
            weights.astype(np.float32),
            np.array(self.counts),
            effective.astype(np.float32),
            bool(self.weighed),
        )


def _of_salmon(path: Path) -> tuple[list[str], _Growing]:
    lines = _lines(path)
    n_transcripts = _number_alone(path, lines, "transcripts", _MOST_TRANSCRIPTS)
    n_classes = _number_alone(path, lines, "classes", _MOST_CLASSES)
    names: list[str] = []
    for n, text in lines:
        names.append(_name(path, n, text))
        if len(names) == n_transcripts:
            break
    if len(names) < n_transcripts:
        raise _short(path, f"{n_transcripts:,} names of transcripts", len(names))
    _check_unique(path, names)
    found = _Growing(path, n_transcripts)
    for n, text in lines:
        if len(found.counts) == n_classes:
            raise _wrong(path, n, f"comes after the {n_classes:,} classes that the file speaks of")
        try:
            words = text.split()
            k = int(words[0])
            members = [int(word) for word in words[1 : k + 1]]
            weights = [float(word) for word in words[k + 1 : -1]]
            fits = k > 0 and len(members) == k and len(words) in (k + 2, 2 * k + 2)
            count = int(words[-1])
        except (ValueError, IndexError):
            fits, members, weights, count = False, [], [], 0
        if not fits:
            raise _wrong(path, n, "is no class: how many transcripts, which, their weights, count")
        found.add(n, members, weights, count)
    if len(found.counts) < n_classes:
        raise _short(path, f"{n_classes:,} classes", len(found.counts))
    return names, found


def _of_table(path: Path, known: dict[str, tuple[float, float]]) -> tuple[list[str], _Growing]:
    lines = _lines(path)
    header = next(lines, (1, ""))[1].split("\t")
    if header not in (["transcripts", "weights", "count"], ["transcripts", "count"]):
        raise DataError(
            f"{path.name} does not begin with the columns transcripts, weights, count.",
            fix="Name them so, with tabs between; weights can be left out.",
        )
    names = list(known)
    number = {name: i for i, name in enumerate(names)}
    found = _Growing(path, len(names))
    for n, text in lines:
        cells = text.split("\t")
        if len(cells) != len(header):
            raise _wrong(path, n, f"has {len(cells)} columns where {len(header)} were expected")
        members = [number.get(name, -1) for name in cells[0].split(",")]
        try:
            weights = [float(w) for w in cells[1].split(",")] if len(header) == 3 else []
            count = float(cells[-1])
        except ValueError:
            raise _wrong(path, n, "has a weight or a count that is no number") from None
        if weights and len(weights) != len(members):
            raise _wrong(path, n, f"has {len(weights)} weights for {len(members)} transcripts")
        found.add(n, members, weights, count)
    if not found.counts:
        raise _short(path, "classes", 0)
    return names, found


def _lengths_of(path: Path) -> dict[str, tuple[float, float]]:
    """Length and effective length by name, from the first three columns of quant.sf."""
    lines = _lines(path)
    header = next(lines, (1, ""))[1].split("\t")
    if header[:3] != ["Name", "Length", "EffectiveLength"]:
        raise DataError(
            f"{path.name} does not begin with the columns Name, Length, EffectiveLength.",
            fix="Bring the quant.sf that salmon wrote beside the classes.",
        )
    found: dict[str, tuple[float, float]] = {}
    for n, text in lines:
        cells = text.split("\t")
        try:
            name, length, effective = cells[0], float(cells[1]), float(cells[2])
        except (ValueError, IndexError):
            raise _wrong(path, n, "has no name, length and effective length") from None
        if not (0 < length < math.inf and 0 < effective < math.inf):
            raise _wrong(path, n, "has a length that is not above 0")
        if found.setdefault(_name(path, n, name), (length, effective)) != (length, effective):
            raise _wrong(path, n, f"names {name[:80]} a second time, with other lengths")
        if len(found) > _MOST_TRANSCRIPTS:
            raise DataError(f"{path.name} names more than {_MOST_TRANSCRIPTS:,} transcripts.")
    if not found:
        raise _short(path, "transcripts", 0)
    return found


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines that are not blank, with their numbers; none longer than any may be."""
    with open_bytes(path) as file:
        n = 0
        while line := file.readline(_LONGEST_LINE + 1):
            n += 1
            if len(line) > _LONGEST_LINE:
                raise _wrong(path, n, f"is longer than {_LONGEST_LINE:,} letters")
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            if n == 1:
                text = text.removeprefix("\ufeff")
            if "\x00" in text:
                raise _wrong(path, n, "is no text")
            if text.strip():
                yield n, text


def _number_alone(path: Path, lines: Iterator[tuple[int, str]], what: str, most: int) -> int:
    n, text = next(lines, (1, ""))
    if not text.strip().isascii() or not text.strip().isdigit() or len(text) > 12:
        raise _wrong(path, n, f"does not say how many {what} there are")
    if not 0 < int(text) <= most:
        raise _wrong(path, n, f"speaks of {int(text):,} {what}; 1 to {most:,} can be read")
    return int(text)


def _name(path: Path, n: int, text: str) -> str:
    name = text.strip()
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise _wrong(path, n, "is no name of a transcript")
    return name


def _check_unique(path: Path, names: list[str]) -> None:
    name, times = Counter(names).most_common(1)[0]
    if times > 1:
        raise DataError(f"{path.name} names the transcript {name[:80]} twice.", fix=_AGAIN)


def _wrong(path: Path, n: int, what: str) -> DataError:
    return DataError(f"Line {n:,} of {path.name} {what}.", fix=_AGAIN)


def _short(path: Path, what: str, n: int) -> DataError:
    return DataError(f"{path.name} ends early: of {what} there are {n:,}.", fix=_AGAIN)
