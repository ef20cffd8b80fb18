"""What a result cannot say of a cell: it has no counts, or no time."""

import numpy as np

from diffbio_engine.data import Records
from diffbio_engine.declare import Kind
from diffbio_engine.pipelines import Pipeline
from diffbio_engine.pipelines.spec import DATA
from diffbio_engine.ports import Address


def without_unknown(pipeline: Pipeline, cells: Records, values: dict[str, np.ndarray]) -> list[str]:
    """What cannot be known of a cell is NaN, and said.

    A cell without counts belongs to no cluster and no type; of one without a time, nothing is known
    that follows from times.
    """
    plan = pipeline.plan
    ports = {p: plan.port(p) for p in values if plan.port(p).per_record}
    shares = [p for p, port in ports.items() if port.kind is Kind.SHARES]
    times = cells.per_cell.get("time_points")
    timed = {
        b.id
        for b in plan.blocks.values()
        if any(w.source == f"{DATA}.time_points" for w in b.sources.values())
    }
    notes = []
    if shares and (n := int(cells.empty.sum())):
        _blank(values, shares, cells.empty)
        lacking = "no counts in these genes" if cells.counts is not None else "no letters"
        notes.append(
            f"{n:,} of {cells.n_cells:,} cells have {lacking}: they are in no cluster, and of no"
            " type."
        )
    if times is not None and (times < 0).any():
        _blank(values, [p for p in ports if Address.parse(p).block in timed], times < 0)
    return notes


def _blank(values: dict[str, np.ndarray], ports: list[str], rows: np.ndarray) -> None:
    for port in ports:
        values[port] = np.array(values[port], float, copy=True)
        values[port][rows] = np.nan
