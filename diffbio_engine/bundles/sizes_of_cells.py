"""By which totals a pipeline brings cells to one size, in words, and where new files have them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from diffbio_engine.data import Dataset, Records
from diffbio_engine.data.sampling.cell_totals import OVER_ALL_GENES, TOTAL_COUNTS
from diffbio_engine.declare import Kind
from diffbio_engine.pipelines import Pipeline, Plan
from diffbio_engine.pipelines.plan import PlannedBlock
from diffbio_engine.pipelines.spec import DATA
from diffbio_engine.ports import Place

_OF_DATA = f"{DATA}.{TOTAL_COUNTS}"


def told_of_sizes(pipeline: Pipeline, cells: Records) -> list[str]:
    """Which genes were trained on, and of which counts levels per 10,000 are in which blocks."""
    notes = [] if cells.chosen is None else [cells.chosen.sentence]
    columns, n_all = cells.columns, cells.of_all_genes.n_genes
    if columns is None or (n_all == cells.n_genes and (columns >= 0).all()):
        return notes  # all genes are seen: their sum is the total
    plan = pipeline.plan
    blocks = [b for b in plan.blocks.values() if _divides(plan, b)]
    with_totals = [b.id for b in blocks if _totals(b) == _OF_DATA]
    without = [b.id for b in blocks if not _totals(b)]
    if with_totals:
        middle = float(np.median(cells.per_cell[TOTAL_COUNTS]))
        notes.append(
            f"Counts per 10,000 in {', '.join(with_totals)} are per 10,000 of all counts of a cell"
            f" (median {middle:,.0f}), not only of those of the {cells.n_genes:,} genes trained on."
        )
    if without:
        notes.append(
            f"Counts per 10,000 in {', '.join(without)} are per 10,000 counts of the"
            f" {cells.n_genes:,} genes trained on, not of all {n_all:,}. For levels of all genes"
            f" wire {TOTAL_COUNTS} of the data block into {', '.join(without)} and train again."
        )
    return notes


def _divides(plan: Plan, block: PlannedBlock) -> bool:
    """Whether the block gets counts and divides them by the totals of the cells."""
    kinds = {plan.port(wire.source).kind for wire in block.sources.values()}
    return block.declared.make.takes_totals(block.config) and Kind.COUNTS in kinds


def _totals(block: PlannedBlock) -> str:
    """From where the block has totals; empty if from nowhere."""
    wire = block.sources.get(TOTAL_COUNTS)
    return wire.source if wire else ""


def place_in_new_file(
    dataset: Dataset, chosen: Mapping[str, str], facts: Mapping[str, Any], n_genes: int
) -> tuple[str, list[str]]:
    """Where a new file has the totals, and what to know of that.

    Args:
        chosen: Places by field: of training, or as a person says for this file.
        facts: Of the field, in the bundle.
        n_genes: How many genes the new file has.
    """
    place, notes = chosen.get(TOTAL_COUNTS, OVER_ALL_GENES), []
    if Place.parse(place).table == "obs" and Place.parse(place).name not in dataset.obs.columns:
        notes.append(
            f"The new file has no {place}: total counts of its cells are the sums over its genes."
        )
        place = OVER_ALL_GENES
    of_genes = facts.get("of_genes")
    if place == OVER_ALL_GENES and of_genes and of_genes != n_genes:
        notes.append(
            f"Total counts of cells are over the {n_genes:,} genes of the new file; in training"
            f" they were over {of_genes:,}. With far fewer, levels come out too high."
        )
    return place, notes


def silent_pairs(
    pairs: np.ndarray, there: np.ndarray, what: str = "ligand-receptor pairs"
) -> list[str]:
    """How many known pairs need a trained gene that the new file lacks, in words.

    Args:
        pairs: Positions of genes, (pairs, members), -1 where there is none.
        there: Whether each trained gene is in the new file.
    """
    positions = np.asarray(pairs).reshape(len(pairs), -1)
    lost = int(((positions >= 0) & ~there[np.maximum(positions, 0)]).any(axis=1).sum())
    if not lost:
        return []
    return [
        f"{lost:,} of {len(positions):,} {what} need a gene that the new file lacks: they count as"
        " not expressed, and say nothing."
    ]
