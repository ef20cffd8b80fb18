"""Pre-train on expression: a model learns cells from hidden genes, then types from few labels."""

from collections.abc import Mapping

from diffbio_engine.pipelines.presets.learned_vectors import labelled, learned_vectors
from diffbio_engine.pipelines.presets.preset import JOINT, Preset
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


def pretraining_spec(fields: Mapping[str, str] | None = None) -> PipelineSpec:
    """A foundation model pre-trained on hidden genes, and fine-tuned where types are known."""
    return learned_vectors(
        "Pre-train on expression",
        "model",
        ("foundation_models.foundation_model", _MODEL),
        {
            "counts": "data.counts",
            "total_counts": "data.total_counts",
            "labels": "data.labels",
        },
        [_PRE_TRAINING, _FINE_TUNING] if labelled(fields) else [_PRE_TRAINING],
        fields,
        batch_size=128,
        clusters={},
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
