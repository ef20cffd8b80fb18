"""Which samples hold the cells of another one: joined, each would be there twice."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from diffbio_engine.data.samples.facts import SKETCH, Facts
from diffbio_engine.data.samples.verdict import Verdict

# A raw matrix of 10x has every barcode there is.
_SAME_CELLS, _FEWEST_CELLS, _EVERY_BARCODE = 0.9, 2, 100_000
# By so many cells it is told that a sample is a part of another, of barcodes that both may have.
_FEWEST_OF_PART = 5


def judge_cells(samples: Sequence[tuple[str, Facts]], verdicts: list[Verdict]) -> None:
    """A sample that holds the cells of one before it cannot be joined, or is told of.

    Args:
        verdicts: Of each sample; changed.
    """
    for i, (own, facts) in enumerate(samples):
        for j, (name, other) in enumerate(samples[:i]):
            if not (verdicts[i].is_good and verdicts[j].is_good) or not _are_same(facts, other):
                continue
            few, many = (own, name) if facts.n_cells <= other.n_cells else (name, own)
            n = max(facts.n_cells, other.n_cells)
            if facts.cells_of_any:
                said = (
                    f"Its cells have the same names as those of {name}; they are taken for other"
                    " cells."
                )
                verdicts[i] = replace(verdicts[i], notes=(said,))
            elif n >= _EVERY_BARCODE:
                said = (
                    f"The barcodes of {few} are all among the {n:,} of {many}: if that is its raw"
                    " matrix, with empty droplets, leave it out; each cell would be there twice."
                )
                verdicts[i] = replace(verdicts[i], notes=(said,))
            else:
                same = _of_a_size(facts, other)
                said = f"It holds the same cells as {name}" if same else (
                    f"The cells of {few} are among those of {many}")  # fmt: skip
                verdicts[i] = Verdict(
                    f"{said}: joined, each would be there twice.",
                    "Leave one of the two out. Spots of two slides are called alike: if they are"
                    " spots, open both and say so under 'Rows are'.",
                )


def _of_a_size(one: Facts, other: Facts) -> bool:
    fewest, most = sorted((one.n_cells, other.n_cells))
    return fewest >= 0.5 * most


def _are_same(one: Facts, other: Facts) -> bool:
    """Whether nearly all cells of the smaller one are called as cells of the other."""
    few, many = sorted((one, other), key=lambda f: f.n_cells)
    part = not _of_a_size(few, many)
    if few.n_cells < _FEWEST_CELLS or few.n_cells >= _EVERY_BARCODE or (part and few.cells_of_any):
        return False
    # Up to the largest hash that is told of both, all hashes of both are told.
    told = [f.cells[-1] for f in (few, many) if len(f.cells) == SKETCH]
    mine = few.cells[few.cells <= min(told)] if told else few.cells
    if not len(many.cells) or len(mine) < (_FEWEST_OF_PART if part else _FEWEST_CELLS):
        return False
    at = np.minimum(np.searchsorted(many.cells, mine), len(many.cells) - 1)
    return bool((many.cells[at] == mine).mean() >= _SAME_CELLS)
