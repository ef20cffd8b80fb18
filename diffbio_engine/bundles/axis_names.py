"""What lies along the axes of a block: names that the data gave, found by following the wires."""

import itertools

from diffbio_engine.data import Records
from diffbio_engine.declare import numbered
from diffbio_engine.pipelines import Plan

# Axes that lie between the members of another: from each time, or slice, to the next.
_BETWEEN = {"intervals": "times", "steps": "slices"}


def names_along(plan: Plan, cells: Records, block: str, axis: str, length: int) -> list[str]:
    """What lies along an axis of a block: found by following its wires to the data."""
    if axis in _BETWEEN:
        ends = names_along(plan, cells, block, _BETWEEN[axis], length + 1)
        return [f"{a} → {b}" for a, b in itertools.pairwise(ends)]
    planned = plan.blocks[block]
    for port in planned.declared.inputs:
        wire = planned.sources.get(port.name)
        if wire is None or axis not in (port.classes, *port.axis_names):
            continue
        if wire.from_data:
            found = cells.label_names.get(wire.field, []) or list(cells.names.get(axis, ()))
        else:
            given = plan.port(wire.source)
            theirs = given.classes or dict(
                zip(port.axis_names, given.axis_names, strict=False)
            ).get(axis, "")
            found = names_along(plan, cells, wire.start.block, theirs, length) if theirs else []
        if len(found) == length:
            return list(found)
    return numbered(axis, length)
