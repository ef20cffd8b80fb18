"""Stages: which blocks learn, from which losses, for how long. Joint training is one stage."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from diffbio_engine.errors import SettingError, did_you_mean
from diffbio_engine.pipelines import Plan

# A refresh takes seconds; what is learned in fewer steps does not pay for it.
_LEAST_STEPS_TO_REFRESH = 60


@dataclass(frozen=True)
class Stage:
    """One stretch of training.

    Attributes:
        steps: How many steps; or ``epochs``, how often every cell is seen (0: use ``steps``).
        learns: Blocks whose weights move; None for every block that may learn.
        weights: Loss weights that differ here from the pipeline's own.
        prepare: Blocks that look at the data anew when the stage begins and start from there.
        least_steps: At least so many steps where the length is told in epochs: few cells are seen
            more often.
        refresh_every: Every so many epochs, prepared state (graphs, batch corrections) is made
            anew from what the pipeline has learned; 0 for never. Where an epoch is a few steps
            only, every 60 steps.
        learning_rate: A rate of its own for this stage.
        held_out: Share of the cells that is not trained on. The stage then goes on beyond its
            length until the loss of these cells improves no longer (`Plateau`), and leaves the
            weights with which it was least (`KeptWeights`).
        most_steps: Where such a stage ends at the latest.
    """

    name: str = "joint"
    steps: int = 0
    epochs: float = 0.0
    learns: tuple[str, ...] | None = None
    weights: Mapping[str, float] = field(default_factory=dict)
    prepare: tuple[str, ...] = ()
    least_steps: int = 0
    refresh_every: int = 0
    learning_rate: float | None = None
    held_out: float = 0.0
    most_steps: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as it stands in a pipeline or run file."""
        return asdict(self)

    def n_steps(self, steps_per_epoch: int) -> int:
        """Its length in steps."""
        return self.steps or max(1, self.least_steps, round(self.epochs * steps_per_epoch))

    def latest_end(self, steps_per_epoch: int) -> int:
        """Its length in steps where the held-out cells do not end it earlier."""
        return max(self.most_steps, self.n_steps(steps_per_epoch))

    def epochs_to_refresh(self, steps_per_epoch: int) -> int:
        """Epochs from one refresh to the next; 0 for never."""
        if not self.refresh_every:
            return 0
        return max(self.refresh_every, math.ceil(_LEAST_STEPS_TO_REFRESH / steps_per_epoch))


def stages_from(entries: Iterable[Mapping[str, Any]], plan: Plan) -> tuple[Stage, ...]:
    """Stages of plain data, checked against the pipeline; one joint stage if there is none."""
    stages = []
    for entry in entries:
        facts = dict(entry)
        for name in ("learns", "prepare"):
            if facts.get(name) is not None:
                facts[name] = tuple(facts[name])
        try:
            stage = Stage(**facts)
        except TypeError as error:
            raise SettingError(f"a stage is not right ({error}).", fix="Correct it.") from None
        for block in (*(stage.learns or ()), *stage.prepare):
            if block not in plan.blocks:
                raise SettingError(
                    f"the stage '{stage.name}' names the block '{block}', which does not exist.",
                    fix=did_you_mean(block, plan.blocks),
                )
        for port in stage.weights:
            if port not in plan.losses:
                raise SettingError(
                    f"the stage '{stage.name}' weighs '{port}', which is not a loss.",
                    fix=did_you_mean(port, plan.losses),
                )
        stages.append(stage)
    return tuple(stages) or (Stage(epochs=50, refresh_every=5),)
