"""Trains a pipeline: whoever loops over the reports decides when to look, save, turn or stop."""

import time
from collections.abc import Callable, Iterator, Mapping

import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine.axes import said_of
from diffbio_engine.data import Records, SamplerState
from diffbio_engine.declare import Buffer, Dial, TrainingBuffer
from diffbio_engine.errors import TrainingError
from diffbio_engine.pipelines import Pipeline, prepare
from diffbio_engine.ports import Address
from diffbio_engine.training.dials import Dials
from diffbio_engine.training.drawn_batches import DrawnBatches, batch_and_held_out
from diffbio_engine.training.held_out import Plateau, held_out_cells, steps_between_looks
from diffbio_engine.training.kept_weights import KeptWeights
from diffbio_engine.training.looks import Looks
from diffbio_engine.training.nan_report import nan_report
from diffbio_engine.training.objective_step import ObjectiveStep
from diffbio_engine.training.report import StepReport
from diffbio_engine.training.schedules import Schedule
from diffbio_engine.training.stages import Stage
from diffbio_engine.training.state import TrainingState, named_arrays, put_arrays


class Training:
    """A pipeline being trained on a data set. Iterate it; turn its dials between steps.

    ``sync()`` puts the present weights into ``pipeline``, ``settle()`` those to keep. All that
    changes is in ``state()``; a training restored from it goes on with the same losses, bit for
    bit on CPU.

    Args:
        stages: What learns, one after the other.
        batch_size: Cells in a step; with blocks that learn from neighbours, half of them anchors.
        schedules: By dial name, how it moves by itself until a person turns it.
        say: Told what takes long, block by block.

    ``looks`` knows whether held-out cells are explained better still, and the best weights so far.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        cells: Records,
        stages: tuple[Stage, ...],
        *,
        batch_size: int = 128,
        seed: int = 0,
        learning_rate: float = 1e-3,
        schedules: Mapping[str, Schedule] | None = None,
        say: Callable[[str, str], None] | None = None,
    ) -> None:
        self.pipeline, self.cells, self.stages = pipeline, cells, stages
        self.seed, self.say = seed, say
        if not pipeline.plan.losses:
            raise TrainingError(
                "No block of the pipeline has a loss, so there is nothing to learn.",
                fix="Add a block that trains (a normaliser, a map, clusters) or a loss.",
            )
        self.dials = Dials(pipeline, learning_rate, schedules or {})
        self.step = 0
        self.prepared = False
        share = max((stage.held_out for stage in stages), default=0.0)
        self.batch_size, share = batch_and_held_out(pipeline.plan, cells.n_cells, batch_size, share)
        self.held_out = held_out_cells(cells.n_cells, share, seed)
        self._drawn = DrawnBatches(pipeline.plan, cells, self.batch_size, seed, self.held_out)
        self.steps_per_epoch = self._drawn.steps_per_epoch
        self._refreshed_epoch = 0
        self._step_function = ObjectiveStep(pipeline)
        self.looks = Looks(self.dials, self._drawn, self._step_function, self.held_out, seed)

    # -- what can be asked -----------------------------------------------------------------

    @property
    def total_steps(self) -> int:
        """The length of all stages; less, once a stage has ended because nothing got better."""
        return sum(self._length(place) for place in range(len(self.stages)))

    def _length(self, place: int) -> int:
        stage, ended = self.stages[place], self.looks.plateau.ended.get(str(place))
        if self._holds_out(stage):
            return ended or stage.latest_end(self.steps_per_epoch)
        return stage.n_steps(self.steps_per_epoch)

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
        place, first = self._place_at(step)
        return self.stages[place], first

    def _place_at(self, step: int) -> tuple[int, int]:
        first = 0
        for place in range(len(self.stages)):
            if step < first + self._length(place):
                return place, first
            first += self._length(place)
        return len(self.stages) - 1, first - self._length(len(self.stages) - 1)

    # -- dials -----------------------------------------------------------------------------

    def turn(self, name: str, value: float | None) -> None:
        """Sets a dial: ``learning_rate``, ``weight:block.loss`` or ``block.dial``.

        It stays there whatever its schedule says; None gives it back to the schedule.
        """
        self.dials.turn(name, value)

    @property
    def turned(self) -> dict[str, float]:
        """Every dial that a person has turned."""
        return self.dials.turned

    def dials_at(self, step: int) -> dict[str, float]:
        """The value of every dial at a step: turned by hand, else scheduled, else as it was."""
        return self.dials.at(step, self.stage_at(step)[0], self.looks.plateau.rate_factor)

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
        if self.step == first and self._holds_out(stage):
            self.looks.begin(self.step, dials, self._weights)
        elif self.step == first:
            self.looks.leave()
        learns = self._learning(stage)
        outcome = self._step_function(data, dials, learns, self.seed, self.step)
        if not outcome.finite:
            raise nan_report(self.sync(dials), data, outcome, self.step + 1)
        self._drawn.taken()
        self.step += 1
        held_out, went_back = self._look(first, dials)
        return StepReport(
            step=self.step,
            epoch=self.epoch,
            stage=stage.name,
            total=outcome.total,
            losses=outcome.terms,
            seconds=time.perf_counter() - began,
            refreshed=refreshed or went_back,
            held_out=held_out,
        )

    def _look(self, first: int, dials: Mapping[str, float]) -> tuple[float | None, bool]:
        """The objective of the held-out cells where it is time to look; may end the stage.

        Where it improves no longer, the rate is lowered from the best weights on, and the next
        stage begins with the best of this one. Also whether it went back to these.
        """
        place, _ = self._place_at(self.step - 1)
        stage, done = self.stages[place], self.step - first
        if not self._holds_out(stage):
            return None, False
        plateau, found, lowered = self.looks.plateau, None, self.looks.plateau.lowered
        if done % steps_between_looks(self.steps_per_epoch) == 0 or done == self._length(place):
            found = self.looks.look(self.step, dials, self._weights)
            least_reached = done >= stage.n_steps(self.steps_per_epoch)
            if plateau.look(found, least_reached, self.dials.that_count(dials)):
                plateau.ended[str(place)] = done
        go_back = plateau.lowered and not lowered
        if done == self._length(place):
            plateau.next_stage()
            go_back = self.step < self.total_steps  # after the last stage ``settle`` does
        if go_back:
            put_arrays(self.sync(), self.looks.kept.arrays)
            self._prepare_anew() if stage.refresh_every else self._take_pipeline()
        return found, go_back

    def _holds_out(self, stage: Stage) -> bool:
        return bool(stage.held_out and self.held_out.size)

    def _weights(self) -> dict[str, np.ndarray]:
        return named_arrays(self.sync(), (nnx.Param,))

    def how_it_ended(self) -> list[str]:
        """In words, whether the last stage ended because nothing got better, or might go on."""
        if not self.step:
            return []
        place, _ = self._place_at(self.step - 1)
        if not self._holds_out(self.stages[place]):
            return []
        most = sum(stage.latest_end(self.steps_per_epoch) for stage in self.stages)
        ended = str(place) in self.looks.plateau.ended
        said = self.looks.in_words(self.step, most, ended=ended)
        return [said_of(self.cells.record, said)]

    def settle(self) -> Pipeline:
        """The pipeline to keep: the best weights, and what is prepared made anew from them.

        Where cells are held out, each part's weights are those that explained them best (the
        present ones are looked at once more). Corrections and maps then belong to the latent space
        that is kept. Call it after the last step; the training does not go on from here.
        """
        if self.step and self._holds_out(self.stage_at(self.step - 1)[0]):
            if self.looks.kept.looked < self.step:
                self.looks.look(self.step, self.dials_at(self.step), self._weights)
            put_arrays(self.sync(), self.looks.kept.arrays)
            self._step_function.read_from(self.pipeline)
        if any(stage.refresh_every for stage in self.stages) and self.step:
            prepare(self.sync(), self.cells, first=False, seed=self.seed, say=self.say)
        return self.sync()

    def sync(self, dials: Mapping[str, float] | None = None) -> Pipeline:
        """The pipeline with the present weights and dials in it."""
        self._step_function.write_to(self.pipeline)
        for name, value in (dials or self.dials_at(self.step)).items():
            block_id, dial = Address.parse(name).parts
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
        # What changes less and less is looked at less and less often.
        if self._holds_out(stage):
            wait = max(wait, self._refreshed_epoch // 2)
        due = wait and self.epoch >= self._refreshed_epoch + wait
        if due and self.step % self.steps_per_epoch == 0:
            self.sync()
            self._prepare_anew()
            return True
        return False

    def _prepare_anew(self) -> None:
        prepare(self.pipeline, self.cells, first=False, seed=self.seed, say=self.say)
        self._refreshed_epoch = self.epoch
        self._take_pipeline()

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
        kept, kept_facts = self.looks.kept.as_state()
        facts = {
            "step": self.step,
            "turned": self.turned,
            "refreshed_epoch": self._refreshed_epoch,
            "sampler": self._drawn.state.as_dict(),
            "plateau": self.looks.plateau.as_dict(),
            "kept": kept_facts,
            "fitted": {block_id: bool(block.fitted) for block_id, block in blocks},
        }
        return TrainingState(arrays | kept, facts)

    def restore(self, state: TrainingState) -> None:
        """Goes on from a saved state."""
        facts = state.facts
        self.looks.kept, arrays = KeptWeights.from_state(state.arrays, facts.get("kept", {}))
        moments = {k: v for k, v in arrays.items() if k.startswith("moments/")}
        put_arrays(self.pipeline, {k: v for k, v in arrays.items() if k not in moments})
        for block_id, fitted in facts["fitted"].items():
            self.pipeline.blocks[block_id].fitted = fitted
        self.step = int(facts["step"])
        self.dials.turned = dict(facts["turned"])
        self._refreshed_epoch = int(facts["refreshed_epoch"])
        self._drawn.state = SamplerState(**facts["sampler"])
        self.looks.plateau = Plateau.from_dict(facts.get("plateau", {}))
        self.prepared = True
        self._take_pipeline()
        self._step_function.put_moments(moments)
