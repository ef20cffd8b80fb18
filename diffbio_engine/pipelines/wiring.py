"""Wires looked at: names, kinds, two into one input, circles."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from diffbio_engine.declare import TOTAL_COUNTS, Declaration, Port, find_operator
from diffbio_engine.errors import PipelineError, UserError, did_you_mean
from diffbio_engine.pipelines.spec import PipelineSpec, Wire
from diffbio_engine.ports import (
    DATA,
    DATA_BLOCKS,
    field_of,
    offer_of,
    port_of_field,
    start_of,
)


@dataclass(frozen=True)
class DataPort:
    """A field of the data: its shape without the cells axis, its kind, its number of classes.

    ``shape`` is what one cell has for a per-cell field, and the whole shape for a field of the
    data set as a whole (``ambient_profile``).
    """

    port: Port
    shape: tuple[int, ...]
    n_classes: int = 0

    @classmethod
    def named(cls, name: str, *shape: int, n_classes: int = 0) -> "DataPort":
        """The field of this name, as a block that stands for a data set offers it."""
        port = port_of_field(name)
        if port is None:
            start = start_of(name)
            block = DATA_BLOCKS.get(start.block, DATA_BLOCKS[DATA])
            raise PipelineError(
                f"{block.one.capitalize()} has no field '{start.port}'.",
                fix=did_you_mean(start.port, block.ports),
                where=block.id,
            )
        return cls(port, shape, n_classes)


def declarations_of(spec: PipelineSpec, problems: list[UserError]) -> dict[str, Declaration]:
    """The declaration of each block; problems are added to the list."""
    found: dict[str, Declaration] = {}
    for block in spec.blocks:
        try:
            declared = find_operator(block.operator)
        except UserError as error:
            problems.append(PipelineError(error.what, fix=error.fix, where=block.id))
            continue
        if block.id in found:
            problems.append(
                PipelineError(
                    f"Two blocks are called '{block.id}'.", fix="Rename one.", where=block.id
                )
            )
        found[block.id] = declared
    if not spec.blocks:
        problems.append(
            PipelineError("The pipeline has no blocks.", fix="Drag one from the palette.")
        )
    return found


def wires_by_input(
    spec: PipelineSpec,
    declared: dict[str, Declaration],
    data: dict[str, DataPort],
    problems: list[UserError],
) -> dict[str, dict[str, Wire]]:
    """For each block, the wire into each of its inputs; problems are added to the list.

    Arrays without ``total_counts`` (in a notebook) need no other document: the blocks then take the
    sum of the genes that they are given.
    """
    sources: dict[str, dict[str, Wire]] = {b: {} for b in declared}
    absent = f"{DATA}.{TOTAL_COUNTS.name}" if TOTAL_COUNTS.name not in data else ""
    for wire in spec.wires:
        if wire.source == absent:
            continue
        try:
            check_wire(wire, declared, data)
            block_id, port = wire.end.parts
            if port in sources[block_id]:
                raise PipelineError(
                    f"has two wires, from {sources[block_id][port].source} and {wire.source}.",
                    fix="Remove one.",
                    where=wire.target,
                )
            sources[block_id][port] = wire
        except UserError as error:
            problems.append(error)
    return sources


def check_wire(
    wire: Wire, declared: Mapping[str, Declaration], data: Mapping[str, DataPort]
) -> None:
    """Whether this wire can be, looked at alone; a ``PipelineError`` says why not."""
    target_block, target_name = wire.end.parts
    source_block, source_name = wire.start.parts
    if target_block not in declared:
        raise PipelineError(
            f"A wire ends at '{wire.target}', where there is no block.",
            fix=did_you_mean(target_block, declared) or "Remove the wire.",
            where=target_block,
        )
    inputs = {p.name: p for p in declared[target_block].inputs if not p.drawn}
    if target_name not in inputs:
        raise PipelineError(
            f"has no input '{target_name}'.",
            fix=did_you_mean(target_name, inputs) or f"Its inputs are {', '.join(inputs)}.",
            where=target_block,
        )
    if source_block in DATA_BLOCKS:
        if field_of(wire.start) not in data:
            raise _not_offered(wire, data)
        source = data[field_of(wire.start)].port
    elif source_block in declared:
        outputs = {p.name: p for p in declared[source_block].outputs}
        if source_name not in outputs:
            raise PipelineError(
                f"has no output '{source_name}'.",
                fix=did_you_mean(source_name, outputs) or f"It has {', '.join(outputs)}.",
                where=source_block,
            )
        source = outputs[source_name]
    else:
        raise PipelineError(
            f"is wired to '{wire.source}', where there is no block.",
            fix=did_you_mean(source_block, declared) or "Remove the wire.",
            where=wire.target,
        )
    target = inputs[target_name]
    if not target.accepts(source) or len(target.axis_names) != len(source.axis_names):
        raise PipelineError(
            f"needs {target.kind} ({target.axes}); {wire.source} is {source.kind}"
            f" ({source.axes or 'one number'}).",
            fix=f"Wire an output of kind {' or '.join(target.accepted_kinds)} into it.",
            where=wire.target,
        )
    if not target.takes_records_of(source):
        assert target.record and source.record
        raise PipelineError(
            f"needs a row for each {target.record.one}; {wire.source} has one for each"
            f" {source.record.one}.",
            fix=f"Wire what is known of each {target.record.one} into it.",
            where=wire.target,
        )


def _not_offered(wire: Wire, data: Mapping[str, DataPort]) -> PipelineError:
    """Why a field that a data set does not offer cannot be wired, and where to say more."""
    block, field = DATA_BLOCKS[wire.start.block], field_of(wire.start)
    what = offer_of(field).lacking or repr(wire.start.port)
    said = f"needs {what}, which {block.one} does not offer."
    if not block.takes:
        fix = f"Choose where it lies (field '{field}') where the data set is opened."
        if port_of_field(field) is None:
            fix = did_you_mean(field, data)
    elif port_of_field(field) is not None:
        fix = f"Choose a data set as {block.one}, and where its {' and '.join(block.takes)} lie."
    else:
        said += f" It is another data set: none of its rows belongs to one of {DATA}."
        fix = f"Wire what is known of it as a whole: {', '.join(block.ports)}."
    return PipelineError(said, fix=fix, where=wire.end.block)


def running_order(
    declared: dict[str, Declaration],
    sources: dict[str, dict[str, Wire]],
    problems: list[UserError],
) -> Iterator[str]:
    """The blocks, each after those that feed it; a circle is added to the problems."""
    graph: dict[str, list[str]] = {b: [] for b in declared}
    for block_id, wires in sources.items():
        graph[block_id] = [w.start.block for w in wires.values() if not w.from_data]
    try:
        yield from TopologicalSorter(graph).static_order()
    except CycleError as error:
        circle = " -> ".join(reversed(error.args[1]))
        problems.append(
            PipelineError(
                f"The wires run in a circle: {circle}.",
                fix="Remove one of these wires.",
                where=error.args[1][0],
            )
        )
