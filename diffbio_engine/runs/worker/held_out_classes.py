"""How often classes are right for records that were not trained on, in words."""

import numpy as np

from diffbio_engine.data import Records
from diffbio_engine.declare import Kind
from diffbio_engine.pipelines import Pipeline, PlannedBlock, values_of_cells
from diffbio_engine.ports import DATA, Address


def right_of_held_out(pipeline: Pipeline, cells: Records, rows: np.ndarray) -> list[str]:
    """A sentence for each block whose classes these records can judge.

    Args:
        rows: The held-out records.
    """
    judged = {b.id: ports for b in pipeline.plan.blocks.values() if (ports := _classes_of(b))}
    if not judged or not len(rows):
        return []
    wanted = tuple(Address(block, said) for block, (_, said) in judged.items())
    values = values_of_cells(pipeline, cells, wanted, rows=rows)
    found = []
    for port, (field, _) in zip(wanted, judged.values(), strict=True):
        truth = cells.rows(field, rows)
        known = truth >= 0
        n = int(known.sum())
        if not n:
            continue
        right = int((values[port][known] == truth[known]).sum())
        trained = np.delete(cells.rows(field, np.arange(cells.n)), rows)
        usual = np.bincount(trained[trained >= 0], minlength=1).argmax()
        by_chance = int((truth[known] == usual).sum())
        title = pipeline.plan.blocks[port.block].declared.title
        found.append(
            f"{title}: the class is right for {right:,} of {n:,} cells ({right / n:.0%}) with a"
            " known label that were not trained on; always saying the most frequent one is right"
            f" for {by_chance:,}. They also chose which weights are kept, which flatters a little."
        )
    return found


def _classes_of(block: PlannedBlock) -> tuple[str, str] | None:
    """The field of the data with the classes, and the output that says them."""
    if not block.declared.make.learns_classes:
        return None
    for port in block.declared.inputs:
        wire = block.sources.get(port.name)
        if port.kind != Kind.LABELS or wire is None or wire.start.block != DATA:
            continue
        for said in block.declared.outputs:
            if said.kind == Kind.LABELS and said.classes == port.classes:
                return wire.start.port, said.name
    return None
