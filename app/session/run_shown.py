"""The run that a tab shows: how it stands, what it has found, and the way to steer it."""

from copy import copy
from pathlib import Path
from typing import Any

import param

from app.session.dataset_card import DatasetCard
from app.session.preview import Preview
from app.session.protocols import Driver
from diffbio_engine.pipelines.spec import PipelineSpec
from diffbio_engine.runs import Snapshot
from diffbio_engine.runs.folder.paths import ENDED

ENDED_EARLY = ("stopped", "failed", "lost")
RUNNING = ("queued", "starting", "preparing", "running", "pausing", "paused", "stopping")
_NO_PIPELINE = PipelineSpec("")


class RunShown(param.Parameterized):
    """The run of a tab. It knows no canvas: what it trains, and on what, it brings along."""

    id = param.String()
    state = param.String(doc="See app/README.md; empty if this tab shows no run.")
    opens = param.Boolean(False, doc="Its map, losses and events are still being read.")
    step = param.Integer(0)
    total = param.Integer(0)
    checkpoint = param.Integer(
        None, allow_None=True, doc="Step from which an ended run can go on; None: it cannot."
    )
    eta = param.Number(None, allow_None=True)
    message = param.String()
    place = param.String(doc="The block that the run is busy with, where it says so.")
    device = param.String()
    document = param.String(doc="Name of the pipeline that it trains.")
    pipeline = param.ClassSelector(
        class_=PipelineSpec, allow_None=True, doc="What it trains; None: not readable."
    )
    is_looked_at = param.Boolean(False, doc="The canvas shows its pipeline, not the document.")
    applies = param.String(doc="What it is applied to; empty if it trains.")
    dataset = param.ClassSelector(class_=DatasetCard, allow_None=True, doc="Its cells, or None.")
    beside: Any = param.Dict({}, doc="By data block, what it was told of other data sets: cards.")
    records = param.Dict({}, doc="New rows of losses since the last poll.")
    snapshot = param.ClassSelector(class_=Snapshot, allow_None=True, doc="The newest, or None.")
    preview: "param.Parameter[Preview | None]" = param.Parameter(
        None, doc="Of turned dials, or None."
    )
    events = param.List(doc="New events since the last poll.")
    errors = param.List(doc="UserErrors of the run; each marks its block.")
    block_values = param.Dict({}, doc="For each block, what it shows of itself while it runs.")
    dials = param.Dict({}, doc="Present value of each dial.")
    tried = param.Dict({}, doc="Dials turned in an ended run that is looked at, for a preview.")
    left = param.Dict({}, doc='Left when another pipeline was opened: {"run", "pipeline"}.')

    def __init__(self, **params: Any):
        super().__init__(**params)
        # Set by `attach`: what brings news of the run. None: a tab without a server.
        self.driver: Driver | None = None

    @property
    def is_shown(self) -> bool:
        """Whether the tab shows a run, or one that is being started."""
        return bool(self.id or self.state)

    @property
    def is_running(self) -> bool:
        """Whether the shown run is neither ended nor absent."""
        return self.state in RUNNING

    @property
    def spec(self) -> PipelineSpec:
        """What it trains: the names of its blocks and ports; empty where that is not known."""
        return self.pipeline or _NO_PIPELINE

    @property
    def goes_on_from(self) -> int | None:
        """The step from which it could go on, if it has ended before its end."""
        return self.checkpoint if self.state in ENDED_EARLY else None

    @property
    def map_snapshot(self) -> Snapshot | None:
        """What the map shows: a preview if there is one, else the newest map of the run."""
        previewed = None if self.preview is None else self.preview.snapshot
        return previewed if previewed is not None else self.snapshot

    @property
    def draws_no_map(self) -> bool:
        """Whether something of it was drawn, and there is no map among it."""
        return self.snapshot is not None and not self.snapshot.maps

    @property
    def can_try(self) -> bool:
        """Whether dials of a run that is looked at can be turned, to see what they would do."""
        return self.is_looked_at and self.state in ENDED

    def clear(self) -> None:
        """No run is shown; the preview ends by itself, and what was left is still known."""
        kept = ("name", "left", "preview")
        usual = {n: copy(p.default) for n, p in self.param.objects("existing").items()}
        self.param.update(**{n: value for n, value in usual.items() if n not in kept})

    # -- what a person asks of it: each returns at once --------------------------------------

    def start(self, **options: Any) -> None:
        """Starts a run of the tab's document on its data."""
        self._driven().start(**options)

    def pause(self) -> None:
        """Asks the run to pause."""
        self._driven().ask("pause")

    def resume(self) -> None:
        """Asks the run to go on."""
        self._driven().ask("resume")

    def take_results(self) -> None:
        """Asks for result and bundle of an ended run, as of its last checkpoint."""
        self._driven().ask("results")

    def one_step(self) -> None:
        """Asks the run for one step more."""
        self._driven().ask("step")

    def stop(self) -> None:
        """Asks the run to end and write what there is."""
        self._driven().ask("stop")

    def apply_to(self, card: DatasetCard, *, few_genes: bool = False) -> None:
        """Applies what it has learned to the cells of another data set.

        Args:
            card: Of these cells.
            few_genes: The person has seen that few of the genes match, and wants it all the same.
        """
        self._driven().apply(card, few_genes=few_genes)

    def turn(self, dial: str, value: float) -> None:
        """Turns a dial of the run."""
        self.dials = {**self.dials, dial: value}
        self._driven().turn(dial, value)

    def watch(self, run_id: str) -> None:
        """Shows this run from now on."""
        self._driven().watch(run_id)

    def forget(self) -> None:
        """Shows no run."""
        self._driven().forget()

    def folder(self) -> Path | None:
        """Its folder; None if no run is shown."""
        return self.driver.folder() if self.driver and self.id else None

    def all_records(self) -> dict[str, Any]:
        """All its loss rows so far, in the columns of ``records``."""
        return self.driver.records() if self.driver and self.id else {}

    def _driven(self) -> Driver:
        if self.driver is None:
            raise RuntimeError("This tab is not attached to a server.")
        return self.driver
