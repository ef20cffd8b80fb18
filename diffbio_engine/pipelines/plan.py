"""The checked plan: every wire, kind and shape looked at before anything is computed."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from diffbio_engine.declare import (
    Config,
    Declaration,
    Kind,
    Port,
    axis_of,
    check_axes,
    find_operator,
)
from diffbio_engine.errors import PipelineError, UserError, did_you_mean
from diffbio_engine.pipelines.spec import Block, PipelineSpec, Wire
from diffbio_engine.pipelines.wiring import (
    DataPort,
    declarations_of,
    running_order,
    wires_by_input,
)
from diffbio_engine.ports import DATA_BLOCKS, Address, field_of

# Shapes are inferred for so many records; how many there are never enters a setting.
_NOMINAL_RECORDS = 64
# Kinds whose arrays are no real numbers.
_TYPES = {
    Kind.LABELS: jnp.int32,
    Kind.INDEX: jnp.int32,
    Kind.SEQUENCE: jnp.uint8,
    Kind.QUALITY: jnp.uint8,
}


@dataclass(frozen=True, eq=False)
class PlannedBlock:
    """A block whose settings, inputs and output shapes are known.

    Attributes:
        sources: For each wired input, the wire that feeds it.
        shapes: For each output, its shape with ``None`` for the axis of records.
    """

    id: str
    declared: Declaration
    config: Config
    learns: bool
    sources: dict[str, Wire]
    shapes: dict[str, tuple[int | None, ...]]


@dataclass(frozen=True, eq=False)
class Plan:
    """A pipeline that can be built: blocks in the order in which they run."""

    spec: PipelineSpec
    data: dict[str, DataPort]
    blocks: dict[str, PlannedBlock]

    @property
    def losses(self) -> dict[Address, float]:
        """Every loss of the objective, ``"block.port"``, with its weight."""
        return {
            (port := Address(b.id, p.name)): self.spec.weights.get(port, p.weight)
            for b in self.blocks.values()
            for p in b.declared.losses
        }

    @property
    def terms(self) -> tuple[Address, ...]:
        """What is told of each step: these losses, and those that simpler methods would have."""
        blocks = self.blocks.values()
        return tuple(Address(b.id, p.name) for b in blocks for p in b.declared.terms)

    @property
    def needs_all_records(self) -> bool:
        """Whether a block says nothing of some of the records: batches and chunks are all."""
        return any(b.declared.make.needs_all_records for b in self.blocks.values())

    def joins_records(self, blocks: Iterable[str]) -> bool:
        """Whether one of these blocks says of a record what follows from others beside it."""
        return any(self.blocks[b].declared.make.joins_records for b in blocks)

    @property
    def needed_fields(self) -> tuple[str, ...]:
        """The fields of data sets that a wire starts from; of another than the data by address."""
        used = {w.field for b in self.blocks.values() for w in b.sources.values() if w.from_data}
        return tuple(sorted(used))

    def port(self, name: str) -> Port:
        """The declaration of ``"block.port"``."""
        block_id, port_name = (address := Address.parse(name)).parts
        if block_id in DATA_BLOCKS:
            return self.data[field_of(address)].port
        return next(p for p in self.blocks[block_id].declared.outputs if p.name == port_name)

    def ports(self, *kinds: Kind) -> tuple[Address, ...]:
        """Every output port of these kinds (all kinds if none is named), in running order."""
        return tuple(
            Address(b.id, p.name)
            for b in self.blocks.values()
            for p in b.declared.outputs
            if p.name in b.shapes and (not kinds or p.kind in kinds)
        )

    def results_first(self, ports: tuple[str, ...]) -> tuple[str, ...]:
        """These ports, most final first: those the pipeline names as outputs, then the others by
        how many blocks stand before them (after a correction rather than beside it).
        """
        named = set(self.spec.outputs.values())
        return tuple(sorted(ports, key=lambda p: (p not in named, -len(self.ancestors((p,))))))

    def ancestors(self, ports: tuple[str, ...], given: frozenset[str] = frozenset()) -> set[str]:
        """The blocks that must run to know these ports when some ports are given."""
        needed: set[str] = set()
        open_ports = [p for p in ports if p not in given]
        while open_ports:
            block_id = Address.parse(open_ports.pop()).block
            if block_id in needed or block_id in DATA_BLOCKS:
                continue
            needed.add(block_id)
            wires = self.blocks[block_id].sources.values()
            open_ports += [w.source for w in wires if w.source not in given]
        return needed


def plan(spec: PipelineSpec, data: Mapping[str, DataPort]) -> Plan:
    """Checks names, wires, kinds, shapes and settings; finds the order.

    Raises:
        PipelineError: The first problem; ``all`` holds every one, each with its block and port.
    """
    problems: list[UserError] = []
    declared = declarations_of(spec, problems)
    sources = wires_by_input(spec, declared, dict(data), problems)
    # An input whose wire was refused is wired: what is wrong with it has been said.
    taken = {w.target for wires in sources.values() for w in wires.values()}
    refused = {w.target for w in spec.wires} - taken if problems else set()
    blocks: dict[str, PlannedBlock] = {}
    for block_id in running_order(declared, sources, problems):
        try:
            blocks[block_id] = _planned(
                spec.block(block_id), declared[block_id], sources[block_id], data, blocks, refused
            )
        except _UpstreamBroken:
            continue
        except UserError as error:
            problems.append(PipelineError(error.what, fix=error.fix, where=error.where))
    known = {Address(b.id, p) for b in blocks.values() for p in b.shapes}
    if not problems:
        floors = {
            Address(b.id, p.name): Address(b.id, p.floor_of)
            for b in blocks.values()
            for p in b.declared.terms
            if p.floor_of
        }
        problems += _unknown_ports(spec, known, floors)
    if problems:
        first = problems[0]
        raise PipelineError(first.what, fix=first.fix, where=first.where, all=tuple(problems))
    return Plan(spec, dict(data), blocks)


class _UpstreamBroken(Exception):
    """A block that feeds this one could not be planned, or its wire; that has been reported."""


def _planned(
    block: Block,
    declared: Declaration,
    sources: dict[str, Wire],
    data: Mapping[str, DataPort],
    done: dict[str, PlannedBlock],
    refused: set[str],
) -> PlannedBlock:
    shapes: dict[str, tuple[int, ...]] = {}
    classes: dict[str, int] = {}
    for port in declared.inputs:
        if port.name not in sources:
            if f"{block.id}.{port.name}" in refused:
                raise _UpstreamBroken
            if not port.optional:
                raise PipelineError(
                    "is not wired.",
                    fix=f"Wire {port.kind} into it.",
                    where=f"{block.id}.{port.name}",
                )
            continue
        source_block, source_name = sources[port.name].start.parts
        if source_block in DATA_BLOCKS:
            field = data[sources[port.name].field]
            lead = (_NOMINAL_RECORDS,) if field.port.per_record else ()
            shapes[port.name] = (*lead, *field.shape)
            if port.classes and field.n_classes:
                classes[port.classes] = field.n_classes
        elif source_block not in done:
            raise _UpstreamBroken
        else:
            shape = done[source_block].shapes[source_name]
            shapes[port.name] = tuple(_NOMINAL_RECORDS if n is None else n for n in shape)
            if port.classes and (n_classes := _classes_of(done[source_block], source_name)):
                classes[port.classes] = n_classes
    try:
        config = _sized(declared, block.config, shapes, classes)
        check_axes(declared.inputs, shapes, config)
        outputs = _output_shapes(declared.id, config, tuple(sorted(shapes.items())))
    except UserError as error:
        raise error.at(block.id) from None
    return PlannedBlock(block.id, declared, config, block.learns, sources, dict(outputs))


def _classes_of(block: PlannedBlock, output: str) -> int:
    """How many classes the labels that come out of a block can have; 0 if it does not say."""
    axis = next(p.classes for p in block.declared.outputs if p.name == output)
    sizes = (s.name for s in block.declared.settings if axis and s.axis == axis)
    return next((int(getattr(block.config, name)) for name in sizes), 0)


def _sized(
    declared: Declaration,
    values: dict[str, Any],
    shapes: dict[str, tuple[int, ...]],
    classes: dict[str, int],
) -> Config:
    """The configuration with every size read from the wires."""
    lengths = dict(classes)
    for port in declared.inputs:
        if port.name in shapes:
            lengths.update(zip(port.axis_names, shapes[port.name], strict=False))
    sizes = {s.name: lengths[s.axis] for s in declared.settings if s.axis in lengths}
    return declared.make.Config.from_dict({**values, **sizes})


@lru_cache(maxsize=512)
def _output_shapes(
    operator: str, config: Config, shapes: tuple[tuple[str, tuple[int, ...]], ...]
) -> tuple[tuple[str, tuple[int | None, ...]], ...]:
    """Output shapes by abstract evaluation; the axis of records is None."""
    declared = find_operator(operator)
    ports = {p.name: p for p in declared.inputs}
    arrays = {
        name: jax.ShapeDtypeStruct(shape, _TYPES.get(ports[name].kind, jnp.float32))
        for name, shape in shapes
    }

    def made_and_run(**arrays: jax.Array) -> dict[str, jax.Array]:
        return declared.make(config, rngs=nnx.Rngs(0)).run(arrays)

    outputs = jax.eval_shape(made_and_run, **arrays)
    found = []
    for port in declared.outputs:
        if port.name in outputs:
            names, shape = port.axis_names, outputs[port.name].shape
            sized = (None if axis_of(a).record else n for a, n in zip(names, shape, strict=True))
            found.append((port.name, tuple(sized)))
    return tuple(found)


def _unknown_ports(
    spec: PipelineSpec, known: set[Address], floors: Mapping[Address, Address]
) -> Iterator[UserError]:
    for public, port in spec.outputs.items():
        if port not in known:
            yield PipelineError(
                f"The output '{public}' comes from '{port}', which does not exist.",
                fix=did_you_mean(port, known),
                where=Address.parse(port).block,
            )
    for port in spec.weights:
        if port not in known:
            yield PipelineError(
                f"A weight is given to '{port}', which does not exist.",
                fix=did_you_mean(port, known),
                where=Address.parse(port).block,
            )
        elif (floor := Address.parse(port)) in floors:
            yield PipelineError(
                f"A weight is given to '{port}', which is what a simpler method would have and no"
                " term of the objective.",
                fix=f"Leave it out, or weigh '{floors[floor]}'.",
                where=Address.parse(port).block,
            )
