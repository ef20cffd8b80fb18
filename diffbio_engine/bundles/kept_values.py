"""What a pipeline computed, in the form in which a result file keeps it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from diffbio_engine.axes import axis_of
from diffbio_engine.bundles.axis_names import names_along
from diffbio_engine.data import Records, made_unique
from diffbio_engine.data.writers.h5ad import PROBABILITIES, likeliest
from diffbio_engine.data.writers.small_p_values import with_small_p_values
from diffbio_engine.data.writers.states_file import States
from diffbio_engine.declare import Kind
from diffbio_engine.pipelines import Pipeline, PlannedBlock
from diffbio_engine.ports import Address, Place, Role

# What is scored of each cell along these axes is looked up by name.
_TABLES = frozenset({"pairs", "pathways", "regulators"})


def tell_small_p_values(pipeline: Pipeline, values: dict[str, Any]) -> None:
    """In 64 bits, as no spreadsheet or program would do with less: below 1e-38 all would be 0."""
    for block in pipeline.plan.blocks.values():
        ports = {p.role: f"{block.id}.{p.name}" for p in block.declared.outputs if p.role}
        told = [ports.get(r, "") for r in (Role.STATISTIC, Role.CHANCE, Role.DISCOVERY)]
        if all(port in values for port in told):
            stat, chance, adjusted = (np.atleast_2d(values[port]) for port in told)
            # Of several groups, each by itself.
            rows = [with_small_p_values(*row) for row in zip(stat, chance, adjusted, strict=True)]
            shape = np.shape(values[told[0]])
            found = (np.reshape(p, shape) for p in zip(*rows, strict=True))
            values |= dict(zip(told[1:], found, strict=True))


def as_kept(pipeline: Pipeline, cells: Records, name: str, values: Mapping[str, np.ndarray]) -> Any:
    """A call as yes or no; a table of things that have names as a table with these names."""
    port, value = pipeline.plan.port(name), values[name]
    if port.call:
        return value > 0.5
    if port.kind == Kind.LABELS and len(port.axis_names) > 1:
        block = pipeline.plan.blocks[Address.parse(name).block]
        n = _length(block, port.classes) or int(value.max()) + 1
        told = names_along(pipeline.plan, cells, block.id, port.classes, n, values)
        return States(value, tuple(told))
    if Place.parse(port.result).table == "varm":
        value, axis = value.T, port.axis_names[0]
    elif port.per_record and port.axis_names[-1] in _TABLES:
        value, axis = value.astype(np.float32), port.axis_names[-1]
    else:
        return value
    names = names_along(pipeline.plan, cells, Address.parse(name).block, axis, value.shape[1])
    # HDF5 has no column of a name with a slash in it.
    names = [name.replace("/", "|") for name in names]
    columns = made_unique(pd.Index(names)).rename(axis_of(axis).one)
    return pd.DataFrame(value, columns=columns)


def _length(block: PlannedBlock, axis: str) -> int:
    """How long an axis of a block is, by its outputs; 0 if none has it."""
    return next(
        (
            int(block.shapes[port.name][port.axis_names.index(axis)] or 0)
            for port in block.declared.outputs
            if port.name in block.shapes and axis in port.axis_names
        ),
        0,
    )


def likeliest_classes(
    pipeline: Pipeline,
    cells: Records,
    places: Mapping[str, str],
    values: Mapping[str, np.ndarray],
) -> dict[str, Any]:
    """Beside ``obsm/cell_type_prob`` also ``obs/cell_type``: the likeliest class, by its name."""
    found: dict[str, Any] = {}
    for port, place in places.items():
        if not place.endswith("_prob") or place == PROBABILITIES:  # clusters: see `write_result`
            continue
        block, axis = Address.parse(port).block, pipeline.plan.port(port).axis_names[-1]
        names = names_along(pipeline.plan, cells, block, axis, values[port].shape[1])
        name = Place.parse(place).name.removesuffix("_prob")
        found[f"obs/{name}"] = pd.Categorical.from_codes(likeliest(values[port]), names)
    return found
