"""What is told of a step of training."""

from dataclasses import dataclass


@dataclass(frozen=True)
class StepReport:
    """What happened in one step. ``losses`` are the terms before weighting.

    ``held_out``: the objective of the cells that are not trained on, where they were looked at.
    """

    step: int
    epoch: int
    stage: str
    total: float
    losses: dict[str, float]
    seconds: float
    refreshed: bool = False
    held_out: float | None = None
