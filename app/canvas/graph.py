"""The document of a tab as the graph library wants it: blocks, their ports, wires."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from app.canvas.nodes import block_node, block_type, most_important, says
from app.geometry.ports import (
    FEWER,
    MORE,
    ROW,
    WIDTH,
    Box,
    Point,
    folded,
    n_rows,
    passes_over,
    port_height,
    usual_outputs,
)
from app.session.offered_fields import data_ports, missing_fields
from app.session.picked_cells import unchosen
from app.session.session import Session
from app.session.stale import changed_since
from app.style import messages, theme
from app.style.titles import block_titles, is_estimated, of_rows, place_title
from diffbio_engine.data.kinds import USUAL, kind_named
from diffbio_engine.declare import Port, find_operator
from diffbio_engine.pipelines.spec import DATA, Block, Wire
from diffbio_engine.ports import DATA_BLOCKS, Ends, Place, port_of_field, start_of


@dataclass(frozen=True)
class _Ports:
    """What a block shows of its outputs, and how its last row is called."""

    kind: str
    outputs: tuple[Port, ...]
    fold: tuple[str, str] | None

    @property
    def n_out(self) -> int:
        return len(self.outputs) + (self.fold is not None)


class Drawing:
    """One look at a session; ``unfolded`` are the blocks that show all their ports."""

    def __init__(self, session: Session, unfolded: Collection[str]):
        self.session, self.spec, self._unfolded = session, session.shown_spec, unfolded
        known = session.shown_dataset, self.spec, session.shown_beside
        self._offered, self.missing = data_ports(*known), missing_fields(*known)
        self._stale = changed_since(session)[0]
        self._advice = {} if session.run.is_looked_at else unchosen(self.spec)
        self._wired: dict[str, set[str]] = {}
        for wire in self.spec.wires:
            block, port = wire.start.parts
            self._wired.setdefault(block, set()).add(port)
        self._titles = block_titles(self.spec.blocks)
        self._ports = {b.id: self._block_ports(b) for b in self.spec.blocks}
        self._ports |= {block: self._data_ports(block) for block in self.spec.data_blocks}
        self.types = self._types()

    # -- ports -------------------------------------------------------------------------------

    def _block_ports(self, block: Block) -> _Ports:
        declared = find_operator(block.operator)
        return self._folded(block.id, block.operator, declared.outputs, 2)

    def _data_ports(self, block: str) -> _Ports:
        ports = [
            _said_to_be_estimated(port.port, self._place(block, port.port.name))
            for field, port in self._offered.items()
            if start_of(field).block == block
        ]
        ports += [p for n in self._missing_of(block) if (p := port_of_field(n)) is not None]
        return self._folded(block, block, tuple(ports), 1)

    def _missing_of(self, block: str) -> list[str]:
        return [field for field in self.missing if start_of(field).block == block]

    def _lacking(self, block: str) -> list[str]:
        """The same as a person finds it: of a second data set, what that is computed from."""
        missing, takes = self._missing_of(block), DATA_BLOCKS[block].takes
        return [n for n in takes if not self._place(block, n)] if missing and takes else missing

    def _place(self, block: str, port: str) -> str:
        card = self.session.shown_data_of(block)
        return card.fields.get(port, "") if card else ""

    def _folded(self, block: str, kind: str, ports: tuple[Port, ...], at_least: int) -> _Ports:
        names = [p.name for p in ports]
        usual: Collection[str]
        if block in DATA_BLOCKS:
            places = {n: Place.parse(self._place(block, n)) for n in names}
            # The first is what the data are, be it worked out as the letters of sequences are.
            usual = [n for n in names if n == names[0] or not places[n].computed_from]
        else:
            usual = usual_outputs(kind)
        hidden = folded(names, usual, self._wired.get(block, ()), at_least)
        if not hidden:
            # All there are: the same for every block of the operator, wired as it may be.
            return _Ports(f"{kind} whole", ports, None)
        if block in self._unfolded:
            return _Ports(f"{kind} unfolded", ports, (f"{FEWER} fewer", "Shows the usual ports"))
        outputs = tuple(p for p in ports if p.name not in hidden)
        all_estimated = all(is_estimated(self._place(block, n)) for n in hidden)
        words = "estimated" if block in DATA_BLOCKS and all_estimated else "more"
        also = " ".join(p.name for p in outputs if p.name not in usual)
        says_which = f"Shows {', '.join(hidden)}"
        return _Ports(
            f"{kind} {also}".strip(), outputs, (f"{MORE}{len(hidden)} {words}", says_which)
        )

    def _types(self) -> dict[str, Any]:
        types = {}
        card = self.session.shown_dataset
        rows = card.rows if card else ""
        for block in self.spec.blocks:
            declared, ports = find_operator(block.operator), self._ports[block.id]
            inputs = [of_rows(p, rows) for p in declared.inputs if not p.drawn]
            outputs = [of_rows(p, rows) for p in ports.outputs]
            types[ports.kind] = block_type(ports.kind, declared.title, inputs, outputs, ports.fold)
        for name in self.spec.data_blocks:
            data, title = self._ports[name], DATA_BLOCKS[name].title
            outputs = [of_rows(p, rows) if name == DATA else p for p in data.outputs]
            types[data.kind] = block_type(data.kind, title, [], outputs, data.fold)
        return types

    # -- blocks ------------------------------------------------------------------------------

    def blocks(self) -> list[dict[str, Any]]:
        """The blocks, without the data; other data sets first."""
        beside = [self.data(b, seen=True) for b in self.spec.data_blocks if b != DATA]
        return beside + [self._block(b) for b in self.spec.blocks]

    def data(self, block: str, seen: bool) -> dict[str, Any]:
        """A block that stands for a data set."""
        card = self.session.shown_data_of(block)
        words = "Choose a data set" if card is None else card.name
        if card is not None and card.n_cells:
            words = f"{card.size_in_short}  {card.name}"
        kind = kind_named(card.rows if card is not None else USUAL)
        notes = [
            f"This data set lacks {kind.offer(n).lacking or n}. Say under Data where it lies."
            for n in self._lacking(block)
        ]
        classes = "data only-out" if seen else "data only-out unseen"
        look = {"--kind": "var(--db-accent)", "--icon": theme.icon_url(DATA)}
        place, ports = self.spec.layout.get(block, (0, 0)), self._ports[block]
        title = DATA_BLOCKS[block].title
        node = block_node(
            block, ports.kind, title, place, look, [], ports.outputs, bool(ports.fold)
        )
        if block != DATA:
            return says(node, words, "", " ".join(notes), classes)
        meter, n_genes = "", self.spec.variable_genes
        if n_genes and card is not None and card.n_genes > n_genes:
            meter = f"trains on {n_genes:,} variable genes".replace(",", "\u202f")
        return says(node, words, meter, " ".join(notes), classes) | {"deletable": False}

    def _block(self, block: Block) -> dict[str, Any]:
        session, declared = self.session, find_operator(block.operator)
        ours = session.is_run_of_canvas
        errors = messages.by_block(session.run.errors).get(block.id, []) if ours else []
        problems = [] if session.run.is_looked_at else session.document.problems
        notes = messages.by_block(problems).get(block.id, [])
        state = {"running": "running", "done": "done"}.get(session.run.state, "") if ours else ""
        if block.id in self._stale:
            state = "stale"  # what was found belongs to other settings
        if ours and session.run.place == block.id and session.run.is_running:
            state = "running"
        if not block.learns:
            state = f"{state} frozen"
        if not notes and block.id in self._advice:
            notes, state = [self._advice[block.id]], f"{state} advice"
        elif notes:
            state = "wrong"
        if errors:
            state, notes = "failed", errors
        look = {"--kind": theme.color_of(declared), "--icon": theme.icon_url(declared.domain)}
        inputs = [p for p in declared.inputs if not p.drawn]
        place, ports = self.spec.layout.get(block.id, (0.0, 0.0)), self._ports[block.id]
        node = block_node(
            block.id, ports.kind, self._titles[block.id], place, look, inputs, ports.outputs,
            bool(ports.fold),
        )  # fmt: skip
        meter = session.run.block_values.get(block.id, "") if ours else ""
        return says(node, most_important(declared, block), meter, " ".join(notes[:2]), state)

    # -- wires -------------------------------------------------------------------------------

    def wires(self) -> list[dict[str, Any]]:
        """The wires; one that runs behind a block a second time, to be seen over it."""
        boxes = self._boxes()
        drawn = [self._wire(w) for w in self.spec.wires]
        over = [
            {**edge, "id": f"{edge['id']} over", "className": f"{edge['className']} ghost".strip(),
             "selectable": False, "focusable": False, "deletable": False}
            for edge, wire in zip(drawn, self.spec.wires, strict=True)
            if self._is_hidden(wire, boxes)
        ]  # fmt: skip
        return drawn + over

    def _wire(self, wire: Wire) -> dict[str, Any]:
        (a, out), (b, into) = wire.start.parts, wire.end.parts
        port = self._output(a, out)
        broken = port is None or wire.field in self.missing
        classes = [*(["stopped"] if wire.stop_gradient else []), *(["broken"] if broken else [])]
        return {
            "id": Ends(wire.source, wire.target),
            "source": a,
            "sourceHandle": out,
            "target": b,
            "targetHandle": into,
            "selected": False,
            "className": " ".join(classes),
            "style": {"stroke": theme.kind_variable(port.kind) if port else "var(--db-bad)"},
            "data": {},
        }

    def _output(self, block: str, name: str) -> Port | None:
        if block in DATA_BLOCKS:
            return DATA_BLOCKS[block].ports.get(name)
        ports = find_operator(self.spec.block(block).operator).outputs
        return next((p for p in ports if p.name == name), None)

    def _boxes(self) -> dict[str, Box]:
        boxes = {}
        for block, ports in self._ports.items():
            x, y = self.spec.layout.get(block, (0.0, 0.0))
            rows = ports.n_out
            if block not in DATA_BLOCKS:
                rows = n_rows(find_operator(self.spec.block(block).operator), ports.n_out)
            boxes[block] = (x, y, WIDTH, port_height(rows) - ROW / 2 + 6)
        return boxes

    def _is_hidden(self, wire: Wire, boxes: dict[str, Box]) -> bool:
        (a, out), (b, into) = wire.start.parts, wire.end.parts
        start, end = self._start(a, out, boxes), self._end(b, into, boxes)
        if start is None or end is None:
            return False
        return passes_over(start, end, [box for name, box in boxes.items() if name not in (a, b)])

    def _start(self, block: str, name: str, boxes: dict[str, Box]) -> Point | None:
        names = [p.name for p in self._ports[block].outputs]
        if name not in names:
            return None
        left, top, width, _ = boxes[block]
        return left + width, top + port_height(names.index(name))

    def _end(self, block: str, name: str, boxes: dict[str, Box]) -> Point | None:
        declared = find_operator(self.spec.block(block).operator)
        names = [p.name for p in declared.inputs if not p.drawn]
        if name not in names:
            return None
        left, top, _, _ = boxes[block]
        return left, top + port_height(names.index(name))


def _said_to_be_estimated(port: Port, place: str) -> Port:
    if not is_estimated(place):
        return port
    return replace(port, doc=f"Estimated, the file has none: {place_title(place)}.")
