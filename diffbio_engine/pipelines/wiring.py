"""Wires looked at: names, kinds, two into one input, circles."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from diffbio_engine.declare import DATA_PORTS, TOTAL_COUNTS, Declaration, Port, find_operator
from diffbio_engine.errors import PipelineError, UserError, did_you_mean
from diffbio_engine.pipelines.spec import DATA, PipelineSpec, Wire
from diffbio_engine.ports import offer_of


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
        """The field of this name, as the data set's block offers it."""
        if name not in DATA_PORTS:
            raise PipelineError(
                f"The data has no field '{name}'.", fix=did_you_mean(name, DATA_PORTS), where=DATA
            )
        return cls(DATA_PORTS[name], shape, n_classes)


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
    if source_block == DATA:
        if source_name not in data:
            raise PipelineError(
                f"needs {offer_of(source_name).lacking or repr(source_name)}, which the data does "
                "not offer.",
                fix=f"Choose where it lies (field '{source_name}') where the data set is opened."
                if source_name in DATA_PORTS
                else did_you_mean(source_name, data),
                where=target_block,
            )
        source = data[source_name].port
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
    if not target.accepts(source):
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


def running_order(
    declared: dict[str, Declaration],
    sources: dict[str, dict[str, Wire]],
    problems: list[UserError],
) -> Iterator[str]:
    """The blocks, each after those that feed it; a circle is added to the problems."""
    graph: dict[str, list[str]] = {b: [] for b in declared}
    for block_id, wires in sources.items():
        graph[block_id] = [w.start.block for w in wires.values() if w.start.block != DATA]
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
