"""The dials of a training: learning rate, loss weights, temperatures; scheduled or turned."""

from collections.abc import Mapping

import numpy as np

from diffbio_engine.errors import SettingError, did_you_mean
from diffbio_engine.pipelines import Pipeline
from diffbio_engine.ports import Address, DialName
from diffbio_engine.training.schedules import Schedule
from diffbio_engine.training.stages import Stage

LEARNING_RATE = "learning_rate"


class Dials:
    """What each dial says at a step.

    Args:
        schedules: By dial name, how it moves by itself until a person turns it.
    """

    def __init__(
        self, pipeline: Pipeline, learning_rate: float, schedules: Mapping[str, Schedule]
    ) -> None:
        self.plan, self.schedules = pipeline.plan, dict(schedules)
        self.turned: dict[str, float] = {}
        self._rest = {LEARNING_RATE: learning_rate} | {
            DialName.of_loss(port): weight for port, weight in pipeline.plan.losses.items()
        }
        self._rest |= pipeline.dials
        for name, schedule in self.schedules.items():
            for end in (schedule.initial, schedule.final):
                self._allowed(name, end)

    def turn(self, name: str, value: float | None) -> None:
        """Sets a dial; None gives it back to its schedule."""
        if value is None:
            self._known(name)
            self.turned.pop(name, None)
            return
        self.turned[name] = self._allowed(name, value)

    def at(self, step: int, stage: Stage, rate_factor: float) -> dict[str, float]:
        """The value of every dial: turned by hand, else scheduled, else as it was.

        Args:
            rate_factor: Multiplies a learning rate that nobody has turned.
        """
        values = dict(self._rest)
        values |= {DialName.of_loss(port): weight for port, weight in stage.weights.items()}
        if stage.learning_rate is not None:
            values[LEARNING_RATE] = stage.learning_rate
        values |= {name: schedule(step) for name, schedule in self.schedules.items()}
        values[LEARNING_RATE] *= rate_factor
        return values | self.turned

    def that_count(self, values: Mapping[str, float]) -> dict[str, float]:
        """Those that the loss of held-out cells depends on.

        None of a block that learns from neighbours: these are drawn among the trained cells.
        """
        blocks = self.plan.blocks
        counted = {name for name, b in blocks.items() if not b.declared.learns_from_neighbours}
        owner = {name: DialName(name).address.block for name in values}
        return {name: value for name, value in values.items() if owner[name] in counted}

    def _allowed(self, name: str, value: float) -> float:
        """The value in its right type; refused where the dial does not go."""
        self._known(name)
        block_id, dial = Address.parse(name).parts
        if block_id in self.plan.blocks:
            declared = self.plan.blocks[block_id].declared
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
