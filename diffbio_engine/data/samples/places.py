"""Which matrices several samples have in common, of the same kind of values."""

from collections.abc import Sequence

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.matrix.matrix_preview import BINARY, RAW, UNKNOWN
from diffbio_engine.data.samples.facts import Facts


def places_joined(
    datasets: list[Dataset], mains: Sequence[str], facts: Sequence[Facts]
) -> tuple[list[str], list[str]]:
    """The matrices that are joined, X first, and what is said of those that are left out."""
    others = [[p for p in d.places if p != main] for d, main in zip(datasets, mains, strict=True)]
    if len(set(mains)) > 1 or "X" not in mains:
        # A layer of one is the X of another; and X itself is no longer what it was.
        every = sorted({p for o in others for p in o})
        kept = [] if len(set(mains)) > 1 else [p for p in _in_all(others) if p != "X"]
        left = [p for p in every if p not in kept]
        said = [f"Left out beside the counts: {', '.join(left)}."] if left else []
    else:
        kept, said = _in_all(others), []
        if left := sorted({p for o in others for p in o if p not in kept}):
            said.append(f"{', '.join(left)} is not in all samples and was left out.")
    # Of few cells, counts may be zeros and ones.
    held = {p: {f.holds_at(p).replace(BINARY, RAW) for f in facts} - {UNKNOWN} for p in kept}
    for place in (p for p in kept if len(held[p]) > 1):
        told = " and ".join(sorted(held[place]))
        said.append(f"{place} holds {told} in different samples and was left out.")
    return ["X", *[p for p in kept if len(held[p]) < 2]], said


def _in_all(places: list[list[str]]) -> list[str]:
    return [p for p in places[0] if all(p in o for o in places)]
