"""The run that a tab shows beside its document, and whose pipeline is seen then."""

from typing import Any

import param

from app.session.dataset_card import DatasetCard
from app.session.document import RENAME
from app.session.looked_at import does_the_same, with_dials
from app.session.shared_document import SharedDocument
from diffbio_engine.pipelines.spec import PipelineSpec
from diffbio_engine.runs.folder.paths import ENDED

LOOKS = (
    "You look at a run as it was. 'Open its pipeline' to change it or run it again, or go back "
    "to '{name}'."
)
ENDED_EARLY = ("stopped", "failed", "lost")
RUNNING = ("queued", "starting", "preparing", "running", "pausing", "paused", "stopping")


class RunShown(SharedDocument):
    """The run of a tab. It may be one of another pipeline, which is then what the page shows."""

    run_id = param.String()
    run_state = param.String(doc="See app/README.md; empty if this tab shows no run.")
    run_opens = param.Boolean(False, doc="Its map, losses and events are still being read.")
    run_step = param.Integer(0)
    run_total = param.Integer(0)
    run_checkpoint = param.Integer(
        None, allow_None=True, doc="Step from which an ended run can go on; None: it cannot."
    )
    run_eta = param.Number(None, allow_None=True)
    run_message = param.String()
    run_place = param.String(doc="The block that the run is busy with, where it says so.")
    run_device = param.String()
    run_document = param.String(doc="Name of the pipeline that the shown run trains.")
    run_pipeline: Any = param.Parameter(None, doc="PipelineSpec of the shown run, as it trains.")
    looks_at_run = param.Boolean(False, doc="The canvas shows the run's pipeline, not its own.")
    run_applies = param.String(doc="What it is applied to; empty if it trains.")
    run_dataset: Any = param.Parameter(None, doc="DatasetCard of the cells of the shown run.")
    run_left = param.Dict({}, doc='Left when another pipeline was opened: {"run", "pipeline"}.')
    run_length = param.String(doc="How long a run of the canvas would take, in words.")
    run_records = param.Dict({}, doc="New rows of losses since the last poll.")
    run_snapshot = param.Parameter(None, doc="The newest Snapshot, or None.")
    preview: Any = param.Parameter(None, doc="previewing.Preview of turned dials, or None.")
    run_events = param.List(doc="New events since the last poll.")
    run_errors = param.List(doc="UserErrors of the run; each marks its block.")
    block_values = param.Dict({}, doc="For each block, what it shows of itself while it runs.")
    dials = param.Dict({}, doc="Present value of each dial of the shown run.")
    tried = param.Dict({}, doc="Dials turned in an ended run that is looked at, for a preview.")

    def __init__(self, *, owner: str = "local", spec: PipelineSpec | None = None, **params: Any):
        super().__init__(owner=owner, spec=spec, **params)
        # Set by `attach`: what brings news of the run.
        self.driver: Any = None
        # Name of a pipeline -> its run that was shown when another pipeline was opened.
        self._left: dict[str, str] = {}

    @property
    def goes_on_from(self) -> int | None:
        """The step from which the shown run could go on, if it has ended before its end."""
        return self.run_checkpoint if self.run_state in ENDED_EARLY else None

    @property
    def map_snapshot(self) -> Any:
        """What the map shows: a preview if there is one, else the newest map of the run."""
        previewed = None if self.preview is None else self.preview.snapshot
        return previewed if previewed is not None else self.run_snapshot

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
        known = self._left.pop(self.spec.name, "")
        if known and not self.run_id and not self.run_state:
            self.driver.watch(known)

    # -- a run that is looked at -------------------------------------------------------------

    @property
    def shown_spec(self) -> PipelineSpec:
        """The pipeline that the page shows: the document, or that of a run that is looked at."""
        if not self.looks_at_run:
            return self.spec
        turned = self.dials_shown
        return with_dials(self.run_pipeline, turned) if turned else self.run_pipeline

    @property
    def exported_spec(self) -> PipelineSpec:
        """What goes home as a file: of a run that is looked at, what it has trained."""
        return self.run_pipeline if self.looks_at_run else self.spec

    @property
    def dials_shown(self) -> dict[str, Any]:
        """Dials that are not as the shown pipeline has them, with where they stand."""
        if self.looks_at_run:
            return {**self.dials, **self.tried}
        return self.dials if self.is_of_this_document and self.is_running else {}

    @property
    def can_try(self) -> bool:
        """Whether dials of a run that is looked at can be turned, to see what they would do."""
        return self.looks_at_run and self.run_state in ENDED

    @property
    def shown_dataset(self) -> DatasetCard | None:
        """The data set that goes with it."""
        return self.run_dataset if self.looks_at_run else self.dataset

    @property
    def spec_of_run(self) -> PipelineSpec:
        """The pipeline whose map, losses and results are shown: names of blocks come from it."""
        return self.run_pipeline if self.run_id and self.run_pipeline else self.spec

    @property
    def is_run_of_canvas(self) -> bool:
        """Whether what the shown run says of its blocks belongs on the canvas."""
        return self.looks_at_run or self.is_of_this_document

    def watch_run(self, run_id: str) -> None:
        """Looks at a run: with its own pipeline and settings, where the document has others."""
        if self.run_id and self.is_of_this_document and not self.looks_at_run:
            self._left[self.spec.name] = self.run_id
        self.driver.watch(run_id)
        self.look_at_run()

    def look_at_run(self) -> None:
        """Shows the pipeline of the shown run, unless the document is the same."""
        trained = self.run_pipeline
        if trained is not None and self.run_id and not does_the_same(trained, self.spec):
            self.param.update(selected_block="", selected_wire="", looks_at_run=True)

    def leave_run(self) -> None:
        """Shows the document again, with the run that belongs to it."""
        if self.looks_at_run:
            self.param.update(selected_block="", selected_wire="")
            self.driver.forget()
            self._change_run()

    def is_refused(self) -> bool:
        """Whether the document cannot be changed now; then it says why."""
        if not self.looks_at_run:
            return super().is_refused()
        self.say(LOOKS.format(name=self.spec.name), "warning")
        self.param.trigger("spec")
        return True
