"""Room for new blocks: the nearest place where they overlap nothing and wires can be followed."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from functools import lru_cache

import numpy as np

from app.geometry.layout import height
from app.geometry.ports import (
    HEAD,
    ROW,
    WIDTH,
    Box,
    Point,
    curves,
    port_height,
    usual_outputs,
    within,
)
from diffbio_engine.declare import find_operator
from diffbio_engine.pipelines.spec import PipelineSpec, Wire
from diffbio_engine.ports import DATA_BLOCKS, start_of

# Between blocks: wires need room to bend beside them, a warning may come below them.
_GAP = np.array([44.0, 30.0])
_STEP, _FAR, _MOST = 24.0, 1200.0, 400


def with_room(
    spec: PipelineSpec, moved: Collection[str], fields: Iterable[str] = (), *, per_wire: float = 150
) -> PipelineSpec:
    """The document with some blocks shifted together, as little as can be, to where there is room.

    Args:
        fields: What data sets offer; decides how tall their blocks are.
        per_wire: How far a block is moved, in pixels, so that one wire less runs behind a block.
    """
    fields, moved = tuple(fields), list(moved)
    boxes = {b: _box(spec, b, fields) for b in (*spec.data_blocks, *(b.id for b in spec.blocks))}
    new = np.array([boxes[b] for b in moved])
    old = np.array([box for b, box in boxes.items() if b not in moved]).reshape(-1, 4)
    tried = _shifts()
    tried = tried[_free(new, old, tried)][:_MOST]
    if not len(tried):
        return spec
    cost = np.hypot(*tried.T)
    if per_wire:
        cost = cost + per_wire * _hidden(spec, boxes, moved, tried, fields)
    best = tried[cost.argmin()]
    if not best.any():
        return spec
    dx, dy = (float(d) for d in best)
    places = {b: (spec.layout[b][0] + dx, spec.layout[b][1] + dy) for b in moved}
    return replace(spec, layout={**spec.layout, **places})


@lru_cache
def _shifts() -> np.ndarray:
    """Ways to go, the shortest first: up and down before to the sides, as wires run sideways."""
    line = np.arange(-_FAR, _FAR + 1, _STEP)
    all_of_them = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)
    return all_of_them[np.argsort(np.hypot(*(all_of_them * [1.2, 1.0]).T), kind="stable")]


def _free(new: np.ndarray, old: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """By shift, whether no new box comes too near to an old one."""
    low = new[None, :, None, :2] + shifts[:, None, None]
    apart = (low >= old[:, :2] + old[:, 2:] + _GAP) | (low + new[:, None, 2:] + _GAP <= old[:, :2])
    return apart.any(-1).all((1, 2))


def _hidden(
    spec: PipelineSpec,
    boxes: dict[str, Box],
    moved: list[str],
    shifts: np.ndarray,
    fields: tuple[str, ...],
) -> np.ndarray:
    """By shift of the moved blocks, how many wires it makes run behind a block or backwards."""
    n = np.zeros(len(shifts))
    still = np.zeros_like(shifts)
    for wire in spec.wires:
        ends = [wire.start.block, wire.end.block]
        start, end = (
            np.array(place) + (shifts if block in moved else still)
            for place, block in zip(_ends(spec, wire, boxes, fields), ends, strict=True)
        )
        goes_along = any(block in moved for block in ends)
        points = curves(start, end)
        # One that runs backwards is as hard to follow.
        hidden = (end[:, 0] < start[:, 0]) & goes_along
        for name, box in boxes.items():
            if name in ends or not (goes_along or name in moved):
                continue
            there = np.tile(box, (len(shifts), 1))
            there[:, :2] += shifts if name in moved else still
            hidden |= within(points, there[:, None]).any(1)
        n += hidden
    return n


def _box(spec: PipelineSpec, block: str, fields: tuple[str, ...]) -> Box:
    x, y = spec.layout.get(block, (0.0, 0.0))
    if block in DATA_BLOCKS:
        return x, y, WIDTH, HEAD + ROW * max(len(_ports_of(block, fields)), 1) + 16
    return x, y, WIDTH, height(find_operator(spec.block(block).operator))


def _ends(
    spec: PipelineSpec, wire: Wire, boxes: dict[str, Box], fields: tuple[str, ...]
) -> tuple[Point, Point]:
    """Where a wire begins and ends; a port that is folded away counts as in the last row."""
    (a, out), (b, into) = wire.start.parts, wire.end.parts
    outputs: Collection[str] = _ports_of(a, fields)
    if not wire.from_data:
        outputs = usual_outputs(spec.block(a).operator)
    inputs = [p.name for p in find_operator(spec.block(b).operator).inputs if not p.drawn]
    (x0, y0, *_), (x1, y1, *_) = boxes[a], boxes[b]
    start = x0 + WIDTH, y0 + port_height(_row(out, outputs))
    return start, (x1, y1 + port_height(_row(into, inputs)))


def _ports_of(block: str, fields: Iterable[str]) -> list[str]:
    """The ports of a data block, by the fields that all data sets offer."""
    return [start.port for start in map(start_of, fields) if start.block == block]


def _row(name: str, names: Collection[str]) -> int:
    names = list(names)
    return names.index(name) if name in names else len(names)
