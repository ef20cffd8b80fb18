"""The document of one tab: the pipeline on the canvas, every gesture on it, undo and redo."""

import time
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import param

from app.geometry.layout import tidied
from app.session import edits
from app.session.data_in_use import DataInUse
from app.session.protocols import Tells
from diffbio_engine.declare import find_operator
from diffbio_engine.errors import UserError
from diffbio_engine.pipelines.spec import DATA, PipelineSpec, document_from
from diffbio_engine.ports import DATA_BLOCKS, Ends, blocks_beside

MOST_UNDO = 100
RENAME = "Rename the pipeline"
_SAME_GESTURE_SECONDS = 1.5
_NEW = PipelineSpec("Untitled pipeline")


class Document(param.Parameterized):
    """A pipeline that is being edited; undo and redo are snapshots of it."""

    spec = param.ClassSelector(
        class_=PipelineSpec, default=_NEW, doc="The pipeline on the canvas; never changed in place."
    )
    change = param.String(doc="What the last change of the document was called.")
    undo_label = param.String(doc="What undo would take back; empty if nothing.")
    redo_label = param.String(doc="What redo would do again; empty if nothing.")
    can_undo = param.Boolean(False)
    can_redo = param.Boolean(False)
    saved = param.String("saved", doc='"saved", "saving", or a sentence that says why not.')

    selected_block = param.String()
    selected_wire = param.String(doc='"source>target" of the chosen wire; empty if none.')
    selection = param.Dict({"blocks": [], "wires": []}, doc="All that is chosen on the canvas.")
    problems = param.List(doc="UserErrors of the present document.")
    run_length = param.String(doc="How long a run of it would take, in words.")
    run_steps = param.String(doc="How many steps that would be, in words.")

    def __init__(
        self,
        *,
        spec: PipelineSpec | None = None,
        data: DataInUse | None = None,
        tells: Tells | None = None,
    ):
        """A document.

        Args:
            spec: What it begins with.
            data: The data set that its ``data`` block stands for.
            tells: Where a mistake is said; without it, it is raised.
        """
        super().__init__(spec=spec or _NEW)
        self.data = data or DataInUse()
        self.tells = tells
        self._past: list[tuple[str, PipelineSpec]] = []
        self._future: list[tuple[str, PipelineSpec]] = []
        self._gesture, self._gesture_time = "", 0.0
        self._copied: PipelineSpec | None = None
        self._pasted = 0

    def refuse(self, error: BaseException) -> None:
        """Shows a person's mistake in words."""
        if self.tells is None:
            raise error
        self.tells.refuse(error)

    def edit(self, what: str, spec: PipelineSpec, gesture: str = "") -> None:
        """The one way to change the document; one undo step.

        Calls with the same non-empty ``gesture`` in quick succession are one step.
        """
        if spec == self.spec and spec.layout == self.spec.layout:
            return
        now = time.monotonic()
        goes_on = gesture and gesture == self._gesture and self._past
        if goes_on and now - self._gesture_time < _SAME_GESTURE_SECONDS:
            self._past[-1] = (what, self._past[-1][1])
        else:
            self._past = [*self._past, (what, self.spec)][-MOST_UNDO:]
        self._future = []
        self._gesture, self._gesture_time = gesture, now
        self._show(spec, what)
        # Counted from when it is drawn: a busy server does not cut a gesture in two.
        self._gesture_time = time.monotonic()

    def undo(self) -> None:
        """Takes the last gesture back."""
        if self._past:
            what, before = self._past.pop()
            self._future.append((what, self.spec))
            self._gesture = ""
            self._show(before, f"Undone: {what}")

    def redo(self) -> None:
        """Does again what was taken back."""
        if self._future:
            what, after = self._future.pop()
            self._past.append((what, self.spec))
            self._gesture = ""
            self._show(after, f"Redone: {what}")

    def _show(self, spec: PipelineSpec, change: str) -> None:
        past = self._past[-1][0] if self._past else ""
        future = self._future[-1][0] if self._future else ""
        known = {*spec.data_blocks, *(b.id for b in spec.blocks)}
        wires = {Ends(w.source, w.target) for w in spec.wires}
        self.param.update(
            spec=spec,
            change=change,
            undo_label=past,
            redo_label=future,
            can_undo=bool(self._past),
            can_redo=bool(self._future),
            selected_block=self.selected_block if self.selected_block in known else "",
            selected_wire=self.selected_wire if self.selected_wire in wires else "",
        )

    def open_pipeline(self, spec: PipelineSpec, what: str = "") -> None:
        """Puts a whole document on the canvas; undo brings the old one back."""
        if not spec.layout:
            spec = tidied(spec)
        for block in spec.data_blocks:
            if block not in spec.layout:
                spec = edits.with_data_block(spec, block)
        self.param.update(selected_block="", selected_wire="")
        self.edit(what or f"Open {spec.name}", spec)

    def restore(self, spec: PipelineSpec) -> None:
        """The document that was open last time: no undo step."""
        self._past, self._future = [], []
        self._show(spec, "")

    def import_json(self, text: str | bytes) -> None:
        """Opens a pipeline file; a mistake in it is said in words and nothing is lost."""
        try:
            spec = PipelineSpec.from_json(document_from(text))
        except UserError as error:
            self.refuse(error)
        else:
            self.open_pipeline(spec)

    def rename(self, name: str) -> None:
        """Gives the pipeline another name."""
        if name.strip():
            self.edit(RENAME, replace(self.spec, name=name.strip()[:80]))

    # -- gestures ----------------------------------------------------------------------------

    @property
    def data_ports(self) -> dict[str, Any]:
        """The fields that the ``data`` block offers now."""
        return self.data.ports(self.spec)

    def add_block(self, operator: str, place: tuple[float, float] | None = None) -> str:
        """Puts a block on the canvas, wired where there is no doubt; gives its id.

        ``operator`` may also name a block that stands for a second data set.
        """
        if operator in blocks_beside():
            return self._add_data_block(operator, place)
        spec, block = edits.with_block(self.spec, operator, place, self.data_ports)
        self.edit(f"Add {_title(spec, block)}", spec)
        if any(b.id == block for b in self.spec.blocks):  # it may be read-only
            self.selected_block = block
        return block

    def _add_data_block(self, block: str, place: tuple[float, float] | None) -> str:
        if block not in self.spec.layout:
            spec = edits.with_data_block(self.spec, block, place, self.data_ports)
            self.edit(f"Add {DATA_BLOCKS[block].title}", spec)
        if block in self.spec.data_blocks:
            self.selected_block = block
        return block

    def remove(
        self,
        blocks: Collection[str] = (),
        wires: Collection[tuple[str, str]] = (),
        gesture: str = "",
    ) -> None:
        """Deletes blocks and wires, in one step."""
        blocks = [b for b in blocks if b != DATA]  # without data there is nothing
        what = f"Delete {_title(self.spec, blocks[0])}" if len(blocks) == 1 else "Delete"
        what = what if blocks else "Delete a wire"
        self.edit(what, edits.without(self.spec, blocks, wires), gesture)

    def wire_problem(self, source: str, target: str) -> UserError | None:
        """Why this wire cannot be drawn; None if it can."""
        return edits.wire_problem(self.spec, self.data_ports, source, target)

    def add_wire(self, source: str, target: str) -> None:
        """Draws a wire, or says why it cannot be."""
        problem = self.wire_problem(source, target)
        if problem:
            self.refuse(problem)
            return
        self.edit("Draw a wire", edits.with_wire(self.spec, source, target))

    def stop_gradient(self, source: str, target: str, stop: bool) -> None:
        """Cuts the learning through a wire, or lets it through again."""
        what = "Stop the gradient" if stop else "Let the gradient through"
        self.edit(what, edits.with_gradient(self.spec, source, target, stop))

    def move(self, places: dict[str, tuple[float, float]]) -> None:
        """Moves blocks on the canvas."""
        self.edit("Move", replace(self.spec, layout={**self.spec.layout, **places}), "move")

    def tidy(self) -> None:
        """Lays the blocks out in layers."""
        self.edit("Tidy up", tidied(self.spec))

    def duplicate(self, blocks: Collection[str]) -> None:
        """Copies blocks with the wires among them, in one step."""
        blocks = [b for b in blocks if b not in DATA_BLOCKS]
        if blocks:
            spec, new = edits.with_copies(self.spec, blocks)
            self.edit(f"Duplicate {len(new)} blocks" if len(new) > 1 else "Duplicate", spec)

    def copy(self, blocks: Collection[str]) -> None:
        """Keeps blocks and the wires among them, to be pasted; also into another pipeline."""
        ids = {b for b in blocks if b not in DATA_BLOCKS}
        if ids:
            others = [b.id for b in self.spec.blocks if b.id not in ids]
            self._copied, self._pasted = edits.without(self.spec, others), 0

    def paste(self) -> None:
        """Puts what was copied on the canvas, in one step."""
        if self._copied is not None:
            self._pasted += 1
            spec, new = edits.with_pasted(self.spec, self._copied, 48.0 * self._pasted)
            self.edit(f"Paste {len(new)} blocks" if len(new) > 1 else "Paste", spec)

    def set_setting(self, block: str, name: str, value: Any) -> None:
        """Changes one setting of one block; a slider's way is one step."""
        spec = self.spec.with_config(block, **{name: value})
        self.edit(f"Set {name.replace('_', ' ')}", spec, f"set {block}.{name}")

    def set_learns(self, block: str, learns: bool) -> None:
        """Whether training changes this block's weights."""
        blocks = (replace(b, learns=learns) if b.id == block else b for b in self.spec.blocks)
        self.edit("Let it learn" if learns else "Freeze", replace(self.spec, blocks=tuple(blocks)))

    def set_weight(self, port: str, value: float) -> None:
        """Weight of a loss term in the objective."""
        weights = {**self.spec.weights, port: value}
        self.edit("Set a loss weight", replace(self.spec, weights=weights), f"weight {port}")

    def set_training(self, name: str, value: Any) -> None:
        """One value of how the pipeline trains: ``learning_rate``, ``steps``, ``seed``."""
        training = {**self.spec.training, name: value}
        what = f"Set {name.replace('_', ' ')}"
        self.edit(what, replace(self.spec, training=training), f"training {name}")


def _title(spec: PipelineSpec, block: str) -> str:
    if block in DATA_BLOCKS:
        return DATA_BLOCKS[block].title
    return find_operator(spec.block(block).operator).title
