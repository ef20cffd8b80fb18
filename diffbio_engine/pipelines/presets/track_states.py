"""Segment a track into states: peaks of a signal along the genome, and what lies between."""

from collections.abc import Mapping
from typing import Any

from diffbio_engine.pipelines.presets.preset import JOINT, Preset, assembled
from diffbio_engine.pipelines.spec import PipelineSpec

# A few means and logits move in steps a network could not take.
_TRAINING: dict[str, Any] = {**JOINT, "batch_size": 16, "learning_rate": 0.02}


def track_states_spec(fields: Mapping[str, str] | None = None) -> PipelineSpec:
    """A hidden Markov model with normal emissions of the transformed signal."""
    return assembled(
        "Segment a track into states",
        {"states": ("statistical.track_hmm", {})},
        {"states.signal": "data.signal", "states.window_order": "data.window_order"},
        fields,
        outputs={
            "state_posteriors": "states.state_posteriors",
            "likeliest_states": "states.likeliest_states",
            "log_likelihood": "states.log_likelihood",
        },
        training=_TRAINING,
    )


PRESET = Preset(
    id="track_states",
    title="Segment a track into states",
    summary="Peaks of ChIP-seq or ATAC-seq: a state for each bin of a bedGraph, with posteriors.",
    make=track_states_spec,
    demo="simulated_track",
    place=13,
    rows="windows",
    needs=("signal",),
)
