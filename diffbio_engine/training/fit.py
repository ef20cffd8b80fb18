"""Trains a pipeline for a notebook: on arrays in one call, or as a generator of reports."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp

from diffbio_engine.data import Records, require_counts
from diffbio_engine.errors import DataError
from diffbio_engine.pipelines import Pipeline, Plan
from diffbio_engine.pipelines.wiring import DataPort
from diffbio_engine.ports import Kind, start_of
from diffbio_engine.training.report import StepReport
from diffbio_engine.training.schedules import schedule_from
from diffbio_engine.training.stages import Stage, stages_from
from diffbio_engine.training.train import Training


def fit(
    pipeline: Pipeline, data: Mapping[str, Any], steps: int = 0, **options: Any
) -> list[StepReport]:
    """Prepares and trains a pipeline on arrays; it then holds the trained weights.

    As the page does: with what the pipeline suggests (a ready one holds a tenth of the cells out,
    and keeps the weights that explained these best), or for so many steps of all cells.

    Args:
        pipeline: Any pipeline, ``create_single_cell_pipeline(...)`` for instance.
        data: Arrays by field name, as for ``pipeline.apply``; counts may be sparse. Labels are
            numbers from 0.
        steps: How many; 0 for as many as the pipeline suggests.
        options: As of ``Training``: ``batch_size``, ``seed``, ``learning_rate``, ``schedules``;
            without one, what the pipeline suggests.

    Returns:
        A report of each step.

    Raises:
        DataError: A field is missing, its counts are none, or it is not of the pipeline's size.
    """
    plan = pipeline.plan
    missing = [name for name in plan.needed_fields if name not in data]
    if missing:
        raise DataError(
            f"is missing; there is {', '.join(map(repr, data)) or 'nothing'}.",
            fix="Add it to the data.",
            where=start_of(missing[0]),
        )
    used = {n: _checked(n, plan.data[n], v) for n, v in data.items() if n in plan.needed_fields}
    per_cell = {n: v for n, v in used.items() if plan.data[n].port.per_record and n != "counts"}
    per_dataset = {n: v for n, v in used.items() if not plan.data[n].port.per_record}
    cells = Records(used.get("counts"), per_cell, per_dataset)
    stages = stages_from(plan.spec.training.get("stages", ()), plan)
    if steps:
        stages = (Stage(steps=steps, refresh_every=stages[0].refresh_every),)
    training = Training(pipeline, cells, stages, **(_suggested(plan) | options))
    reports = list(training)
    training.settle()
    pipeline.eval_mode()
    return reports


def _checked(of: str, field: DataPort, value: Any) -> Any:
    """An array as the page would take it: raw counts, classes that there are, the right length."""
    name = start_of(of)
    if field.port.name == "counts":
        value = require_counts(value, name)
    else:
        value = value.toarray() if sp.issparse(value) else np.asarray(value)
    shape = value.shape[1:] if field.port.per_record else value.shape
    if shape != field.shape:
        raise DataError(
            f"has the shape {shape}, and the pipeline was made for {field.shape}.",
            fix="Make the pipeline for these data, or give it those that it was made for.",
            where=name,
        )
    if field.port.kind != Kind.LABELS or not value.size:
        return value
    if value.dtype.kind not in "biuf":
        raise DataError(
            "holds words where numbers from 0 are expected.",
            fix="Number them: numpy.unique(names, return_inverse=True)[1].",
            where=name,
        )
    if field.n_classes and value.max() >= field.n_classes:
        raise DataError(
            f"goes up to {value.max():g}, and the pipeline was made for {field.n_classes} classes,"
            " which are numbered from 0.",
            fix="Make the pipeline for as many classes.",
            where=name,
        )
    return value


def _suggested(plan: Plan) -> dict[str, Any]:
    """What a pipeline says of its training, besides the stages."""
    told = plan.spec.training
    found = {name: told[name] for name in ("batch_size", "learning_rate") if name in told}
    schedules = {name: schedule_from(values) for name, values in told.get("schedules", {}).items()}
    return found | ({"schedules": schedules} if schedules else {})


def train(
    pipeline: Pipeline, cells: Records, stages: tuple[Stage, ...] | list[Stage], **options: Any
) -> Iterator[StepReport]:
    """A generator of step reports; see ``Training`` for the options.

    At its end the pipeline holds the weights to keep; where the loop is left before, the last ones.
    To look at the pipeline within the loop, loop over a ``Training`` and call its ``sync()``.

    Example:
        ``for report in train(pipeline, cells, [Stage(steps=500)]): print(report.total)``
    """
    training = Training(pipeline, cells, tuple(stages), **options)
    try:
        yield from training
    except GeneratorExit:
        training.sync()
        raise
    training.settle()
