"""Training: a generator of step reports, stages, schedules, and the state to go on from."""

from diffbio_engine.declare import set_temperature
from diffbio_engine.training.fit import fit, train
from diffbio_engine.training.length import planned_steps
from diffbio_engine.training.report import StepReport
from diffbio_engine.training.schedules import (
    ConstantTemperature,
    CosineTemperature,
    ExponentialTemperature,
    LinearTemperature,
    Schedule,
    schedule_from,
    temperature_schedule,
    warm_up,
)
from diffbio_engine.training.stages import Stage, stages_from
from diffbio_engine.training.state import TrainingState
from diffbio_engine.training.train import Training

__all__ = [
    "ConstantTemperature",
    "CosineTemperature",
    "ExponentialTemperature",
    "LinearTemperature",
    "Schedule",
    "Stage",
    "StepReport",
    "Training",
    "TrainingState",
    "fit",
    "planned_steps",
    "schedule_from",
    "set_temperature",
    "stages_from",
    "temperature_schedule",
    "train",
    "warm_up",
]
