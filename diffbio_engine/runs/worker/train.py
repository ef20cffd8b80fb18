"""Carries out one run: the only process that trains. Everything it says goes into the folder."""

import os
import statistics
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from diffbio_engine.axes import said_of
from diffbio_engine.errors import RunError, TrainingError, UserError
from diffbio_engine.ports import Address
from diffbio_engine.runs.device import backend
from diffbio_engine.runs.folder.paths import Control
from diffbio_engine.runs.folder.patience import seconds_paused
from diffbio_engine.runs.folder.plain_values import named, text
from diffbio_engine.runs.folder.run_spec import RunSpec
from diffbio_engine.runs.folder.snapshots import Snapshot
from diffbio_engine.runs.folder.writer import (
    EXIT_DONE,
    EXIT_ERROR,
    EXIT_NOT_FINITE,
    EXIT_PAUSED,
    EXIT_START_AGAIN,
    EXIT_TAKEN,
    RunWriter,
    TakenError,
)
from diffbio_engine.runs.worker.apply import Application
from diffbio_engine.runs.worker.marker_genes import Marked
from diffbio_engine.runs.worker.open_run import Opened, open_run
from diffbio_engine.runs.worker.preemption import Preemption
from diffbio_engine.runs.worker.results import facts_of, leave_results
from diffbio_engine.runs.worker.snapshot_maker import SnapshotMaker
from diffbio_engine.training import StepReport, TrainingState

_SECONDS_BETWEEN_CHECKPOINTS = 30.0
_SECONDS_BETWEEN_FINDINGS = 3.0
_CHECKPOINTS_KEPT = 2
_GIVEN_BACK = "Its memory was given back; Resume starts it again."


def work(path: Path) -> int:
    """Carries out the run of a folder; the exit code says how it ended."""
    try:
        with RunWriter(path) as writer, Preemption() as preemption:
            kind = Application if writer.run.get("bundle") else Worker
            worker = kind(writer, preemption)
            try:
                return worker.carry_out()
            except UserError as error:  # written of cells, said of what the rows are
                error.what = said_of(worker.record, error.what)
                error.fix = said_of(worker.record, error.fix)
                raise
    except TrainingError:
        return EXIT_NOT_FINITE
    except TakenError as error:
        print(error, flush=True)
        return EXIT_TAKEN
    except UserError as error:
        print(error, flush=True)
        return EXIT_ERROR


