"""What a person does to a pipeline document, each as a function from document to document."""

import itertools
import re
from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any

from app.geometry.layout import COLUMN, DATA_HEIGHT, free_place
from app.geometry.placement import with_room
from diffbio_engine.declare import Declaration, Port, find_operator
from diffbio_engine.errors import PipelineError, UserError
from diffbio_engine.pipelines import DataPort, check_wire
from diffbio_engine.pipelines.spec import DATA, Block, PipelineSpec, Wire
from diffbio_engine.pipelines.usual_wires import giving, usual_source
from diffbio_engine.ports import (
    DATA_BLOCKS,
    Address,
    DialName,
    field_of,
    start_of,
)

# -- wires ---------------------------------------------------------------------------------------


def wire_problem(
    spec: PipelineSpec, data: dict[str, DataPort], source: str, target: str
) -> UserError | None:
    """Why this wire cannot be drawn; None if it can."""
    source_block, target_block = Address.parse(source).block, Address.parse(target).block
    declared = _declared(spec)
    try:
        check_wire(Wire(source, target), declared, data)
        if Wire(source, target) in (replace(w, stop_gradient=False) for w in spec.wires):
            raise PipelineError("has this wire already.", where=target)
        taken = next((w for w in spec.wires if w.target == target), None)
        if taken:
            raise PipelineError(
                f"already gets {taken.source}.", fix="Remove that wire first.", where=target
            )
        if source_block == target_block or source_block in _downstream(spec, target_block):
            raise PipelineError(
                f"would get its own result back: {source_block} comes after {target_block}.",
                fix="Wire an earlier block into it.",
                where=target,
            )
    except UserError as error:
        return error
    return None


def with_wire(spec: PipelineSpec, source: str, target: str) -> PipelineSpec:
    """The document with one more wire, unchecked."""
    return replace(spec, wires=(*spec.wires, Wire(source, target)))


def with_gradient(spec: PipelineSpec, source: str, target: str, stop: bool) -> PipelineSpec:
    """The document with the gradient of one wire stopped or let through."""
    wires = tuple(
        replace(w, stop_gradient=stop) if (w.source, w.target) == (source, target) else w
        for w in spec.wires
    )
    return replace(spec, wires=wires)


def _downstream(spec: PipelineSpec, block: str) -> set[str]:
    found, waiting = set(), [block]
    while waiting:
        here = waiting.pop()
        for wire in spec.wires:
            after = wire.end.block
            if wire.start.block == here and after not in found:
                found.add(after)
                waiting.append(after)
    return found


def _declared(spec: PipelineSpec) -> dict[str, Declaration]:
    return {b.id: find_operator(b.operator) for b in spec.blocks}


# -- blocks --------------------------------------------------------------------------------------


def new_id(spec: PipelineSpec, operator: str) -> str:
    """A free block id, from the operator's name: ``soft_kmeans``, ``soft_kmeans_2``."""
    stem = (
        re.sub(r"[^a-z0-9_]+", "_", operator.rsplit(".", 1)[-1].lower()).strip("_")[:36] or "block"
    )
    taken = {b.id for b in spec.blocks} | set(DATA_BLOCKS)
    names = itertools.chain([stem], (f"{stem}_{n}" for n in itertools.count(2)))
    return next(name for name in names if name not in taken)


def with_block(
    spec: PipelineSpec,
    operator: str,
    place: tuple[float, float] | None,
    data: dict[str, DataPort],
) -> tuple[PipelineSpec, str]:
    """The document with a new block, wired where its declaration leaves no doubt; and its id."""
    declared = find_operator(operator)
    block_id = new_id(spec, declared.id)
    x, y = place or free_place(spec)
    layout = {DATA: (float(x - COLUMN), float(y)), **spec.layout, block_id: (float(x), float(y))}
    spec = replace(spec, blocks=(*spec.blocks, Block(block_id, declared.id)), layout=layout)
    # Where a hand has dropped it, it moves only a little out of the way of wires.
    spec = with_room(_wired(spec, block_id, data), [block_id], data, per_wire=150 if place else 300)
    return spec, block_id


def with_data_block(
    spec: PipelineSpec,
    block: str,
    place: tuple[float, float] | None = None,
    data: Iterable[str] = (),
) -> PipelineSpec:
    """The document with a block that stands for a data set: where it is wished, or in its column.

    Args:
        data: The fields that data sets offer; decide how tall their blocks are.
    """
    if place is not None:
        x, y = place
    elif block == DATA:
        x, y = min(spec.layout.values(), default=(COLUMN, 0.0))
        x -= COLUMN
    else:
        x, y = spec.layout.get(DATA, (0.0, 0.0))
        y += DATA_HEIGHT
    above = {DATA: (float(x), float(y) - DATA_HEIGHT)}
    spec = replace(spec, layout={**above, **spec.layout, block: (float(x), float(y))})
    return spec if block == DATA else with_room(spec, [block], data, per_wire=0)


