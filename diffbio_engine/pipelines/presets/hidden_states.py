"""Find states along sequences: membrane helices, coding stretches, regions of one composition."""

from collections.abc import Mapping
from typing import Any

from diffbio_engine.pipelines.presets.preset import JOINT, Preset, assembled
from diffbio_engine.pipelines.spec import PipelineSpec

# A few hundred logits move in steps a network could not take.
_TRAINING: dict[str, Any] = {**JOINT, "batch_size": 32, "learning_rate": 0.02}


def hidden_states_spec(fields: Mapping[str, str] | None = None) -> PipelineSpec:
    """A hidden Markov model; where states are known, it learns to tell them from the letters."""
    known = fields is None or "known_states" in fields
    return assembled(
        "Find states along sequences",
        {"states": ("statistical.hmm", {"discriminative": known})},
        {
            "states.sequences": "data.sequences",
            "states.background": "data.background",
            "states.known_states": "data.known_states",
        },
        fields,
        outputs={
            "state_posteriors": "states.state_posteriors",
            "likeliest_states": "states.likeliest_states",
            "viterbi_path": "states.viterbi_path",
            "log_likelihood": "states.log_likelihood",
        },
        training=_TRAINING,
    )


PRESET = Preset(
    id="hidden_states",
    title="Find states along sequences",
    summary="Membrane helices, coding stretches: a state for each letter, learned with or without.",
    make=hidden_states_spec,
    demo="membrane_proteins",
    place=12,
    rows="sequences",
    needs=("sequences",),
)
