"""Pre-train on sequences: a transformer learns from letters alone, then from the labels."""

from collections.abc import Mapping
from typing import Any

from diffbio_engine.pipelines.presets.preset import JOINT, Preset, assembled
from diffbio_engine.pipelines.spec import PipelineSpec

_PRE_TRAINING = {
    **JOINT["stages"][0],
    "name": "pre-training",
    "learns": ["encode"],
    "weights": {"encode.label_loss": 0.0},
}
# Letters go on being asked for, less loudly: few labels alone would be learned by heart.
_FINE_TUNING = {
    **JOINT["stages"][0],
    "name": "fine-tuning",
    "learns": ["encode", "umap"],
    "weights": {"encode.mlm_loss": 0.3, "cluster.clustering_loss": 0.0},
}
# Map and centroids cannot follow vectors that still move.
_MAP = {
    "name": "map and clusters",
    "epochs": 4,
    "learns": ["umap", "cluster"],
    "prepare": ["umap", "cluster"],
}


def pretraining_spec(fields: Mapping[str, str] | None = None) -> PipelineSpec:
    """A transformer of sequences, pre-trained on masked letters; fine-tuned where labels are known.

    Map and clusters look on: what pulls vectors together says nothing about sequences.
    """
    outputs = {
        "embeddings": "encode.embeddings",
        "embeddings_2d": "umap.embedding",
        "cluster_assignments": "cluster.cluster_assignments",
    }
    labelled = fields is None or "labels" in fields
    if labelled:
        outputs["class_probabilities"] = "encode.class_probabilities"
    stages = [_PRE_TRAINING, _FINE_TUNING, _MAP] if labelled else [_PRE_TRAINING, _MAP]
    training: dict[str, Any] = {
        "stages": stages,
        "batch_size": 64,
        "learning_rate": JOINT["learning_rate"],
    }
    return assembled(
        "Pre-train on sequences",
        {
            "encode": ("foundation_models.transformer_sequence_encoder", {}),
            "umap": ("normalization.umap", {}),
            "cluster": ("singlecell.soft_kmeans", {"n_clusters": 4}),
        },
        {
            "encode.sequences": "data.sequences",
            "encode.labels": "data.labels",
            "umap.features": "encode.embeddings | stop",
            "cluster.embeddings": "encode.embeddings | stop",
        },
        fields,
        outputs=outputs,
        training=training,
    )


PRESET = Preset(
    id="pretrain_sequences",
    title="Pre-train on sequences, fine-tune on labels",
    summary="A transformer learns from masked letters of all sequences, then classes of some.",
    make=pretraining_spec,
    demo="motif_sequences",
    place=13,
    needs=("sequences",),
)
