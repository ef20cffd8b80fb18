"""Learn from sequences: a vector each, by its letters and by labels where they are known."""

from collections.abc import Mapping

from diffbio_engine.pipelines.presets.learned_vectors import learned_vectors
from diffbio_engine.pipelines.presets.preset import JOINT, Preset
from diffbio_engine.pipelines.spec import PipelineSpec

# First what a sequence is, then which of them are alike.
_SEQUENCES = {
    **JOINT["stages"][0],
    "name": "sequences",
    "learns": ["embed", "umap"],
    "weights": {"cluster.clustering_loss": 0.0},
}


def sequences_spec(fields: Mapping[str, str] | None = None) -> PipelineSpec:
    """An encoder of sequences; classes where labels are known."""
    return learned_vectors(
        "Learn from sequences",
        "embed",
        ("normalization.sequence_embedding", {}),
        {
            "sequences": "data.sequences",
            "background": "data.background",
            "labels": "data.labels",
        },
        [_SEQUENCES],
        fields,
        batch_size=64,
        clusters={"n_clusters": 4},
    )


PRESET = Preset(
    id="learn_from_sequences",
    title="Learn from sequences",
    summary="Maps DNA or protein sequences by what they share, and learns their classes if known.",
    make=sequences_spec,
    demo="motif_sequences",
    place=11,
    rows="sequences",
    needs=("sequences",),
)
