"""A vector for each record, learned stage by stage; a map and clusters of these look on."""

from collections.abc import Mapping, Sequence
from typing import Any

from diffbio_engine.pipelines.presets.preset import JOINT, assembled
from diffbio_engine.pipelines.spec import PipelineSpec

# Map and centroids cannot follow vectors that still move.
_MAP = {
    "name": "map and clusters",
    "epochs": 4,
    "learns": ["umap", "cluster"],
    "prepare": ["umap", "cluster"],
}


def learned_vectors(
    name: str,
    block: str,
    operator: tuple[str, dict[str, Any]],
    inputs: Mapping[str, str],
    stages: Sequence[dict[str, Any]],
    fields: Mapping[str, str] | None,
    *,
    batch_size: int,
    clusters: Mapping[str, Any],
) -> PipelineSpec:
    """A document of a block that learns ``embeddings``, of a map and of clusters of them.

    How tight clusters are says nothing of how good the vectors are, so neither moves them.

    Args:
        block: Id of the block that learns.
        operator: Which it is, and its settings.
        inputs: Where each of its inputs comes from.
        stages: Of learning; map and clusters come after them.
        fields: What the data offers; None for everything.
        clusters: Settings of the clusters.
    """
    outputs = {
        "embeddings": f"{block}.embeddings",
        "embeddings_2d": "umap.embedding",
        "cluster_assignments": "cluster.cluster_assignments",
    }
    if labelled(fields):
        outputs["class_probabilities"] = f"{block}.class_probabilities"
    return assembled(
        name,
        {
            block: operator,
            "umap": ("normalization.umap", {}),
            "cluster": ("singlecell.soft_kmeans", dict(clusters)),
        },
        {
            **{f"{block}.{port}": source for port, source in inputs.items()},
            "umap.features": f"{block}.embeddings | stop",
            "cluster.embeddings": f"{block}.embeddings | stop",
        },
        fields,
        outputs=outputs,
        training={
            "stages": [*stages, _MAP],
            "batch_size": batch_size,
            "learning_rate": JOINT["learning_rate"],
        },
    )


def labelled(fields: Mapping[str, str] | None) -> bool:
    """Whether records have labels to learn from."""
    return fields is None or "labels" in fields
