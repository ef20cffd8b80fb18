"""Spliced, unspliced and ambiguous counts, added up where a person wants all molecules."""

from functools import reduce

import numpy as np
import scipy.sparse as sp

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.inspection.counts_place import PARTS, counts_place, part_of
from diffbio_engine.data.matrix.in_memory import InMemory, Sample, Unread
from diffbio_engine.data.matrix.matrices import Matrix, taken
from diffbio_engine.data.matrix.matrix_preview import RAW, MatrixPreview, look, sampled
from diffbio_engine.data.reading import AS_IT_IS, Choice, Reading
from diffbio_engine.errors import DataError, did_you_mean

_TOTAL = "layers/total_counts"
# Counts with more of the molecules than this share hold the others already.
_ALL = 0.98


def offer_sums(dataset: Dataset, reading: Reading) -> None:
    """Offers spliced + unspliced (+ ambiguous) as counts, and adds them up where a person says so.

    Only where these layers hold counts, and no matrix holds their sum already. The sum is the layer
    ``total_counts``, which is then suggested as the counts.
    """
    named = {part: p for p in dataset.places if (part := part_of(p))}
    if not {"spliced", "unspliced"} <= set(named):
        if reading.molecules not in ("", AS_IT_IS):
            raise _nothing_to_add(dataset, reading.molecules, [])
        return
    looks = _looks(dataset)
    parts = {p: looks[n] for p, n in named.items() if n in looks and looks[n].holds == RAW}
    base = counts_place(looks.values())[0]
    sums = [
        " + ".join(some)
        for some in (PARTS[:2], PARTS)
        if all(p in parts for p in some)
        and (
            base not in looks
            or looks[base].per_cell < _ALL * sum(parts[p].per_cell for p in some)
        )
    ]  # fmt: skip
    wanted = reading.molecules
    if wanted not in ("", AS_IT_IS, *sums):
        raise _nothing_to_add(dataset, wanted, sums)
    if not sums:
        return
    possible = ((AS_IT_IS, f"those of {base}" if base else "none"), *((s, s) for s in sums))
    why = "" if wanted else "of nuclei, unspliced molecules count too"
    choice = Choice("molecules", "Which molecules count", wanted or AS_IT_IS, possible, why)
    dataset.choices = (*dataset.choices, choice)
    if wanted not in sums:
        return
    added = wanted.split(" + ")
    place, n = _TOTAL, 2
    while place in dataset.places:
        place, n = f"{_TOTAL}_{n}", n + 1
    dataset.add_matrix(place, _sum([dataset.stored(named[p]) for p in added]))
    before = f"; {base} alone has {looks[base].per_cell:,.0f}" if base in looks else ""
    dataset.warnings.append(
        f"The counts are {wanted}, as you said, added up in {place} "
        f"({sum(parts[p].per_cell for p in added):,.0f} molecules a cell{before})."
    )


def _looks(dataset: Dataset) -> dict[str, MatrixPreview]:
    found = {}
    for place in dataset.places:
        try:
            found[place] = look(place, dataset.stored(place))
        except DataError:
            continue
    return found


def _sum(matrices: list[Matrix]) -> Unread:
    def load() -> sp.csr_matrix:
        read = [taken(m, False) for m in matrices]
        return reduce(lambda a, b: a + b, [m.load() for m in read if isinstance(m, InMemory)])

    def sample() -> Sample:
        some = [sampled(m) for m in matrices]
        rows = [s.rows for s in some]
        if all(s.whole_rows and s.rows.shape == rows[0].shape for s in some):
            return Sample(reduce(lambda a, b: a + b, rows), some[0].looked)
        # Of files in text other cells were seen of each: values tell what is in them all the same.
        zeros = float(np.prod([s.zeros or 0.0 for s in some]))
        values = sp.csr_matrix(np.concatenate([r.data for r in rows])[None])
        return Sample(values, f"of the first, {some[0].looked}", False, zeros)

    n_values = sum(m.n_bytes for m in matrices) // 8
    return Unread(matrices[0].shape, load, sample, stored="sum of layers", n_values=n_values)


def _nothing_to_add(dataset: Dataset, wanted: str, sums: list[str]) -> DataError:
    there = f"there is {', '.join([AS_IT_IS, *sums])}" if sums else "nothing can be added up in it"
    return DataError(
        f"'{wanted}' cannot be counted in {dataset.name}; {there}.",
        fix=did_you_mean(wanted, sums) or "Choose one of these, or leave it out.",
        where="molecules",
    )
