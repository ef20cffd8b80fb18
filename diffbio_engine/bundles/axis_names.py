"""What lies along the axes of a block: names that the data gave, found by following the wires."""

import itertools
from collections.abc import Mapping

import numpy as np

from diffbio_engine.data import Records
from diffbio_engine.declare import numbered
from diffbio_engine.pipelines import Plan, PlannedBlock
from diffbio_engine.ports import Address, Role

# Axes that lie between the members of another: from each time, or slice, to the next.
_BETWEEN = {"intervals": "times", "steps": "slices"}
# So many letters tell a state from the others.
_LETTERS = 3


def names_along(
    plan: Plan,
    cells: Records,
    block: str,
    axis: str,
    length: int,
    values: Mapping[str, np.ndarray] | None = None,
) -> list[str]:
    """What lies along an axis of a block: found by following its wires to the data.

    Args:
        values: By port, where the block tells by them what nothing else names: "state 1 (mean
            3.2)".
    """
    if axis in _BETWEEN:
        ends = names_along(plan, cells, block, _BETWEEN[axis], length + 1, values)
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
            found = (
                names_along(plan, cells, wire.start.block, theirs, length, values) if theirs else []
            )
        if len(found) == length:
            return list(found)
    return _told_apart(planned, axis, numbered(axis, length), cells, values or {})


def levels_of(plan: Plan) -> tuple[Address, ...]:
    """The ports that tell members of an axis apart."""
    return tuple(p for p in plan.ports() if plan.port(p).role == Role.LEVEL)


def _told_apart(
    block: PlannedBlock,
    axis: str,
    names: list[str],
    cells: Records,
    values: Mapping[str, np.ndarray],
) -> list[str]:
    """Numbered names with what their block says of each: its mean, the letters it has more of."""
    for port in block.declared.outputs:
        level = np.asarray(values.get(Address(block.id, port.name), ()))
        if port.role != Role.LEVEL or port.axis_names[0] != axis or len(level) != len(names):
            continue
        if level.ndim == 1:
            word = port.name.rpartition("_")[2].removesuffix("s")
            # What is left of a mean of zeros is no number to read.
            least = 1e-3 * float(np.abs(level).max())
            told = [f"{word} {x if abs(x) > least else 0:.3g}" for x in level]
        else:
            known = list(map(str, cells.names.get(port.axis_names[1], ())))
            told = [f"more {x}" if x else "" for x in _more_of(level, known)]
        return [f"{n} ({what})" if what else n for n, what in zip(names, told, strict=True)]
    return names


def _more_of(level: np.ndarray, letters: list[str]) -> list[str]:
    """The few letters of which each row has most beyond the mean of all rows."""
    if len(letters) != level.shape[1]:
        return [""] * len(level)
    beyond = level - level.mean(axis=0)
    best = np.argsort(-beyond, axis=1, kind="stable")[:, :_LETTERS]
    return [
        "".join(letters[i] for i in some if row[i] > 0)
        for row, some in zip(beyond, best, strict=True)
    ]
