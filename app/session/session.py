"""Everything that one browser tab works on: the document, the data, the run."""

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import param

from app.session.data_in_use import DataInUse
from app.session.dataset_card import DatasetCard
from app.session.document import RENAME
from app.session.looked_at import does_the_same, with_dials
from app.session.of_server import OfServer
from app.session.protocols import Disk, Library, Runs
from app.session.run_shown import RunShown
from app.session.shared_document import SharedDocument
from app.session.tab import Tab
from app.style.colour_key import ColourKey
from app.style.messages import at_block
from app.style.titles import block_titles
from diffbio_engine.errors import UserError
from diffbio_engine.pipelines.spec import DATA, PipelineSpec
from diffbio_engine.ports import DATA_BLOCKS, DialName

__all__ = ["DatasetCard", "Session"]

_LOG = logging.getLogger("diffbio.app")
LOOKS = (
    "You look at a run as it was. 'Open its pipeline' to change it or run it again, or go back "
    "to '{name}'."
)


class Session(param.Parameterized):
    """One browser tab: its document, its data and its run, and what the page around them shows.

    Views watch their parameters and call their methods (see app/README.md).
    """

    engine = OfServer[Runs]()
    store = OfServer[Library]()
    room = OfServer[Disk]()

    asked_colour: Any = param.Dict({}, doc='The colour last asked for: {"key", "n"}.')
    gene_sets: Any = param.Dict({}, doc="Lists of genes that the person keeps, by name: tuples.")
    theme: Any = param.Selector(default="default", objects=["default", "dark"])
    showing = param.String(doc="Which dialog is open: see app/README.md.")
    layout: Any = param.Selector(default="build", objects=["build", "explore", "train"])
    notice = param.Dict({}, doc='The last thing said: {"text", "kind", "n"}.')

    def __init__(self, *, owner: str = "local", spec: PipelineSpec | None = None, **params: Any):
        super().__init__(**params)
        self.owner = owner
        self.data, self.run = DataInUse(), RunShown()
        self.document = SharedDocument(
            owner=owner, spec=spec, data=self.data, tells=self, locked=self._looks_on
        )
        # Before any view: what is drawn of a run belongs to the document that is shown.
        self.document.param.watch(self._named, ["spec"])
        # Name of a pipeline -> its run that was shown when another pipeline was opened.
        self._left: dict[str, str] = {}
        self.opened = time.time()
        self.data_dir = Path()
        self.is_connected: Callable[[], bool] = lambda: True
        self.schedule: Callable[[Callable[[], None]], None] = lambda function: function()
        self.work: Callable[..., None] = _at_once
        self.read: Callable[..., None] = _at_once  # the same, for what waits for a file
        self._closing: list[Callable[[], None]] = []

    @property
    def is_attached(self) -> bool:
        """Whether there is a server with runs, saved pipelines and data sets."""
        return hasattr(self, "engine")

    # -- data --------------------------------------------------------------------------------

    def use_dataset(self, card: DatasetCard, block: str = DATA) -> None:
        """Takes a data set into use: this data block gets its fields as ports."""
        self.leave_run()
        if not self.document.is_refused():
            self.data.put(block, card)

    def mirror(self, other: Tab, with_past: bool = False) -> None:
        """Shows the document and the data of another tab; `with_past` brings its undo along."""
        self.document.mirror(other.document, with_past)
        theirs, mine = other.data, self.data
        if (theirs.card, theirs.beside) != (mine.card, mine.beside):
            mine.param.update(card=theirs.card, beside=theirs.beside)

    # -- the run, and which pipeline the page shows --------------------------------------------

    @property
    def is_of_this_document(self) -> bool:
        """Whether the shown run trains the pipeline on the canvas; if not, no block says so."""
        return self.run.is_shown and self.run.document == self.document.spec.name

    @property
    def is_of_another_document(self) -> bool:
        """Whether the shown run trains another pipeline than the one on the canvas."""
        return self.run.is_shown and self.run.document not in ("", self.document.spec.name)

    @property
    def is_run_of_canvas(self) -> bool:
        """Whether what the shown run says of its blocks belongs on the canvas."""
        return self.run.is_looked_at or self.is_of_this_document

    @property
    def cells_shown(self) -> DatasetCard | None:
        """The data set whose cells are on the map; the one in use before there is a run."""
        return self.run.dataset if self.run.id else self.data.card

    @property
    def shown_spec(self) -> PipelineSpec:
        """The pipeline that the page shows: the document, or that of a run that is looked at."""
        if not self.run.is_looked_at:
            return self.document.spec
        turned = self.dials_shown
        return with_dials(self.run.spec, turned) if turned else self.run.spec

    @property
    def exported_spec(self) -> PipelineSpec:
        """What goes home as a file: of a run that is looked at, what it has trained."""
        return self.run.spec if self.run.is_looked_at else self.document.spec

    @property
    def dials_shown(self) -> dict[str, Any]:
        """Dials that are not as the shown pipeline has them, with where they stand."""
        if self.run.is_looked_at:
            return {**self.run.dials, **self.run.tried}
        return self.run.dials if self.is_of_this_document and self.run.is_running else {}

    @property
    def spec_of_dials(self) -> PipelineSpec:
        """Whose dials the page shows: a run's that is under way, whatever the canvas is by now."""
        live = self.is_of_this_document and self.run.is_running
        return self.run.spec if live and self.run.pipeline is not None else self.shown_spec

    @property
    def shown_dataset(self) -> DatasetCard | None:
        """The data set that goes with it."""
        return self.run.dataset if self.run.is_looked_at else self.data.card

    def shown_data_of(self, block: str) -> DatasetCard | None:
        """The same for any data block."""
        if block == DATA:
            return self.shown_dataset
        return self.shown_beside.get(block)

    @property
    def shown_beside(self) -> dict[str, DatasetCard]:
        """The data sets beside the data that go with the pipeline that the page shows."""
        return dict(self.run.beside if self.run.is_looked_at else self.data.beside)

    def watch_run(self, run_id: str) -> None:
        """Looks at a run: with its own pipeline and settings, where the document has others."""
        if self.run.id and self.is_of_this_document and not self.run.is_looked_at:
            self._left[self.document.spec.name] = self.run.id
        self.run.watch(run_id)
        self.look_at_run()

    def look_at_run(self) -> None:
        """Shows the pipeline of the shown run, unless the document is the same."""
        trained = self.run.pipeline
        if trained is not None and self.run.id and not does_the_same(trained, self.document.spec):
            self.document.param.update(selected_block="", selected_wire="")
            self.run.is_looked_at = True

    def leave_run(self) -> None:
        """Shows the document again, with the run that belongs to it."""
        if self.run.is_looked_at:
            self.document.param.update(selected_block="", selected_wire="")
            self.run.forget()
            self._change_run()

    def export_json(self) -> str:
        """What goes home as the text of a pipeline file."""
        return json.dumps(self.exported_spec.to_json(), indent=1)

    def _named(self, event: Any) -> None:
        """After each change of the document: where it bears another name."""
        before, spec = event.old.name, event.new
        if before == spec.name:
            return
        renamed = self.document.change.endswith(RENAME)
        if renamed and self.run.is_shown and self.run.document == before:
            self.run.document = spec.name  # its run goes with it
        self._change_run()

    def _change_run(self) -> None:
        """What is shown belongs to what is named: leaves a run, or finds one that was left."""
        if self.run.driver is None:
            return
        if self.is_of_another_document:
            document, run = self.run.document, self.run.id
            if self.run.is_running:
                self.say(f"The run of '{document}' goes on: you find it under Runs.")
            if run:
                self._left[document] = run
                self.run.left = {"run": run, "pipeline": document}
            self.run.forget()
        known = self._left.pop(self.document.spec.name, "")
        if known and not self.run.is_shown:
            self.run.watch(known)

    def _looks_on(self) -> str:
        """Why the document cannot be changed while a run is looked at; empty if none is."""
        return LOOKS.format(name=self.document.spec.name) if self.run.is_looked_at else ""

    @property
    def hindrance(self) -> str:
        """Why the pipeline cannot run now; empty if it can."""
        if looks_on := self._looks_on():
            return looks_on
        blocks, problems = self.document.spec.blocks, self.document.problems
        if not blocks:
            return "Put a block on the canvas first."
        lacking = self.data.lacking(self.document.spec)
        if lacking == DATA:
            return "Choose a data set first."
        if lacking:
            return f"Choose {DATA_BLOCKS[lacking].one} first: a second data set."
        return at_block(problems[0], block_titles(blocks)) if problems else ""

    def press_run(self) -> None:
        """What Run and Ctrl+Enter do: begins, lets a paused run go on, or says why it cannot.

        Where the shown run trains another pipeline, that one goes on and this one begins.
        """
        run = self.run
        busy = run.is_running and (run.is_looked_at or not self.is_of_another_document)
        if busy and run.state == "paused":
            run.resume()
        elif busy:
            return
        elif self.hindrance:
            self.say(self.hindrance, "warning")
            if self.data.lacking(self.document.spec) and self.document.spec.blocks:
                self.showing = "data"
        else:
            run.start()

    def turn(self, dial: str, value: float) -> None:
        """Turns a dial: in the running run if there is one, and always in the document.

        In an ended run that is looked at it is tried out: nothing but the preview shows it.
        """
        run = self.run
        if run.is_looked_at and run.is_running and "steps" not in dial:
            return run.turn(dial, value)
        named = DialName(dial)
        if run.can_try and named.is_setting:
            run.tried = {**run.tried, dial: value}
            return
        if self.document.is_refused():
            return
        # A block may have been taken off the canvas since the run began, or put on it.
        block, name = named.address.parts
        trained = run.spec if run.pipeline is not None else self.document.spec
        of_the_run = not name or any(b.id == block for b in trained.blocks)
        if run.is_running and run.driver is not None and of_the_run:
            run.turn(dial, value)
        if not name:
            self.document.set_training(dial, value)
        elif all(b.id != block for b in self.document.spec.blocks):
            return
        elif named.is_weight:
            self.document.set_weight(named.address, value)
        else:
            self.document.set_setting(block, name, value)

    # -- what is said, and how it ends -------------------------------------------------------

    def say(self, text: str, kind: str = "info") -> None:
        """A short notification."""
        self.notice = {"text": text, "kind": kind, "n": self.notice.get("n", 0) + 1}

    def colour_by(self, key: ColourKey) -> None:
        """Asks the map for a colouring, such as a gene; asked again, it is shown again."""
        self.asked_colour = {"key": key, "n": self.asked_colour.get("n", 0) + 1}

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
