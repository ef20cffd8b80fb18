"""The canvas: blocks, typed ports and wires, drawn from the document and written back into it."""

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import panel as pn
import param
from panel.custom import JSComponent
from panel_reactflow import ReactFlow

from app.canvas.graph import Drawing
from app.canvas.nodes import BLOCK_MIME, PORT_CSS, ROW_CSS, css_text, ends, shown
from app.geometry.ports import FEWER, MORE
from app.session.data_in_use import CARDS
from app.session.document import RENAME
from app.session.session import Session
from diffbio_engine.pipelines.spec import DATA
from diffbio_engine.ports import DATA_BLOCKS, Address, Ends

_HERE = Path(__file__).parent
_ONE_PRESS_SECONDS = 0.5
_NEAR = 150.0


class CanvasKeys(JSComponent):
    """Keys and pointer of the canvas that the graph library does not know."""

    theme = param.String("default")
    drawn = param.Integer(0, doc="How often the blocks were drawn; the data block bears it, too.")

    _esm = (_HERE / "canvas.js").read_text(encoding="utf-8")


class Canvas(pn.viewable.Viewer):
    """Shows ``session.shown_spec``; every gesture on it is an edit of the document."""

    def __init__(self, session: Session):
        super().__init__()
        self.session = session
        self.flow = ReactFlow(
            node_types=Drawing(session, ()).types,
            edges=[],
            nodes=[],
            editor_mode="side",
            default_node_editor=_no_editor,
            default_edge_editor=_no_editor,
            connection_validation={"direction": True},
            popup_trigger="none",
            show_minimap=False,
            min_zoom=0.2,
            max_zoom=1.1,
            drop_types=[BLOCK_MIME],
            validate_on_add=False,
            stylesheets=[(_HERE / "canvas.css").read_text(encoding="utf-8"), ROW_CSS, PORT_CSS],
            color_mode="dark" if session.theme == "dark" else "light",
            sizing_mode="stretch_both",
        )
        self.flow.add_connection_validator(self._reason)
        for event, function in {
            "drop": self._dropped,
            "edge_added": self._wired,
            "edge_deleted": self._unwired,
            "node_deleted": self._deleted,
            "node_moved": self._moved,
            "selection_changed": self._selected,
        }.items():
            self.flow.on(event, function)
        self._hands = CanvasKeys(
            theme=session.theme, width=0, height=0, margin=0, sizing_mode="fixed"
        )
        self._hands.on_msg(lambda event: self._key(event.data))
        self._drawing = self._dropping = False
        self._deletions, self._deleted_at = 0, 0.0
        self._by_hand = self._drawn = 0
        self._shown_blocks: set[str] = set()
        self._shown = (session.document.spec.name, False)
        self._unfolded: set[str] = set()
        session.document.param.watch(self._draw, ["spec", "problems"])
        session.data.param.watch(self._draw, CARDS)
        of_run = ["errors", "state", "place", "document", "is_looked_at", "tried", "dataset"]
        session.run.param.watch(self._draw, of_run)
        session.run.param.watch(self._draw_values, ["block_values"])
        session.param.watch(self._themed, ["theme"])
        self._draw()

    def fit(self) -> None:
        """Shows the whole pipeline."""
        self._hands._send_msg({"do": "fit"})

    # -- document -> canvas ----------------------------------------------------------------------

    def _draw(self, *_: Any) -> None:
        drawing = Drawing(self.session, self._unfolded)
        nodes = drawing.blocks()
        ids = {n["id"] for n in nodes}
        new, whole_new = ids - self._shown_blocks, len(nodes) > 1 and not ids & self._shown_blocks
        now = (self.session.shown_spec.name, self.session.run.is_looked_at)
        change = self.session.document.change
        opened = now != self._shown and not change.endswith(RENAME) and "Add" not in change
        self._shown_blocks, self._shown = ids, now
        # The library fits its view when the first block appears: the data block is there from the
        # start, at first unseen, so that the first drop does not move the canvas under the hand.
        nodes.insert(0, drawing.data(DATA, seen=bool(nodes) or self.session.data.card is not None))
        for node in nodes:
            node["style"] = self._with_value(node)
        edges, types = [*drawing.wires(), _revision(self._by_hand)], drawing.types
        self._drawing = True
        try:
            with pn.io.hold():
                if types != self.flow.node_types:
                    self.flow.node_types = types
                nodes[0]["style"]["--drawn"] = str(self._drawn)
                if shown(nodes) != shown(self.flow.nodes):
                    self._drawn += 1
                    nodes[0]["style"]["--drawn"] = str(self._drawn)
                    self.flow.nodes, self._hands.drawn = nodes, self._drawn
                if edges != [{**e, "selected": False} for e in self.flow.edges]:
                    self.flow.edges = edges
        finally:
            self._drawing = False
        # What is added from the palette without a place lies beside the rest, maybe out of sight.
        placed_for_the_person = bool(new) and not self._dropping and "Add" in change
        if whole_new or (opened and nodes) or placed_for_the_person:
            self.fit()

    def _draw_values(self, *_: Any) -> None:
        grown = False
        for node in self.flow.nodes:
            style = self._with_value(node)
            if style != node["style"]:
                grown |= (style.get("--meter") == '""') != (node["style"].get("--meter") == '""')
                node["style"] = style
                self.flow.patch_node_props(node["id"], {"style": style})
        if grown:  # a line more in a block: what was seen whole is seen whole
            self._hands._send_msg({"do": "refit"})

    def _with_value(self, node: dict[str, Any]) -> dict[str, Any]:
        """The style of a block, with what the run says of it below its ports."""
        if node["id"] in DATA_BLOCKS:
            return node["style"]
        values = self.session.run.block_values if self.session.is_run_of_canvas else {}
        return {**node["style"], "--meter": css_text(values.get(node["id"], ""))}

    def _themed(self, *_: Any) -> None:
        self.flow.color_mode = "dark" if self.session.theme == "dark" else "light"
        self._hands.theme = self.session.theme

    # -- canvas -> document ----------------------------------------------------------------------

    def _reason(self, connection: dict[str, Any]) -> str | None:
        if str(connection.get("sourceHandle")).startswith((MORE, FEWER)):
            return "Press it to see more ports or fewer."
        problem = self.session.document.wire_problem(*ends(connection))
        if problem is None:
            return None
        port = Address.parse(problem.where).port or problem.where
        return f"{port} {problem.what} {problem.fix}"

    def _dropped(self, event: dict[str, Any]) -> None:
        place = event["position"]
        operator = str((event.get("data") or {}).get("operator", ""))
        at = (round(place["x"] - 40), round(place["y"] - 20))
        self._dropping = True
        try:
            block = self.session.document.add_block(operator, at)
        finally:
            self._dropping = False
        # Where there was no room it lies elsewhere, maybe out of sight.
        if math.dist(self.session.document.spec.layout.get(block, at), at) > _NEAR:
            self.fit()

    def _wired(self, event: dict[str, Any]) -> None:
        if not self._drawing:
            self._by_hand += 1
            self.session.document.add_wire(*ends(event["edge"]))
            self._draw()

    def _unwired(self, event: dict[str, Any]) -> None:
        if self._drawing:
            return
        self._by_hand += 1
        ids = event.get("edge_ids") or [event.get("edge_id")]
        wires = [e.parts for i in ids if i and (e := Ends.parse(i)).parts[1]]
        present = {(w.source, w.target) for w in self.session.shown_spec.wires}
        gone = [w for w in wires if w in present]
        if gone:
            self._delete((), gone)
        self._draw()

    def _deleted(self, event: dict[str, Any]) -> None:
        if self._drawing:
            return
        ids = event.get("node_ids") or [event.get("node_id")]
        spec = self.session.shown_spec
        blocks = {*(set(spec.data_blocks) - {DATA}), *(b.id for b in spec.blocks)}
        gone = [i for i in ids if i in blocks]
        if gone:
            self._delete(gone, ())

    def _delete(self, blocks: Sequence[str], wires: Sequence[tuple[str, str]]) -> None:
        """One press of Delete is told in several messages: a block's wires, then the block."""
        if time.monotonic() - self._deleted_at > _ONE_PRESS_SECONDS:
            self._deletions += 1
        self.session.document.remove(blocks, wires, f"deletion {self._deletions}")
        self._deleted_at = time.monotonic()

    def _moved(self, event: dict[str, Any]) -> None:
        place = event["position"]
        self.session.document.move({event["node_id"]: (round(place["x"], 1), round(place["y"], 1))})

    def _selected(self, event: dict[str, Any]) -> None:
        # What the browser tells may be older than the document.
        spec = self.session.shown_spec
        known = {*spec.data_blocks, *(b.id for b in spec.blocks)}
        drawn = {Ends(w.source, w.target) for w in spec.wires}
        blocks = [b for b in event.get("nodes") or [] if b in known]
        wires = [w for w in event.get("edges") or [] if w in drawn]
        self.session.document.param.update(
            selection={"blocks": blocks, "wires": wires},
            selected_block=blocks[0] if len(blocks) == 1 else "",
            selected_wire=wires[0] if len(wires) == 1 and not blocks else "",
        )

    def _key(self, message: dict[str, Any]) -> None:
        session, do = self.session, message.get("do")
        document = session.document
        if do == "undo":
            document.undo()
        elif do == "redo":
            document.redo()
        elif do == "tidy":
            document.tidy()
        elif do == "duplicate":
            document.duplicate(document.selection["blocks"])
        elif do == "run":
            session.press_run()
        elif do == "copy":
            document.copy(document.selection["blocks"])
        elif do == "paste":
            document.paste()
        elif do == "stop" and session.run.is_running:
            session.run.stop()
        elif do == "again":  # of two drawings in a moment the first may arrive last
            self._by_hand += 1
            self._drawn += 1
            self._draw()
        elif do == "escape":
            session.showing = ""
        elif do == "shortcuts":
            session.showing = "" if session.showing == "shortcuts" else "shortcuts"
        elif do == "fold":
            self._unfolded ^= {str(message.get("block"))}
            self._draw()
        elif do == "refused":
            session.say(str(message.get("reason", ""))[:300], "warning")

    def __panel__(self) -> pn.viewable.Viewable:
        return pn.Column(self._hands, self.flow, sizing_mode="stretch_both", margin=0)


def _revision(n: int) -> dict[str, Any]:
    """A wire that is never seen, another one after each change of wires by hand.

    The browser draws such a change itself, and takes the wires of the document only where they
    differ from those it was told last: a wire that is drawn and undone within a moment, or refused,
    would stay on the canvas.
    """
    return {
        "id": f"revision {n}", "source": DATA, "target": DATA, "hidden": True, "selected": False,
        "selectable": False, "focusable": False, "deletable": False, "data": {},
    }  # fmt: skip


def _no_editor(*_: Any, **__: Any) -> None:
    """The inspector edits blocks; an editor for each would be slow."""
