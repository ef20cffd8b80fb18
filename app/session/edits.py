"""What a person does to a pipeline document, each as a function from document to document."""

import itertools
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from app.geometry.layout import COLUMN, free_place
from app.geometry.placement import with_room
from app.session.dataset_card import DatasetCard
from diffbio_engine.declare import DATA_PORTS, Declaration, Port, find_operator
from diffbio_engine.errors import PipelineError, UserError
from diffbio_engine.pipelines import DataPort, check_wire
from diffbio_engine.pipelines.spec import DATA, Block, PipelineSpec, Wire
from diffbio_engine.pipelines.usual_wires import giving, usual_source
from diffbio_engine.ports import (
    DATA_BLOCKS,
    Address,
    DialName,
    Place,
    field_of,
    offered_beside,
    port_of_field,
    start_of,
)

_BEFORE_A_DATASET = ("counts", "batch_labels")
NO_OTHER: Mapping[str, DatasetCard] = {}


def data_ports(
    dataset: DatasetCard | None,
    spec: PipelineSpec,
    beside: Mapping[str, DatasetCard] = NO_OTHER,
) -> dict[str, DataPort]:
    """The fields that data blocks offer: the data sets' own, or usual ones before there is one.

    Args:
        dataset: Of the block ``data``.
        beside: Other data sets, by the block that stands for each.
    """
    ports = _of_data(dataset, spec)
    n_genes = (dataset and dataset.n_genes) or 2000
    for block in spec.data_blocks:
        if block != DATA:
            card = beside.get(block)
            ports |= _of_other(block, card, n_genes)
    return ports


def _of_data(dataset: DatasetCard | None, spec: PipelineSpec) -> dict[str, DataPort]:
    if dataset is not None:
        return {n: _measured(n, dataset) for n in dataset.fields if n in DATA_PORTS}
    used = [w.field for w in spec.wires if w.from_data]
    names = dict.fromkeys([*_BEFORE_A_DATASET, *used])
    return {n: _supposed(n) for n in names if n in DATA_PORTS}


def _of_other(block: str, card: DatasetCard | None, n_genes: int) -> dict[str, DataPort]:
    """What a second data set tells over the genes of the data; its usual ports before there is one.

    Nothing where it lacks what these are computed from: their wires stay, marked.
    """
    if card is None:
        names, n_types = [str(Address(block, port)) for port in DATA_BLOCKS[block].ports], 10
    else:
        names = list(offered_beside(block, card.fields))
        columns = {f"obs/{c.get('name')}": c.get("n_values", 0) for c in _columns(card)}
        n_types = int(columns.get(card.fields.get("labels", "")) or 10)
    ports = {name: port for name in names if (port := port_of_field(name))}
    lengths = {"genes": n_genes, "classes": n_types}
    return {name: DataPort(port, _lengths(port, lengths)) for name, port in ports.items()}


def missing_fields(
    dataset: DatasetCard | None,
    spec: PipelineSpec,
    beside: Mapping[str, DatasetCard] = NO_OTHER,
) -> list[str]:
    """Fields that a wire starts from and no data set offers; their wires stay, marked."""
    offered = data_ports(dataset, spec, beside)
    return [name for name in spec.fields if name not in offered]


def _supposed(name: str) -> DataPort:
    """A field before there is data: lengths that let the shapes be checked all the same."""
    port = DATA_PORTS[name]
    return DataPort(port, _lengths(port, {"genes": 2000, "features": 50}), _classes_of(port, 2))


def _measured(name: str, dataset: DatasetCard) -> DataPort:
    port, (kind, key) = DATA_PORTS[name], Place.parse(dataset.fields[name]).parts
    lengths = {"genes": dataset.n_genes or 2000, "features": 50}
    if kind == "obsm":
        shape = (dataset.preview.get("obsm") or {}).get(key)
        lengths["features"] = int(shape[-1]) if shape else 50
    elif not port.per_record and name in (known := dataset.preview.get("known_genes") or {}):
        lengths[port.axis_names[0]] = int(known[name])
    columns = {str(c.get("name")): c.get("n_values", 0) for c in _columns(dataset)}
    return DataPort(port, _lengths(port, lengths), _classes_of(port, int(columns.get(key) or 2)))


def _lengths(port: Port, lengths: dict[str, int]) -> tuple[int, ...]:
    names = port.axis_names[1:] if port.per_record else port.axis_names
    return tuple(int(a) if a.isdigit() else lengths.get(a, 10) for a in names)


def _classes_of(port: Port, n: int) -> int:
    return n if port.classes else 0


def _columns(dataset: DatasetCard) -> list[dict[str, Any]]:
    return [c for c in dataset.preview.get("obs") or [] if isinstance(c, dict)]


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
    # An input `reference_profiles` takes `reference.profiles`.
    of_others = {start.replace(".", "_"): field_of(start) for start in map(start_of, data)}
    named = [of_others.get(port.name, ""), port.name, *port.also]
    return next((start_of(name) for name in named if name in data), None)


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
