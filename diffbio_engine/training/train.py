"""Trains a pipeline: whoever loops over the reports decides when to look, save, turn or stop."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine.data import CellSource, SamplerState
from diffbio_engine.declare import Buffer, Dial, TrainingBuffer
from diffbio_engine.errors import SettingError, TrainingError, did_you_mean
from diffbio_engine.pipelines import Pipeline, prepare
from diffbio_engine.training.drawn_batches import DrawnBatches
from diffbio_engine.training.not_finite import not_finite
from diffbio_engine.training.objective_step import ObjectiveStep
from diffbio_engine.training.schedules import Schedule
from diffbio_engine.training.stages import Stage
from diffbio_engine.training.state import TrainingState, named_arrays, put_arrays

LEARNING_RATE = "learning_rate"
WEIGHT = "weight:"


@dataclass(frozen=True)
class StepReport:
    """What happened in one step. ``losses`` are the terms before weighting."""

    step: int
    epoch: int
    stage: str
    total: float
    losses: dict[str, float]
    seconds: float
    refreshed: bool = False


class Training:
    """A pipeline being trained on a data set. Iterate it; turn its dials between steps.

    ``pipeline`` always holds the present weights. All that changes is in ``state()``; a training
    that is restored from it goes on with the same losses, bit for bit on CPU.

    Args:
        stages: What learns, one after the other.
        batch_size: Cells in a step; with blocks that learn from neighbours, half of them anchors.
        schedules: By dial name, how it moves by itself until a person turns it.
        say: Told what takes long, block by block.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        cells: CellSource,
        stages: tuple[Stage, ...],
        *,
        batch_size: int = 128,
        seed: int = 0,
        learning_rate: float = 1e-3,
        schedules: Mapping[str, Schedule] | None = None,
        say: Callable[[str, str], None] | None = None,
    ) -> None:
        self.pipeline, self.cells, self.stages = pipeline, cells, stages
        self.batch_size = min(batch_size, max(2, cells.n_cells))
        self.seed, self.say = seed, say
        if not pipeline.plan.losses:
            raise TrainingError(
                "No block of the pipeline has a loss, so there is nothing to learn.",
                fix="Add a block that trains (a normaliser, a map, clusters) or a loss.",
            )
        self.schedules = dict(schedules or {})
        self.turned: dict[str, float] = {}
        self._rest = {LEARNING_RATE: learning_rate} | {
            WEIGHT + port: weight for port, weight in pipeline.plan.losses.items()
        }
        self._rest |= pipeline.dials
        for name, schedule in self.schedules.items():
            for end in (schedule.initial, schedule.final):
                self._allowed(name, end)
        self.step = 0
        self.prepared = False
        self._drawn = DrawnBatches(pipeline.plan, cells, self.batch_size, seed)
        self.steps_per_epoch = self._drawn.steps_per_epoch
        self._refreshed_epoch = 0
        self._step_function = ObjectiveStep(pipeline)

    # -- what can be asked -----------------------------------------------------------------

    @property
    def total_steps(self) -> int:
        """The length of all stages."""
        return sum(stage.n_steps(self.steps_per_epoch) for stage in self.stages)

    @property
    def epoch(self) -> int:
        """How often every cell has been seen."""
        return self.step // self.steps_per_epoch

    @property
    def compilations(self) -> int:
        """How often the step was compiled; turning a dial leaves it alone."""
        return self._step_function.compilations

    def stage_at(self, step: int) -> tuple[Stage, int]:
        """The stage that a step belongs to, and its first step."""
        first = 0
        for stage in self.stages:
            length = stage.n_steps(self.steps_per_epoch)
            if step < first + length:
                return stage, first
            first += length
        return self.stages[-1], first - self.stages[-1].n_steps(self.steps_per_epoch)

    # -- dials -----------------------------------------------------------------------------

    def turn(self, name: str, value: float | None) -> None:
        """Sets a dial: ``learning_rate``, ``weight:block.loss`` or ``block.dial``.

        It stays there whatever its schedule says; None gives it back to the schedule.
        """
        if value is None:
            self._known(name)
            self.turned.pop(name, None)
            return
        self.turned[name] = self._allowed(name, value)

    def dials_at(self, step: int) -> dict[str, float]:
        """The value of every dial at a step: turned by hand, else scheduled, else as it was."""
        stage, _ = self.stage_at(step)
        values = dict(self._rest)
        values |= {WEIGHT + port: weight for port, weight in stage.weights.items()}
        if stage.learning_rate is not None:
            values[LEARNING_RATE] = stage.learning_rate
        values |= {name: schedule(step) for name, schedule in self.schedules.items()}
        return values | self.turned

    def _allowed(self, name: str, value: float) -> float:
        """The value in its right type; refused where the dial does not go."""
        self._known(name)
        block_id, _, dial = name.partition(".")
        if block_id in self.pipeline.plan.blocks:
            declared = self.pipeline.plan.blocks[block_id].declared
            setting = next(s for s in declared.settings if s.name == dial)
            try:
                return float(setting.check(value))
            except SettingError as error:
                raise error.at(block_id) from None
        if not np.isfinite(value) or value < 0:
            raise SettingError(f"{value:g} is not allowed.", fix="Use 0 or more.", where=name)
        return float(value)

    def _known(self, name: str) -> None:
        if name not in self._rest:
            raise SettingError(
                f"there is no dial '{name}'.", fix=did_you_mean(name, self._rest), where=name
            )

    # -- training --------------------------------------------------------------------------

    def prepare(self) -> None:
        """Lets every block look at the data; the pipeline then shows something meaningful."""
        if not self.prepared:
            prepare(self.pipeline, self.cells, seed=self.seed, say=self.say)
            self.prepared = True
            self._take_pipeline()

    def __iter__(self) -> Iterator[StepReport]:
        self.prepare()
        while self.step < self.total_steps:
            yield self.one_step()

    def one_step(self) -> StepReport:
        """Draws a batch, takes one step, and tells of it."""
        began = time.perf_counter()
        self.prepare()
        stage, first = self.stage_at(self.step)
        refreshed = self._refresh_if_due(stage, first)
        data = self._drawn.draw()
        dials = self.dials_at(self.step)
        learns = self._learning(stage)
        outcome = self._step_function(data, dials, learns, self.seed, self.step)
        if not outcome.finite:
            raise not_finite(self.sync(dials), data, outcome, self.step + 1)
        self._drawn.taken()
        self.step += 1
        return StepReport(
            step=self.step,
            epoch=self.epoch,
            stage=stage.name,
            total=outcome.total,
            losses=outcome.terms,
            seconds=time.perf_counter() - began,
            refreshed=refreshed,
        )

    def settle(self) -> Pipeline:
        """Makes what was prepared anew from the final weights: the pipeline to keep.

        Corrections and maps then belong to the latent space as it ended, not as it was at the
        last refresh. Call it after the last step; the training itself does not go on from here.
        """
        if any(stage.refresh_every for stage in self.stages) and self.step:
            prepare(self.sync(), self.cells, first=False, seed=self.seed, say=self.say)
        return self.sync()

    def sync(self, dials: Mapping[str, float] | None = None) -> Pipeline:
        """The pipeline with the present weights and dials in it."""
        self._step_function.write_to(self.pipeline)
        for name, value in (dials or self.dials_at(self.step)).items():
            block_id, _, dial = name.partition(".")
            if block_id in self.pipeline.blocks:
                variable = self.pipeline.blocks[block_id].dials[dial]
                variable[...] = jnp.asarray(value, variable[...].dtype)
        return self.pipeline

    def _learning(self, stage: Stage) -> dict[str, float]:
        blocks = self.pipeline.plan.blocks.values()
        named = stage.learns
        return {b.id: float(b.learns and (named is None or b.id in named)) for b in blocks}

    def _refresh_if_due(self, stage: Stage, first: int) -> bool:
        if self.step == first and self.step > 0 and stage.prepare:
            self.sync()
            prepare(self.pipeline, self.cells, blocks=stage.prepare, seed=self.seed, say=self.say)
            self._refreshed_epoch = self.epoch
            self._take_pipeline()
            return True
        wait = stage.epochs_to_refresh(self.steps_per_epoch)
        due = wait and self.epoch >= self._refreshed_epoch + wait
        if due and self.step % self.steps_per_epoch == 0:
            self.sync()
            prepare(self.pipeline, self.cells, first=False, seed=self.seed, say=self.say)
            self._refreshed_epoch = self.epoch
            self._take_pipeline()
            return True
        return False

    def _take_pipeline(self) -> None:
        """New prepared state: the compiled step and the batches go on with it."""
        self._step_function.read_from(self.pipeline)
        self._drawn.take_graph(self.pipeline)

    # -- going on later --------------------------------------------------------------------

    def state(self) -> TrainingState:
        """All that a later ``restore`` needs."""
        self.sync()
        kinds = (nnx.Param, Dial, Buffer, TrainingBuffer)
        arrays = named_arrays(self.pipeline, kinds) | self._step_function.moments()
        blocks = self.pipeline.blocks.items()
        facts = {
            "step": self.step,
            "turned": self.turned,
            "refreshed_epoch": self._refreshed_epoch,
            "sampler": self._drawn.state.as_dict(),
            "fitted": {block_id: bool(block.fitted) for block_id, block in blocks},
        }
        return TrainingState(arrays, facts)

    def restore(self, state: TrainingState) -> None:
        """Goes on from a saved state."""
        moments = {k: v for k, v in state.arrays.items() if k.startswith("moments/")}
        put_arrays(self.pipeline, {k: v for k, v in state.arrays.items() if k not in moments})
        facts = state.facts
        for block_id, fitted in facts["fitted"].items():
            self.pipeline.blocks[block_id].fitted = fitted
        self.step = int(facts["step"])
        self.turned = dict(facts["turned"])
        self._refreshed_epoch = int(facts["refreshed_epoch"])
        self._drawn.state = SamplerState(**facts["sampler"])
        self.prepared = True
        self._take_pipeline()
        self._step_function.put_moments(moments)


def train(
    pipeline: Pipeline, cells: CellSource, stages: tuple[Stage, ...] | list[Stage], **options: Any
) -> Iterator[StepReport]:
    """A generator of step reports; see ``Training`` for the options.

    Example:
        ``for report in train(pipeline, cells, [Stage(steps=500)]): print(report.total)``
    """
    training = Training(pipeline, cells, tuple(stages), **options)
    yield from training
    training.settle()
