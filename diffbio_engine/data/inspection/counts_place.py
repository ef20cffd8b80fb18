"""Which matrix of a file holds the raw counts: by what is in it, then by what it is called."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.dataset.name_words import words_of
from diffbio_engine.data.matrix.matrix_preview import BINARY, ESTIMATED, RAW, MatrixPreview, look
from diffbio_engine.errors import DataError
from diffbio_engine.ports import Place

# A matrix with less than this share of the molecules of another one holds a part of them.
_FEW_MOLECULES = 0.2
# The parts into which velocyto, kallisto and STARsolo sort the molecules of each gene.
_WHOLE_PART, _OTHER_PARTS = ("spliced", "mature"), ("unspliced", "ambiguous", "nascent", "spanning")
# In this order they are added up; what each is also called.
PARTS = ("spliced", "unspliced", "ambiguous")
_ALSO_CALLED = {"mature": "spliced", "nascent": "unspliced"}
_CALLED_COUNTS = {"count", "counts", "raw", "umi", "umis"}
# Of a molecule several reads are counted: UMIs are few beside them, and whole all the same.
_READS, _MOLECULES = {"read", "reads"}, {"umi", "umis", "molecule", "molecules"}
# A name that says that something was done to the counts.
_CHANGED = {
    "normalised", "normalized", "norm", "log", "scaled", "corrected", "imputed", "denoised",
    "decontx", "decontaminated", "soupx", "smoothed", "magic", "binary", "rounded", "cpm", "tpm",
}  # fmt: skip


def doubted(looks: Sequence[MatrixPreview]) -> tuple[MatrixPreview, ...]:
    """The same, where a matrix that holds a small part of another's molecules says so."""
    raw = [m for m in looks if m.holds == RAW]
    molecules = [m for m in raw if not _of_reads(m.place)] or raw
    most = max(molecules, key=lambda m: m.per_cell, default=None)
    out = []
    for m in looks:
        few = most is not None and m.holds == RAW and m.per_cell < _FEW_MOLECULES * most.per_cell
        if few and most is not None:
            share = m.per_cell / most.per_cell
            m = replace(m, doubt=f"It has {share:.0%} of the molecules of {most.place}.")
        out.append(m)
    return tuple(out)


def part_of(place: str) -> str:
    """Which of ``PARTS`` a layer is by its name; empty if it is none, or was changed."""
    words = [_ALSO_CALLED.get(w, w) for w in words_of(Place.parse(place).name)]
    found = [w for w in words if w in PARTS]
    return found[0] if len(found) == 1 and not set(words) & _CHANGED else ""


def counts_place(looks: Iterable[MatrixPreview]) -> tuple[str, str]:
    """Where the raw counts lie (empty: nowhere), and what a person should know of that.

    Contents decide first (whole numbers that are no rounded fractions, more than zeros and ones,
    not a few per cent of another's molecules), names only between those that are left.
    """
    looks = doubted(tuple(looks))
    sound = [m for m in looks if m.holds == RAW and not m.doubt and _tier(m.place) < _NEVER]
    if sound:
        best = min(sound, key=lambda m: (_tier(m.place), -m.per_cell))
        return best.place, _said(best, looks)
    if shared_out := [m for m in looks if m.holds == ESTIMATED]:
        return shared_out[0].place, ""
    doubtful = [m for m in looks if m.holds in (RAW, BINARY)]
    if not doubtful:
        return "", ""
    best = min(doubtful, key=lambda m: (m.holds == BINARY, bool(m.doubt), -m.per_cell))
    why = best.doubt or (
        "it holds zeros and ones only, as if counts had been cut off"
        if best.holds == BINARY
        else "by its name it holds only a part of the molecules"
    )
    return best.place, f"Counts are taken from {best.place} for want of better; {why.rstrip('.')}."


def find_counts(dataset: Dataset) -> tuple[str, str]:
    """`counts_place` of a data set whose matrices may still be on disk."""
    looks = []
    for place in dataset.places:
        try:
            looks.append(look(place, dataset.stored(place)))
        except DataError:
            continue
    return counts_place(looks)


_NEVER = 9


def _tier(place: str) -> int:
    """How well a place's name goes with counts; smaller is better."""
    words = set(words_of(Place.parse(place).name or place))
    if words & set(_OTHER_PARTS):
        return _NEVER
    if place == "X":
        return 1
    if place == "raw/X":
        return 2
    if words & set(_WHOLE_PART):
        return 3
    if words & _CHANGED:
        return 6
    if _of_reads(place):
        return 5
    return 0 if words & _CALLED_COUNTS else 4


def _of_reads(place: str) -> bool:
    words = set(words_of(Place.parse(place).name))
    return bool(words & _READS) and not words & _MOLECULES


def _said(best: MatrixPreview, looks: Sequence[MatrixPreview]) -> str:
    words = words_of(Place.parse(best.place).name)
    if not set(words) & set(_WHOLE_PART):
        reads = [m.place for m in looks if m.holds == RAW and _of_reads(m.place)]
        if not reads or _of_reads(best.place):
            return ""
        return (
            f"Counts are taken from {best.place}, not from {', '.join(reads)}: reads by its name."
        )
    parts = [
        m for m in looks
        if m.holds == RAW and set(words_of(Place.parse(m.place).name)) & set(_OTHER_PARTS)
    ]  # fmt: skip
    whole = best.per_cell + sum(m.per_cell for m in parts)
    if not parts or not whole:
        return ""
    named = ", ".join(f"{m.place} ({m.per_cell / whole:.0%} of the molecules)" for m in parts)
    are = "is" if len(parts) == 1 else "are"
    return f"Counts are taken from {best.place}; {named} {are} not in it."
