"""A run that is looked at beside the document: its own pipeline, with what was turned in it."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from diffbio_engine.errors import UserError
from diffbio_engine.pipelines.spec import PipelineSpec
from diffbio_engine.ports import DialName


def pipeline_of(run: Mapping[str, Any], dials: Mapping[str, Any]) -> PipelineSpec | None:
    """What a run trains, from its ``run.json``; None where that cannot be read any more.

    Args:
        dials: What was turned in it; a turned dial is a setting of the pipeline.
    """
    try:
        spec = PipelineSpec.from_json(run.get("pipeline") or {})
    except UserError:
        return None
    return with_dials(spec, dials)


def with_dials(spec: PipelineSpec, dials: Mapping[str, Any]) -> PipelineSpec:
    """The pipeline with what was turned in a run of it."""
    known = {block.id for block in spec.blocks}
    for name, value in dials.items():
        if not isinstance(value, int | float):
            continue  # it follows its schedule again
        dial = DialName(name)
        block, setting = dial.address.parts
        if dial.is_weight:
            weights = {**spec.weights, dial.address: value}
            spec = replace(spec, weights=weights)
        elif not setting:
            spec = replace(spec, training={**spec.training, name: value})
        elif block in known:
            with suppress(UserError):  # a setting of an older version
                spec = spec.with_config(block, **{setting: value})
    return spec


def does_the_same(one: PipelineSpec, other: PipelineSpec) -> bool:
    """Whether two pipelines train the same, however they are called and laid out."""
    try:
        a, b = (PipelineSpec.from_json(s.to_json()) for s in (one, other))
    except UserError:
        return False
    return replace(a, name="") == replace(b, name="")
