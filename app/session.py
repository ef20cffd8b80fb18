"""Everything that one browser tab works on: the document, the data, the run."""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import param

from app.dataset_card import DatasetCard
from app.document import RENAME
from app.shared_document import SharedDocument
from diffbio_engine.errors import UserError
from diffbio_engine.pipelines.spec import PipelineSpec

__all__ = ["RUNNING", "DatasetCard", "Session"]

RUNNING = ("queued", "starting", "preparing", "running", "pausing", "paused", "stopping")
_LOG = logging.getLogger("diffbio.app")


class Session(SharedDocument):
    """One browser tab. Views watch its parameters and call its methods (see app/README.md)."""

    run_id = param.String()
    run_state = param.String(doc="See app/README.md; empty if this tab shows no run.")
    run_step = param.Integer(0)
    run_total = param.Integer(0)
    run_eta = param.Number(None, allow_None=True)
    run_message = param.String()
    run_place = param.String(doc="The block that the run is busy with, where it says so.")
    run_device = param.String()
    run_document = param.String(doc="Name of the pipeline that the shown run trains.")
    run_applies = param.String(doc="What it is applied to; empty if it trains.")
    run_dataset: Any = param.Parameter(None, doc="DatasetCard of the cells of the shown run.")
    run_left = param.Dict({}, doc='Left when another pipeline was opened: {"run", "pipeline"}.')
    run_records = param.Dict({}, doc="New rows of losses since the last poll.")
    run_snapshot = param.Parameter(None, doc="The newest Snapshot, or None.")
    run_events = param.List(doc="New events since the last poll.")
    run_errors = param.List(doc="UserErrors of the run; each marks its block.")
    block_values = param.Dict({}, doc="For each block, what it shows of itself while it runs.")
    dials = param.Dict({}, doc="Present value of each dial of the shown run.")

    wish_of_colour: Any = param.Dict({}, doc='The colour last asked for: {"key", "n"}.')
    theme: Any = param.Selector(default="default", objects=["default", "dark"])
    showing = param.String(doc="Which dialog is open: see app/README.md.")
    notice = param.Dict({}, doc='The last thing said: {"text", "kind", "n"}.')

    def __init__(self, *, owner: str = "local", spec: PipelineSpec | None = None, **params: Any):
        super().__init__(owner=owner, spec=spec, **params)
        self.opened = time.time()
        # Set by `attach`: the server's engine, and the driver of this tab's run.
        self.engine: Any = None
        self.driver: Any = None
        self.data_dir = Path()
        self.schedule: Callable[[Callable[[], None]], None] = lambda function: function()
        self.work: Callable[..., None] = _at_once
        self.read: Callable[..., None] = _at_once  # the same, for what waits for a file
        self._closing: list[Callable[[], None]] = []
        # Name of a pipeline -> its run that was shown when another pipeline was opened.
        self._left: dict[str, str] = {}

    # -- the document ------------------------------------------------------------------------

    def _show(self, spec: PipelineSpec, change: str) -> None:
        renamed = spec.name != self.spec.name
        if renamed and change.endswith(RENAME) and self.is_of_this_document:
            self.run_document = spec.name  # its run goes with it
        super()._show(spec, change)
        if renamed:
            self._change_run()

    def _change_run(self) -> None:
        """What is shown belongs to what is named: leaves a run, or finds one that was left."""
        if self.driver is None:
            return
        if self.is_of_another_document:
            document, run = self.run_document, self.run_id
            if self.is_running:
                self.say(f"The run of '{document}' goes on: you find it under Runs.")
            if run:
                self._left[document] = run
                self.run_left = {"run": run, "pipeline": document}
            self.driver.forget()
        known = self._left.get(self.spec.name, "")
        if known and not self.run_id and not self.run_state:
            self.driver.watch(known)

    # -- data --------------------------------------------------------------------------------

    def use_dataset(self, card: DatasetCard) -> None:
        """Takes a data set into use: the ``data`` block gets its fields as ports."""
        if not self.is_edited_elsewhere():
            self.dataset = card

    def set_field(self, port: str, place: str) -> None:
        """Says where a field lies in the file; an empty place takes the field away."""
        if self.dataset is not None and not self.is_edited_elsewhere():
            fields = {k: v for k, v in {**self.dataset.fields, port: place}.items() if v}
            self.dataset = replace(self.dataset, fields=fields)

    # -- the run -----------------------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        """Whether the shown run is neither ended nor absent."""
        return self.run_state in RUNNING

    @property
    def is_of_this_document(self) -> bool:
        """Whether the shown run trains the pipeline on the canvas; if not, no block says so."""
        return bool(self.run_id or self.run_state) and self.run_document == self.spec.name

    @property
    def is_of_another_document(self) -> bool:
        """Whether the shown run trains another pipeline than the one on the canvas."""
        shown = bool(self.run_id or self.run_state)
        return shown and self.run_document not in ("", self.spec.name)

    @property
    def cells_shown(self) -> DatasetCard | None:
        """The data set whose cells are on the map; the one in use before there is a run."""
        return self.run_dataset if self.run_id else self.dataset

    @property
    def hindrance(self) -> str:
        """Why the pipeline cannot run now; empty if it can."""
        if not self.spec.blocks:
            return "Put a block on the canvas first."
        if self.dataset is None:
            return "Choose a data set first."
        return str(self.problems[0]) if self.problems else ""

    def run(self) -> None:
        """What Run and Ctrl+Enter do: begins, lets a paused run go on, or says why it cannot.

        Where the shown run trains another pipeline, that one goes on and this one begins.
        """
        busy = self.is_running and not self.is_of_another_document
        if busy and self.run_state == "paused":
            self.resume()
        elif busy:
            return
        elif self.hindrance:
            self.say(self.hindrance, "warning")
            if self.dataset is None and self.spec.blocks:
                self.showing = "data"
        else:
            self.start()

    def start(self, **options: Any) -> None:
        """Starts a run of this document on this data; returns at once."""
        self.driver.start(**options)

    def pause(self) -> None:
        """Asks the run to pause."""
        self.driver.ask("pause")

    def resume(self) -> None:
        """Asks the run to go on."""
        self.driver.ask("resume")

    def step(self) -> None:
        """Asks the run for one step more."""
        self.driver.ask("step")

    def stop(self) -> None:
        """Asks the run to end and write what there is."""
        self.driver.ask("stop")

    def watch_run(self, run_id: str) -> None:
        """Shows another run in this tab."""
        self.driver.watch(run_id)

    def apply_to(self, card: DatasetCard) -> None:
        """Applies what the shown run has learned to the cells of another data set."""
        self.driver.apply(card)

    def run_folder(self) -> Path | None:
        """Folder of the shown run."""
        return self.driver.folder() if self.driver and self.run_id else None

    def records(self) -> dict[str, Any]:
        """All loss rows so far of the shown run."""
        return self.driver.records() if self.driver and self.run_id else {}

    def turn(self, dial: str, value: float) -> None:
        """Turns a dial: in the running run if there is one, and always in the document."""
        if self.is_edited_elsewhere():
            return
        if self.is_running and self.driver is not None:
            self.dials = {**self.dials, dial: value}
            self.driver.turn(dial, value)
        if dial.startswith("weight:"):
            self.set_weight(dial.removeprefix("weight:"), value)
        elif "." not in dial:
            self.set_training(dial, value)
        else:
            block, name = dial.split(".", 1)
            self.set_setting(block, name, value)

    # -- what is said, and how it ends -------------------------------------------------------

    def say(self, text: str, kind: str = "info") -> None:
        """A short notification."""
        self.notice = {"text": text, "kind": kind, "n": self.notice.get("n", 0) + 1}

    def colour_by(self, key: str) -> None:
        """Asks the map for a colouring, ``"gene/CD3D"``; the same again is another wish."""
        self.wish_of_colour = {"key": key, "n": self.wish_of_colour.get("n", 0) + 1}

    def refuse(self, error: BaseException) -> None:
        """Shows a person's mistake in words; anything else is ours and says so."""
        if isinstance(error, UserError):
            self.say(str(error), "warning")
        else:
            _LOG.error("In the page", exc_info=error)
            self.say(f"Something went wrong here: {type(error).__name__}: {error}", "error")

    def later(self, function: Callable[[], None]) -> None:
        """Runs a function inside this tab's event loop; the only way in from another thread."""
        self.schedule(function)

    def on_close(self, function: Callable[[], None]) -> None:
        """Calls a function once when the tab is closed."""
        self._closing.append(function)

    def close(self) -> None:
        """Undoes everything that was registered outside the session."""
        for function in self._closing:
            try:
                function()
            except Exception:
                _LOG.exception("While closing a tab")
        self._closing.clear()


def _at_once(function: Callable[[], Any], then: Callable[[Any], None] | None = None) -> None:
    result = function()
    if then:
        then(result)
