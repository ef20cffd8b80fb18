"""Quantify transcripts: how common each is, from fragments that fit several of them."""

from collections.abc import Mapping
from typing import Any

from diffbio_engine.pipelines.presets.preset import Preset, assembled
from diffbio_engine.pipelines.spec import PipelineSpec

# The first look finds the fixed point, where no weight has a slope: one step shows that.
_TRAINING: dict[str, Any] = {
    "stages": [{"name": "quantify", "steps": 1, "learning_rate": 0.0}],
    "batch_size": 256,
    "learning_rate": 1e-3,
}
_FIELDS = (
    "class_starts", "class_transcripts", "class_weights", "class_counts", "effective_lengths",
)  # fmt: skip


def quantify_transcripts_spec(fields: Mapping[str, str] | None = None) -> PipelineSpec:
    """Expectation-maximisation over all equivalence classes of a sample."""
    return assembled(
        "Quantify transcripts",
        {"quantify": ("statistical.em_quantifier", {})},
        {f"quantify.{field}": f"data.{field}" for field in _FIELDS},
        fields,
        outputs={
            "tpm": "quantify.tpm",
            "abundances": "quantify.abundances",
            "expected_counts": "quantify.expected_counts",
            "log_likelihood": "quantify.log_likelihood",
        },
        training=_TRAINING,
    )


PRESET = Preset(
    id="quantify_transcripts",
    title="Quantify transcripts",
    summary="TPM and counts from salmon's equivalence classes; with intervals if asked for.",
    make=quantify_transcripts_spec,
    demo="transcript_classes",
    place=14,
    rows="equivalence classes",
    needs=_FIELDS,
)