class Worker:
    """The loop of one run: take a step, look what the person wants, show, save."""

    def __init__(self, writer: RunWriter, preemption: Preemption) -> None:
        self.writer, self.preemption = writer, preemption
        self.folder = writer.folder
        self.spec = RunSpec.from_json(writer.run)
        self.record = self.spec.rows()
        self.want = "run"
        self.steps_to_take = 0
        self._last_checkpoint = time.perf_counter()
        self._last_findings = -_SECONDS_BETWEEN_FINDINGS
        self._turned_by_control: dict[str, float] = {}
        self._compilations = 0
        self._report: StepReport | None = None
        # Seconds of the last plain steps, by which the page says how long the rest will take.
        self._pace: deque[float] = deque(maxlen=21)
        self._phase = "starting"
        self._patience, self._last_asked = seconds_paused(os.environ), time.perf_counter()

    def carry_out(self) -> int:
        """Opens the run, trains to its end, and writes what it leaves."""
        self._open()
        began = time.perf_counter()
        of_checkpoint = self.want == "results"
        if not of_checkpoint:
            self.preemption.can_wait = True
            self._train()
            if self.preemption.asked or self._idle_too_long():
                return self._leave()
            self.preemption.can_wait = False
        self._beat("stopping", message="Writing the results")
        if not of_checkpoint:
            self._checkpoint()
        settled = self.training.settle()
        self._say("", "Writing the results")
        self._show(self.maker.whole, settled)
        said = self._leave_results(time.perf_counter() - began, of_checkpoint=of_checkpoint)
        finished = self.training.step >= self.training.total_steps
        if said and (error := named(self.writer.before.get("error"))):
            said += f" Before, the run had failed: {text(error.get('what'))}"
        state = "done" if finished else "stopped"
        self.writer.finish(state, step=self.training.step, message=said)
        return EXIT_DONE

    def _leave(self) -> int:
        """Saves and ends, asked to or after a long pause; the exit code says which."""
        self._checkpoint()
        if self.preemption.asked:
            return EXIT_START_AGAIN
        self.writer.heartbeat(now=True, state="paused", message=_GIVEN_BACK, released=True)
        return EXIT_PAUSED

    def _idle_too_long(self) -> bool:
        idle = self.want in ("pause", "step") and not self.steps_to_take
        return idle and time.perf_counter() - self._last_asked > self._patience

    def _open(self) -> None:
        say = self._say
        self.opened = open_run(self.spec, say)
        self.record = self.opened.cells.record
        self.training = self.opened.training
        self._columns = ("total", *self.opened.pipeline.plan.terms)
        self._resume_or_prepare()
        plan, stages = self.opened.pipeline.plan, self.training.stages
        ends_anew = any(stage.refresh_every for stage in stages)
        self.maker = SnapshotMaker(plan, self.opened.cells, self.spec.seed, settles=ends_anew)
        self.writer.begin(self._columns, start=self.training.step)
        self._obey(self.writer.control())
        first = "Drawing the first map" if self.maker.maps else "Looking at the start"
        self._say("", first)
        self._show(self.maker.whole, self.training.sync())
        self._say("", "Compiling the training step")

    def _train(self) -> None:
        while (
            self.want not in ("stop", "results")
            and not self.preemption.asked
            and not self._idle_too_long()
            and self.training.step < self.training.total_steps
        ):
            if self.want == "run" or self.steps_to_take > 0:
                self._one_step()
                self.steps_to_take = max(0, self.steps_to_take - 1)
                if self.want == "step" and not self.steps_to_take:
                    self._pause()
            else:
                self._beat("paused")
                time.sleep(0.03)
            self._obey(self.writer.control())

    # -- stepping --------------------------------------------------------------------------

    def _one_step(self) -> None:
        report = self.training.one_step()
        self._report = report
        self.writer.metric(report.step, {"total": report.total, **report.losses})
        compiled = self.training.compilations != self._compilations
        if not (compiled or report.refreshed):
            self._pace.append(report.seconds)
        if compiled:
            self._compilations = self.training.compilations
            self.writer.event("compiled", report.step, count=self._compilations)
        if report.refreshed:
            self.writer.event("refresh", report.step - 1)
        self._tell_stage(report)
        self._beat("running")
        if self.maker.due():
            self._show(self.maker.whole, self.training.sync())
        if time.perf_counter() - self._last_checkpoint > _SECONDS_BETWEEN_CHECKPOINTS:
            self._checkpoint()

    def _tell_stage(self, report: StepReport) -> None:
        stage, first = self.training.stage_at(report.step - 1)
        if report.step - 1 == first:
            self.writer.event("stage", first, name=stage.name)

    def _obey(self, control: Control | None) -> None:
        if control is None:
            return
        self._last_asked = time.perf_counter()
        if control.want == "results" and self._report is None:
            self.want = "results"  # as of the checkpoint: what was turned since is left aside
            return
        self.steps_to_take += control.steps_to_take
        before, self.want = self.want, control.want
        changed = self._turn(control)
        if changed is not None and hasattr(self, "maker") and self.maker.drawable:
            pipeline = self.training.sync()
            block = Address.parse(changed).block
            if block in pipeline.plan.blocks:
                self._show(lambda p: self.maker.behind(p, block), pipeline)
        if self.want == "pause" and before != "pause":
            self._pause()
        elif self.want in ("run", "step") and self._report:  # before, it is still being compiled
            self._beat("running")

    def _turn(self, control: Control) -> str | None:
        """Turns the dials that changed; the name of the last one."""
        changed = None
        now = dict(control.dials)
        for name in {*now, *self._turned_by_control}:
            value = now.get(name)
            if value == self._turned_by_control.get(name):
                continue
            try:
                self.training.turn(name, value)
            except UserError as error:
                self.writer.event("error", self.training.step, error=error.as_dict())
                continue
            step, told = self.training.step, {"name": name, "value": value}
            self.writer.event("dial", step, seq=control.seq, **told)
            changed = name
        self._turned_by_control = now
        return changed

    def _pause(self) -> None:
        self._last_asked = time.perf_counter()
        self._checkpoint()
        self.want = "pause"
        self.writer.event("paused", self.training.step)
        self._beat("paused")

    # -- saying and showing ----------------------------------------------------------------

    def _say(self, place: str, message: str) -> None:
        # A refresh in the midst of training is no new start.
        state = self._phase if self._report else "starting"
        self.writer.heartbeat(state=state, message=message, place=place)

    def _beat(self, state: str, message: str = "") -> None:
        report, self._phase = self._report, state
        self.writer.heartbeat(
            state=state,
            message=message,
            step=self.training.step,
            total_steps=self.training.total_steps,
            epoch=self.training.epoch,
            stage=report.stage if report else "",
            seconds_per_step=statistics.median(self._pace) if self._pace else None,
            compilations=self.training.compilations,
            device=backend(),
        )

    def _show(self, draw: Callable[[Any], Snapshot], pipeline: Any) -> None:
        if not self.maker.drawable:
            return
        self.writer.snapshot(replace(draw(pipeline), step=self.training.step))
        if time.perf_counter() - self._last_findings > _SECONDS_BETWEEN_FINDINGS:
            self._tell_findings(pipeline)

    def _tell_findings(self, pipeline: Any, marked: Marked | None = None) -> None:
        self.writer.findings(self.maker.findings(self.training.step, pipeline, marked))
        self._last_findings = time.perf_counter()

    # -- saving ----------------------------------------------------------------------------

    def _checkpoint(self) -> None:
        began = time.perf_counter()
        state = self.training.state()
        state.facts["control"] = self._turned_by_control
        state.save(self.folder.checkpoints / f"{self.training.step:09d}.safetensors")
        for old in self.folder.checkpoint_files()[:-_CHECKPOINTS_KEPT]:
            old.unlink(missing_ok=True)
        self._last_checkpoint = time.perf_counter()
        self.writer.event("checkpoint", self.training.step, seconds=self._last_checkpoint - began)

    def _resume_or_prepare(self) -> None:
        for path in reversed(self.folder.checkpoint_files()):
            try:
                state = TrainingState.load(path)
            except RunError:
                path.unlink(missing_ok=True)
                continue
            self._say("", "Going on from the last checkpoint")
            self.training.restore(state)
            self._turned_by_control = dict(state.facts.get("control", {}))
            return
        if self.folder.control()["want"] == "results":
            raise RunError(
                "There is no checkpoint of this run to take results of.",
                fix="Continue the run, or start it again.",
            )
        self.training.prepare()
        # A start from which a killed run can go on: preparing may take long.
        self.training.state().save(self.folder.checkpoints / f"{0:09d}.safetensors")

    def _leave_results(self, seconds: float, *, of_checkpoint: bool) -> str:
        """Writes what the run leaves; in words, which step it is of if that is not the last."""
        opened: Opened = self.opened
        pipeline = self.training.sync()
        pipeline.eval_mode()
        marked = self.maker.marked(pipeline, opened.fields.get("counts", "X"))
        self._tell_findings(pipeline, marked)
        facts = facts_of(self.writer, opened, self._report, seconds, of_checkpoint=of_checkpoint)
        leave_results(self.writer, opened, pipeline, marked, facts)
        return f"Results {facts['as_of']}." if of_checkpoint else ""
