"""Pre-train on expression: a model learns cells from hidden genes, then types from few labels."""

from collections.abc import Mapping
from typing import Any

from diffbio_engine.pipelines.presets.preset import JOINT, Preset, assembled
from diffbio_engine.pipelines.spec import PipelineSpec

# As measured in tests/benchmarks/expression_pretraining.py.
_MODEL = {"hidden_dim": 64, "mask_ratio": 0.3}
_PRE_TRAINING = {
    **JOINT["stages"][0],
    "name": "pre-training",
    "learns": ["model"],
    "weights": {"model.label_loss": 0.0},
    "refresh_every": 0,
}
# Hidden genes go on being asked for: few labels alone would be learned by heart. A squared error
# is some hundredths, a cross-entropy about one.
_FINE_TUNING = {
    **JOINT["stages"][0],
    "name": "fine-tuning",
    "learns": ["model", "umap"],
    "weights": {"model.label_loss": 0.1, "cluster.clustering_loss": 0.0},
}
# Map and centroids cannot follow vectors that still move.
_MAP = {
    "name": "map and clusters",
    "epochs": 4,
    "learns": ["umap", "cluster"],
    "prepare": ["umap", "cluster"],
}


def pretraining_spec(fields: Mapping[str, str] | None = None) -> PipelineSpec:
    """A foundation model pre-trained on hidden genes, and fine-tuned where types are known.

    Map and clusters look on: what pulls vectors together says nothing about cells.
    """
    outputs = {
        "embeddings": "model.embeddings",
        "embeddings_2d": "umap.embedding",
        "cluster_assignments": "cluster.cluster_assignments",
    }
    labelled = fields is None or "labels" in fields
    if labelled:
        outputs["class_probabilities"] = "model.class_probabilities"
    training: dict[str, Any] = {
        "stages": [_PRE_TRAINING, _FINE_TUNING, _MAP] if labelled else [_PRE_TRAINING, _MAP],
        "batch_size": 128,
        "learning_rate": JOINT["learning_rate"],
    }
    return assembled(
        "Pre-train on expression",
        {
            "model": ("foundation_models.foundation_model", _MODEL),
            "umap": ("normalization.umap", {}),
            "cluster": ("singlecell.soft_kmeans", {}),
        },
        {
            "model.counts": "data.counts",
            "model.total_counts": "data.total_counts",
            "model.labels": "data.labels",
            "umap.features": "model.embeddings | stop",
            "cluster.embeddings": "model.embeddings | stop",
        },
        fields,
        outputs=outputs,
        training=training,
    )


PRESET = Preset(
    id="pretrain_expression",
    title="Pre-train on expression, fine-tune for cell types",
    summary="A transformer learns from hidden genes of all cells, then the types of a few.",
    make=pretraining_spec,
    demo="blood_half_labelled",
    place=15,
    needs=("counts",),
)
