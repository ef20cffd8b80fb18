"""Where the numbers stopped being numbers, in words."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from diffbio_engine.errors import TrainingError
from diffbio_engine.pipelines import Pipeline
from diffbio_engine.training.objective_step import Outcome


def nan_report(
    pipeline: Pipeline, data: Mapping[str, Any], outcome: Outcome, step: int
) -> TrainingError:
    """Names the first port, in running order, where the numbers stopped being numbers.

    Where only gradients did, they went wrong in the last block that they have not passed yet.

    Args:
        pipeline: With the weights and dials before the step.
        data: The batch.
    """
    values = pipeline({k: jnp.asarray(v) for k, v in data.items()})
    place = next(
        (
            p
            for p in pipeline.plan.ports()
            if p in values
            and jnp.issubdtype(values[p].dtype, jnp.floating)
            and not bool(jnp.all(jnp.isfinite(values[p])))
        ),
        next((p for p, v in outcome.terms.items() if not np.isfinite(v)), None),
    )
    what = ""
    if place is None:
        wrong = [b for b, length in outcome.gradients.items() if not np.isfinite(length)]
        place, what = (wrong or ["training"])[-1], "its gradient "
    return TrainingError(
        f"{what}became infinite or undefined at step {step}.",
        fix="Lower the learning rate or raise the temperature, and go on from the last checkpoint.",
        where=place,
    )