def _wired(spec: PipelineSpec, new: str, data: dict[str, DataPort]) -> PipelineSpec:
    """Wires that suggest themselves: into the new block, then from it into waiting inputs."""
    declared = _declared(spec)
    for port in declared[new].inputs:
        source = None if port.drawn else _suggested(spec, declared, new, port, data)
        if source and wire_problem(spec, data, source, f"{new}.{port.name}") is None:
            spec = with_wire(spec, source, f"{new}.{port.name}")
    wired = {w.target for w in spec.wires}
    for block in spec.blocks:
        for port in declared[block.id].inputs:
            target = Address(block.id, port.name)
            found = [giving(role, declared) for role in port.after]
            source = next((f[0] for f in found if len(f) == 1 and f[0].block == new), None)
            if source is None or target in wired or block.id == new:
                continue
            if wire_problem(spec, data, source, target) is None:
                spec = with_wire(spec, source, target)
    return spec


def _suggested(
    spec: PipelineSpec,
    declared: dict[str, Declaration],
    new: str,
    port: Port,
    data: dict[str, DataPort],
) -> str | None:
    others = {b: d for b, d in declared.items() if b != new}
    if source := usual_source(port, others):
        return source
    # An input `reference_profiles` takes `reference.profiles`; one that can do without is left.
    of_others = {start.replace(".", "_"): field_of(start) for start in map(start_of, data)}
    other = "" if port.optional else of_others.get(port.name, "")
    return next((start_of(n) for n in (other, port.name, *port.also) if n in data), None)


def without(
    spec: PipelineSpec, blocks: Collection[str] = (), wires: Collection[tuple[str, str]] = ()
) -> PipelineSpec:
    """The document without these blocks (their wires, weights and outputs too) and wires."""

    def gone(address: str) -> bool:
        return Address.parse(address).block in blocks

    return replace(
        spec,
        blocks=tuple(b for b in spec.blocks if b.id not in blocks),
        wires=tuple(
            w
            for w in spec.wires
            if not gone(w.source) and not gone(w.target) and (w.source, w.target) not in wires
        ),
        outputs={n: p for n, p in spec.outputs.items() if not gone(p)},
        weights={p: w for p, w in spec.weights.items() if not gone(p)},
        training=_training_without(spec.training, set(blocks)),
        layout={b: p for b, p in spec.layout.items() if b not in blocks},
    )


def _training_without(training: dict[str, Any], blocks: set[str]) -> dict[str, Any]:
    """Stages and schedules that name these blocks no more."""
    if not blocks:
        return training
    stages = []
    for stage in training.get("stages", ()):
        kept = dict(stage)
        for name in ("learns", "prepare"):
            if kept.get(name) is not None:
                kept[name] = [b for b in kept[name] if b not in blocks]
        weights = kept.get("weights") or {}
        if weights:
            kept["weights"] = {
                p: w for p, w in weights.items() if Address.parse(p).block not in blocks
            }
        stages.append(kept)
    changed = dict(training)
    if stages:
        changed["stages"] = stages
    if training.get("schedules"):
        schedules = training["schedules"].items()
        changed["schedules"] = {
            d: s for d, s in schedules if DialName(d).address.block not in blocks
        }
    return changed


def with_copies(spec: PipelineSpec, blocks: Iterable[str]) -> tuple[PipelineSpec, list[str]]:
    """The document with copies of some blocks and of the wires among them; and the new ids."""
    kept = set(blocks)
    return with_pasted(spec, without(spec, [b.id for b in spec.blocks if b.id not in kept]), 48.0)


def with_pasted(
    spec: PipelineSpec, copied: PipelineSpec, shift: float
) -> tuple[PipelineSpec, list[str]]:
    """The document with the blocks and wires of another one; and the new ids."""
    names: dict[str, str] = {}
    for block in copied.blocks:
        new = names[block.id] = new_id(spec, block.operator)
        x, y = copied.layout.get(block.id, (0.0, 0.0))
        spec = replace(
            spec,
            blocks=(*spec.blocks, replace(block, id=new)),
            layout={**spec.layout, new: (x + shift, y + shift)},
        )
    for wire in copied.wires:
        (a, out), (b, into) = wire.start.parts, wire.end.parts
        ends = Address(names.get(a, a), out), Address(names[b], into)
        copy = replace(wire, source=ends[0], target=ends[1])
        spec = replace(spec, wires=(*spec.wires, copy))
    weights: dict[str, float] = {}
    for name, weight in copied.weights.items():
        port = Address.parse(name)
        weights[Address(names[port.block], port.port)] = weight
    spec = replace(spec, weights={**spec.weights, **weights})
    return with_room(spec, names.values(), per_wire=0), list(names.values())
