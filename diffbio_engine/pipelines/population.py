"""The pipeline over all records of a data set: in chunks, and the preparation of its blocks."""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Protocol

import jax
import numpy as np
from flax import nnx

from diffbio_engine.axes import axis_of
from diffbio_engine.declare import Axis, Kind, Port
from diffbio_engine.pipelines.one_device import committed
from diffbio_engine.pipelines.pipeline import Pipeline, _fold
from diffbio_engine.pipelines.wiring import DataPort
from diffbio_engine.ports import DATA_BLOCKS, Address, field_of
from diffbio_engine.ports.alphabets import PAST_THE_END, PAST_THE_WORDS

CHUNK = 1024


class Records(Protocol):
    """What is needed of a data set: any rows of what is known of each record, and the rest.

    Attributes:
        record: What a record is.
        n: How many there are.
        fields: What is known of each record: name, and the shape for one.
        per_dataset: What belongs to no record.
    """

    record: Axis
    n: int
    per_dataset: dict[str, np.ndarray]

    @property
    def fields(self) -> dict[str, tuple[int, ...]]: ...

    def rows(self, field: str, indices: np.ndarray) -> np.ndarray:
        """A field of these records, in this order; dense."""


def ports_of(records: Records, n_classes: Mapping[str, int]) -> dict[str, DataPort]:
    """The fields of a data set as the plan wants to know them.

    Args:
        n_classes: By field of labels, how many classes there are.
    """
    ports = {
        name: DataPort.named(name, *shape, n_classes=n_classes.get(name, 0))
        for name, shape in records.fields.items()
    }
    for name, value in records.per_dataset.items():
        ports[name] = DataPort.named(name, *value.shape)
    return ports


@lru_cache(maxsize=64)
def _compiled(graph: Any, ports: tuple[str, ...]) -> Callable[..., dict[str, jax.Array]]:
    def run(
        state: Any, data: dict[str, jax.Array], given: dict[str, jax.Array]
    ) -> dict[str, jax.Array]:
        values = nnx.merge(graph, state)(data, ports=ports, given=given)
        return {port: values[port] for port in ports}

    return jax.jit(run)


def values_of_cells(
    pipeline: Pipeline,
    cells: Records,
    ports: tuple[str, ...],
    *,
    rows: np.ndarray | None = None,
    given: Mapping[str, np.ndarray] | None = None,
    tick: Callable[[float], None] | None = None,
) -> dict[str, np.ndarray]:
    """The values of some ports for all cells (or for ``rows``), computed chunk by chunk.

    Args:
        given: Per-cell values already known for these rows; nothing before them is computed.
        tick: Told the share done, after each chunk.
    """
    if rows is not None and _needs_others(pipeline, ports, given):
        # What is said of some follows from all; arrays of these alone are computed again.
        found = values_of_cells(pipeline, cells, ports, tick=tick)
        of_each = {p for p in ports if pipeline.plan.port(p).per_record}
        return {p: v[np.asarray(rows)] if p in of_each else v for p, v in found.items()}
    rows = np.arange(cells.n) if rows is None else np.asarray(rows)
    per_cell = tuple(port for port in ports if pipeline.plan.port(port).per_record)
    collected: dict[str, list[np.ndarray]] = {port: [] for port in per_cell}
    chunk: dict[str, np.ndarray] = {}
    for done, chunk in _chunks(pipeline, cells, ports, rows, dict(given or {})):
        for port in per_cell:
            collected[port].append(chunk[port])
        if tick:
            tick(done / len(rows))
    # What is not of cells (networks, gene tables) is the same in every chunk: the last one has it.
    return {
        port: _joined(collected[port], pipeline.plan.port(port))
        if port in collected
        else chunk[port]
        for port in ports
    }


def _needs_others(
    pipeline: Pipeline, ports: tuple[str, ...], given: Mapping[str, np.ndarray] | None
) -> bool:
    """Whether these ports of some records cannot be told without the others."""
    plan = pipeline.plan
    return plan.joins_records(plan.ancestors(ports, frozenset(given or ())))


def _joined(chunks: list[np.ndarray], port: Port) -> np.ndarray:
    """The chunks one after the other; what lies along positions is filled up to the longest."""
    shapes = [chunk.shape[1:] for chunk in chunks]
    widest = tuple(map(max, zip(*shapes, strict=True)))
    end = PAST_THE_END if chunks[0].dtype == np.uint8 else PAST_THE_WORDS
    fill = {Kind.SEQUENCE: end, Kind.LABELS: -1}.get(port.kind, 0)
    return np.concatenate(
        [
            chunk
            if chunk.shape[1:] == widest
            else np.pad(
                chunk,
                [(0, 0), *((0, n - m) for n, m in zip(widest, chunk.shape[1:], strict=True))],
                constant_values=fill,
            )
            for chunk in chunks
        ]
    )


