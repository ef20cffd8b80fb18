"""The shared engine of the server, and what brings news of a run into a tab."""

import threading
import time
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.access.reach import whole_within_reach, within_reach
from app.files import readers
from app.server import disk_cleanup
from app.server.editing import Editing
from app.server.fair_pool import FairPool
from app.server.paces import Paces
from app.server.run_duration import how_long, how_many
from app.server.run_poll import look_on
from app.server.run_updates import News, gathered, shown_of, values_by_block
from app.server.snapshot_cache import SnapshotsSeen
from app.server.validation import planned_or_not
from app.session.autosave import Autosave
from app.session.datasets import show_cells_of
from app.session.looked_at import pipeline_of
from app.session.previewing import Previewing
from app.session.session import DatasetCard, Session
from diffbio_engine.data.genes.alignment import LEAST_OVERLAP
from diffbio_engine.errors import RunError, UserError
from diffbio_engine.pipelines.spec import PipelineSpec
from diffbio_engine.runs import Engine, RunReader
from diffbio_engine.runs.folder.run_spec import RunSpec, data_beside, paths_of_data
from diffbio_engine.workspace import Store

_POLL_ENDED_SECONDS = 1.0
_ROOM_OF_A_RUN = 16 << 20


class Server:
    """What all tabs of this server process share. It holds tabs weakly."""

    def __init__(self, data_dir: str | Path, **engine_options: Any):
        self.data_dir = Path(data_dir).resolve()
        # Before there is an engine that would have to be closed.
        room = disk_cleanup.room_settings()
        self.engine = Engine(self.data_dir, **engine_options)
        self.store = Store(self.data_dir)
        self.pool, self.paces = FairPool(), Paces(self.engine)
        self.room = disk_cleanup.room_of(self.engine, room)
        readers.begin(self.data_dir, self.room)
        self.drivers: weakref.WeakSet[RunDriver] = weakref.WeakSet()
        self.editing = Editing()
        self.snapshot = SnapshotsSeen().get
        self._end = threading.Event()
        disk_cleanup.begin(self.room, self._end)
        told = (weakref.ref(self), self._end)
        self._thread = threading.Thread(target=look_on, args=told, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Looks no more; runs go on."""
        self._end.set()
        self.pool.shutdown()
        self.engine.close()


@dataclass(eq=False)
class RunDriver:
    """The run of one tab: starts it, steers it, and hands its news to the session."""

    session: Session
    server: Server
    autosave: Autosave
    previewing: Previewing | None = None
    _reader: RunReader | None = None
    _next_look: float = 0.0
    _inbox: list[News] = field(default_factory=list)
    _turns: dict[str, float] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _check_due: float | None = None
    _checking: int = 0

    # -- what the person asks ----------------------------------------------------------------

    def start(self, **options: Any) -> None:
        """Starts a run of the tab's document on its data."""
        session, card = self.session, self.session.data.card
        if card is None:
            session.refuse(RunError("There is no data set yet.", fix="Choose one, then press Run."))
            session.showing = "data"
            return
        training = session.document.spec.training
        try:
            run = RunSpec(
                pipeline=session.document.spec.to_json(),
                dataset=card.for_a_run,
                beside=session.data.beside_for_a_run(session.document.spec),
                title=f"{session.document.spec.name} on {card.name}",
                steps=int(options.get("steps", training.get("steps", 0)) or 0),
                seed=int(options.get("seed", training.get("seed", 0)) or 0),
            ).to_json()
        except UserError as error:
            session.refuse(error)
            return
        self._launch(run, session.document.spec)

    def apply(self, card: DatasetCard, *, few_genes: bool = False) -> None:
        """Starts a run that places other cells by what the shown run has learned."""
        session = self.session
        trained = self.server.engine.folder(session.run.id, session.owner)
        # As it was at the end, with what was turned meanwhile: so has the bundle learned it.
        turned = pipeline_of(trained.run, trained.control().get("dials") or {})
        named = session.run.document
        run = RunSpec(
            pipeline=trained.run["pipeline"] if turned is None else turned.to_json(),
            dataset=card.for_a_run,
            title=f"{named}, as trained, applied to {card.name}",
            seed=int(trained.run.get("seed") or 0),
            bundle=str(trained.bundle),
            least_overlap=0.0 if few_genes else LEAST_OVERLAP,
        ).to_json()
        self._launch(run, turned, named)

    def _launch(
        self, run: dict[str, Any], pipeline: PipelineSpec | None, document: str = ""
    ) -> None:
        session = self.session
        try:
            for path in paths_of_data(run):
                whole_within_reach(session, path)
            if run.get("bundle"):
                within_reach(session, run["bundle"])
        except UserError as error:
            return session.refuse(error)
        self.forget()
        document = document or (pipeline.name if pipeline is not None else "")
        session.run.param.update(
            state="queued", message="Starting a worker", document=document, pipeline=pipeline
        )

        def start() -> str | UserError:
            try:
                self.server.room.require(session.owner, _ROOM_OF_A_RUN, "A new run")
                return self.server.engine.start(run, session.owner)
            except UserError as error:
                return error

        def started(found: str | UserError) -> None:
            if isinstance(found, str):
                return self.watch(found)
            self.forget()
            session.refuse(found)

        session.work(start, started)

    def ask(self, what: str) -> None:
        """pause, resume, step, stop or results."""
        session = self.session
        if not session.run.id:
            return
        again = {"resume": "queued", "results": "queued"} if not session.run.is_running else {}
        shown = {"pause": "pausing", "stop": "stopping", **again}.get(what)
        if shown:
            session.run.state = shown
        if what in ("resume", "step", "results"):
            session.run.message = ""  # what was said of the pause is over
        act = getattr(self.server.engine, what)
        run_id, owner = session.run.id, session.owner
        session.work(lambda: act(run_id, owner))
        self._next_look = 0.0

    def turn(self, dial: str, value: float) -> None:
        """Turns a dial of the run; of many turns in a moment only the last is written."""
        with self._guard:
            first = not self._turns
            self._turns[dial] = value
        if first:
            self.session.work(self._write_turns)

    def _write_turns(self) -> None:
        with self._guard:
            turns, self._turns = dict(self._turns), {}
        if self.session.run.id:
            self.server.engine.turn(self.session.run.id, self.session.owner, turns)

    # -- which run is shown ------------------------------------------------------------------

    def forget(self) -> None:
        """Shows no run."""
        with self._guard:
            self._reader, self._inbox = None, []
        self.session.run.clear()

    def watch(self, run_id: str) -> None:
        """Shows this run from now on: at once how it stands, with the first news its history."""
        try:
            folder = self.server.engine.folder(run_id, self.session.owner)
        except UserError as error:
            self.session.refuse(error)
            return
        self.forget()
        turned = folder.control().get("dials") or {}
        run = folder.run
        document = str((run.get("pipeline") or {}).get("name") or "")
        applied_to = str((run.get("dataset") or {}).get("name") or "") if run.get("bundle") else ""
        state = folder.state()
        self.session.run.param.update(
            id=run_id, state=state, dials=dict(turned), document=document,
            applies=applied_to, pipeline=pipeline_of(run, turned), opens=True,
            beside={b: DatasetCard.told(told) for b, told in data_beside(run).items()},
            **shown_of(folder.status(), state),
        )  # fmt: skip
        show_cells_of(self.session, run)
        with self._guard:
            self._reader, self._next_look = RunReader(folder.path), 0.0

    def folder(self) -> Path:
        """Folder of the shown run."""
        return self.server.engine.folder(self.session.run.id, self.session.owner).path

    def records(self) -> dict[str, Any]:
        """All loss rows of the shown run."""
        return RunReader(self.folder()).metrics()

    # -- news, from the looking thread into the tab --------------------------------------------

    def check_soon(self) -> None:
        """The document is to be checked when the person's hand rests."""
        self._check_due = time.monotonic() + 0.15

    def look(self) -> None:
        """Called in the looking thread."""
        now = time.monotonic()
        if self._check_due is not None and now >= self._check_due:
            self._check_due = None
            self._checking += 1
            self.server.pool.submit(self.session.owner, self._check, self._checking)
        self.autosave.look(now)
        if self.previewing is not None:
            self.previewing.look(now)
        reader = self._reader
        if reader is None or now < self._next_look:
            return
        changes = reader.poll()
        news = gathered(reader, changes, self.server.snapshot)
        ended = news.state in ("done", "stopped", "failed")
        self._next_look = now + _POLL_ENDED_SECONDS if ended else 0.0
        with self._guard:
            nothing = news.is_empty(self.session.run.state) and not self.session.run.opens
            if self._reader is not reader or nothing:
                return
            self._inbox.append(news)
            waits = len(self._inbox) > 1
        if not waits:
            self.session.later(self._deliver)

    def _deliver(self) -> None:
        with self._guard:
            inbox, self._inbox = self._inbox, []
        for news in inbox:
            self._show(news)

    def _show(self, news: News) -> None:
        session, status = self.session, news.status
        if news.state == "gone":
            self.forget()
            return session.say("The run that was shown has been deleted.")
        # What was asked a moment ago stays shown until the worker has answered.
        asked = {"pausing": ("running", "starting"), "stopping": ("running", "paused", "starting")}
        if news.state not in asked.get(session.run.state, ()):
            session.run.state = news.state
        changed: dict[str, Any] = {"checkpoint": news.checkpoint, "opens": False}
        if status:
            changed |= shown_of(status, news.state)
        turned = {e["name"]: e["value"] for e in news.events if e.get("kind") == "dial"}
        if turned and not self._turns:
            changed["dials"] = {**session.run.dials, **turned}
        if news.events:
            changed["events"] = news.events
        if news.snapshot is not None:
            changed["snapshot"] = news.snapshot
        session.run.param.update(**changed)
        for records in news.records:
            session.run.records = records
        if news.records:
            run = session.run
            run.block_values = values_by_block(news.records[-1], run.block_values)

    # -- the check of the document -------------------------------------------------------------

    def _check(self, number: int) -> None:
        session = self.session
        spec, card = session.document.spec, session.data.card
        problems, planned = planned_or_not(spec, session.document.data_ports)
        length = steps = ""
        if planned is not None and card is not None:
            paces, owner = self.server.paces, session.owner
            taken = paces.of(owner, spec, card.path)
            steps = how_many(planned, card.n_cells)
            length = how_long(planned, card.n_cells, taken, paces.to_begin(owner), card.rows)

        def show() -> None:
            if number == self._checking:
                session.document.param.update(problems=problems, run_length=length, run_steps=steps)

        session.later(show)
