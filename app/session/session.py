"""Everything that one browser tab works on: the document, the data, the run."""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import param

from app.session.dataset_card import DatasetCard
from app.session.run_shown import LOOKS, RUNNING, RunShown
from app.style.messages import at_block
from app.style.titles import block_titles
from diffbio_engine.errors import UserError
from diffbio_engine.pipelines.spec import PipelineSpec
from diffbio_engine.ports import Address

__all__ = ["RUNNING", "DatasetCard", "Session"]

_LOG = logging.getLogger("diffbio.app")


class Session(RunShown):
    """One browser tab. Views watch its parameters and call its methods (see app/README.md)."""

    wish_of_colour: Any = param.Dict({}, doc='The colour last asked for: {"key", "n"}.')
    theme: Any = param.Selector(default="default", objects=["default", "dark"])
    showing = param.String(doc="Which dialog is open: see app/README.md.")
    folds_palette = param.Boolean(False, doc="Asks the page to fold the palette, for the map.")
    notice = param.Dict({}, doc='The last thing said: {"text", "kind", "n"}.')

    def __init__(self, *, owner: str = "local", spec: PipelineSpec | None = None, **params: Any):
        super().__init__(owner=owner, spec=spec, **params)
        self.opened = time.time()
        # Set by `attach`: the server's engine, and the driver of this tab's run.
        self.engine: Any = None
        self.room: Any = None
        self.data_dir = Path()
        self.schedule: Callable[[Callable[[], None]], None] = lambda function: function()
        self.work: Callable[..., None] = _at_once
        self.read: Callable[..., None] = _at_once  # the same, for what waits for a file
        self._closing: list[Callable[[], None]] = []

    # -- data --------------------------------------------------------------------------------

    def use_dataset(self, card: DatasetCard) -> None:
        """Takes a data set into use: the ``data`` block gets its fields as ports."""
        self.leave_run()
        if not self.is_refused():
            self.dataset = card

    def set_field(self, port: str, place: str) -> None:
        """Says where a field lies in the file; an empty place takes the field away."""
        if self.dataset is not None and not self.is_refused():
            fields = {k: v for k, v in {**self.dataset.fields, port: place}.items() if v}
            self.dataset = replace(self.dataset, fields=fields)

    # -- the run -----------------------------------------------------------------------------

    @property
    def hindrance(self) -> str:
        """Why the pipeline cannot run now; empty if it can."""
        if self.looks_at_run:
            return LOOKS.format(name=self.spec.name)
        if not self.spec.blocks:
            return "Put a block on the canvas first."
        if self.dataset is None:
            return "Choose a data set first."
        return at_block(self.problems[0], block_titles(self.spec.blocks)) if self.problems else ""

    def run(self) -> None:
        """What Run and Ctrl+Enter do: begins, lets a paused run go on, or says why it cannot.

        Where the shown run trains another pipeline, that one goes on and this one begins.
        """
        busy = self.is_running and (self.looks_at_run or not self.is_of_another_document)
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

    def take_results(self) -> None:
        """Asks for result and bundle of an ended run, as of its last checkpoint."""
        self.driver.ask("results")

    def step(self) -> None:
        """Asks the run for one step more."""
        self.driver.ask("step")

    def stop(self) -> None:
        """Asks the run to end and write what there is."""
        self.driver.ask("stop")

    def apply_to(self, card: DatasetCard, *, few_genes: bool = False) -> None:
        """Applies what the shown run has learned to the cells of another data set.

        Args:
            few_genes: The person has seen that few of the genes match, and wants it all the same.
        """
        self.driver.apply(card, few_genes=few_genes)

    def run_folder(self) -> Path | None:
        """Folder of the shown run."""
        return self.driver.folder() if self.driver and self.run_id else None

    def records(self) -> dict[str, Any]:
        """All loss rows so far of the shown run."""
        return self.driver.records() if self.driver and self.run_id else {}

    def turn(self, dial: str, value: float) -> None:
        """Turns a dial: in the running run if there is one, and always in the document.

        In an ended run that is looked at it is tried out: nothing but the preview shows it.
        """
        if self.looks_at_run and self.is_running and "steps" not in dial:
            self.dials = {**self.dials, dial: value}
            return self.driver.turn(dial, value)
        if self.can_try and "." in dial and not dial.startswith("weight:"):
            self.tried = {**self.tried, dial: value}
            return
        if self.is_refused():
            return
        if self.is_running and self.driver is not None:
            self.dials = {**self.dials, dial: value}
            self.driver.turn(dial, value)
        if dial.startswith("weight:"):
            self.set_weight(dial.removeprefix("weight:"), value)
        elif "." not in dial:
            self.set_training(dial, value)
        else:
            block, name = Address.parse(dial).parts
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
