"""Learn from sequences: a vector each, by its letters and by labels where they are known."""

from collections.abc import Mapping
from typing import Any

from diffbio_engine.pipelines.presets.preset import JOINT, Preset, assembled
from diffbio_engine.pipelines.spec import PipelineSpec

# First what a sequence is, then which of them are alike: map and centroids cannot follow vectors
# that still move, and how tight clusters are says nothing of how good the vectors are.
_TRAINING: dict[str, Any] = {
    "stages": [
        {
            **JOINT["stages"][0],
            "name": "sequences",
            "learns": ["embed", "umap"],
            "weights": {"cluster.clustering_loss": 0.0},
        },
        {
            "name": "map and clusters",
            "epochs": 4,
            "learns": ["umap", "cluster"],
            "prepare": ["umap", "cluster"],
        },
    ],
    "batch_size": 64,
    "learning_rate": JOINT["learning_rate"],
}


def sequences_spec(fields: Mapping[str, str] | None = None) -> PipelineSpec:
    """An encoder of sequences, a map and clusters of its vectors; classes where labels are known.

    Map and clusters look on: what pulls vectors together says nothing about sequences.
    """
    outputs = {
        "embeddings": "embed.embeddings",
        "embeddings_2d": "umap.embedding",
        "cluster_assignments": "cluster.cluster_assignments",
    }
    if fields is None or "labels" in fields:
        outputs["class_probabilities"] = "embed.class_probabilities"
    return assembled(
        "Learn from sequences",
        {
            "embed": ("normalization.sequence_embedding", {}),
            "umap": ("normalization.umap", {}),
            "cluster": ("singlecell.soft_kmeans", {"n_clusters": 4}),
        },
        {
            "embed.sequences": "data.sequences",
            "embed.background": "data.background",
            "embed.labels": "data.labels",
            "umap.features": "embed.embeddings | stop",
            "cluster.embeddings": "embed.embeddings | stop",
        },
        fields,
        outputs=outputs,
        training=_TRAINING,
    )


PRESET = Preset(
    id="learn_from_sequences",
    title="Learn from sequences",
    summary="Maps DNA or protein sequences by what they share, and learns their classes if known.",
    make=sequences_spec,
    demo="motif_sequences",
    place=11,
    needs=("sequences",),
)
