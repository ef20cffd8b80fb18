"""Pre-train on sequences: a transformer learns from letters alone, then from the labels."""

from collections.abc import Mapping
from typing import Any

from diffbio_engine.pipelines.presets.learned_vectors import labelled, learned_vectors
from diffbio_engine.pipelines.presets.preset import JOINT, Preset
from diffbio_engine.pipelines.spec import PipelineSpec
from diffbio_engine.ports.sequence_ports import SPANS

# Minutes on a processor, where a step of 64 sequences takes 0.1 s (60 letters) to 0.4 s (200): of
# 12,500 steps on splice junctions little was learned after 2,500 (tests/benchmarks/README.md). More
# is the setting `steps`; of many sequences each is seen twice.
_PRE_TRAINING = {
    **JOINT["stages"][0],
    "name": "pre-training",
    "learns": ["encode"],
    "weights": {"encode.label_loss": 0.0},
    "epochs": 2,
    "least_steps": 400,
    "most_steps": 2_500,
}
# Letters go on being asked for, less loudly: few labels alone would be learned by heart.
_FINE_TUNING = {
    **JOINT["stages"][0],
    "name": "fine-tuning",
    "learns": ["encode", "umap"],
    "weights": {"encode.mlm_loss": 0.3, "cluster.clustering_loss": 0.0},
    "epochs": 2,
    "most_steps": 1_000,
}


def pretraining_spec(fields: Mapping[str, str] | None = None) -> PipelineSpec:
    """A transformer of sequences, pre-trained on letters; fine-tuned where labels are known."""
    # Words of a vocabulary that lies beside the data are vectors of their own.
    place = "" if fields is None else fields.get("sequences", "")
    words: dict[str, Any] = {}
    if place in SPANS:
        words = {"input_embedding_type": "token_embedding", "mask_span": SPANS[place]}
    return learned_vectors(
        "Pre-train on sequences",
        "encode",
        ("foundation_models.transformer_sequence_encoder", words),
        {"sequences": "data.sequences", "labels": "data.labels"},
        [_PRE_TRAINING, _FINE_TUNING] if labelled(fields) else [_PRE_TRAINING],
        fields,
        batch_size=64,
        clusters={"n_clusters": 4},
    )


PRESET = Preset(
    id="pretrain_sequences",
    title="Pre-train on sequences, fine-tune on labels",
    summary="A transformer learns from masked letters of all sequences, then classes of some.",
    make=pretraining_spec,
    demo="motif_sequences",
    place=13,
    rows="sequences",
    needs=("sequences",),
)