def _chunks(
    pipeline: Pipeline,
    cells: Records,
    ports: tuple[str, ...],
    rows: np.ndarray,
    given: dict[str, np.ndarray],
) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
    plan = pipeline.plan
    graph, state = nnx.split(pipeline)
    state = committed(state)
    run = _compiled(graph, ports)
    blocks = plan.ancestors(ports, frozenset(given))
    wanted = {w.field for b in blocks for w in plan.blocks[b].sources.values() if w.from_data} | {
        field_of(a) for a in map(Address.parse, ports) if a.block in DATA_BLOCKS
    }
    per_cell_fields = tuple(sorted(n for n in wanted if plan.data[n].port.per_record))
    fixed = {n: cells.per_dataset[n] for n in wanted if not plan.data[n].port.per_record}
    of_records = {port for port in ports if plan.port(port).per_record}
    together = plan.needs_all_records or plan.joins_records(blocks)
    length = len(rows) if together else min(CHUNK, len(rows))
    for start in range(0, len(rows), length):
        # The last chunk is filled up with cells of its own, so that one shape is compiled.
        here = np.arange(start, start + length)
        here = np.where(here < len(rows), here, start)
        n_real = min(length, len(rows) - start)
        data = {name: cells.rows(name, rows[here]) for name in per_cell_fields}
        known = {p: v[here] if plan.port(p).per_record else v for p, v in given.items()}
        values = run(state, {**data, **fixed}, known)
        yield (
            start + n_real,
            {
                port: np.asarray(value)[:n_real] if port in of_records else np.asarray(value)
                for port, value in values.items()
            },
        )


def prepare(
    pipeline: Pipeline,
    cells: Records,
    *,
    first: bool = True,
    blocks: tuple[str, ...] | None = None,
    seed: int = 0,
    say: Callable[[str, str], None] | None = None,
) -> None:
    """Lets each block look at all cells, in running order, and find its starting state.

    Args:
        first: False at a refresh: only what follows from the data is computed anew; weights stay.
        blocks: Only these; None for all.
        say: Told the block and what it is doing.
    """
    plan = pipeline.plan
    todo = [
        b
        for b in plan.blocks.values()
        if b.declared.make.prepares() and (blocks is None or b.id in blocks)
    ]
    known: dict[str, np.ndarray] = {}  # values for all cells, kept while another block needs them
    for block in todo:
        if say:
            say(block.id, f"Fitting {block.declared.title} to the data")
        ports = tuple(w.source for w in block.sources.values())
        limit = block.declared.make.prepare_cells
        if limit is not None and limit < cells.n:
            rows = _even_sample(cells.n, limit, seed)
            given = {p: v[rows] for p, v in known.items()}
        else:
            rows, given = None, known
        missing = tuple(p for p in ports if p not in given)
        found = values_of_cells(pipeline, cells, missing, rows=rows, given=given)
        values = {**{p: given[p] for p in ports if p in given}, **found}
        arrays = {name: values[wire.source] for name, wire in block.sources.items()}
        if rows is None:
            known.update({p: v for p, v in found.items() if is_kept(plan.port(p))})
        key = preparing_key(seed, block.id)
        if rows is not None:
            pipeline.blocks[block.id].share_seen = len(rows) / cells.n
        pipeline.blocks[block.id].prepare_from(arrays, key, first=first)
        # What later blocks saw of this one is no longer true.
        known = {p: v for p, v in known.items() if not _comes_after(plan, p, block.id)}


def preparing_key(seed: int, block: str) -> jax.Array:
    """The key that a block is given each time when it looks at all cells."""
    return _fold(jax.random.key(seed), f"prepare {block}")


def is_kept(port: Port) -> bool:
    """Whether the values of all records are kept for blocks behind it, or computed again.

    Arrays over genes, or with a table for each record, would be large; those along positions are as
    wide as the longest of all records, which the other arrays of a chunk need not be.
    """
    ragged = any(axis_of(axis).ragged for axis in port.axis_names)
    return port.per_record and not port.wide and not ragged and len(port.axis_names) <= 2


def _comes_after(plan: Any, port: str, block_id: str) -> bool:
    return Address.parse(port).block not in DATA_BLOCKS and block_id in plan.ancestors((port,))


def _even_sample(n: int, size: int, seed: int) -> np.ndarray:
    return np.sort(np.random.default_rng(seed).choice(n, size, replace=False))
