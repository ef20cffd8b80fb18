"""Differential expression from soft clusters: clusters and what changes within them, jointly."""

from collections.abc import Mapping

from diffbio_engine.pipelines.presets.preset import LATENT, Preset, assembled
from diffbio_engine.pipelines.spec import PipelineSpec


def soft_cluster_expression_spec(fields: Mapping[str, str] | None = None) -> PipelineSpec:
    """Latent space, map and clusters, and two conditions compared within each cluster.

    The likelihood of the counts moves the clusters too: no gradient is stopped on the way.
    """
    return assembled(
        "Differential expression from soft clusters",
        {
            "normalize": ("normalization.vae_normalizer", LATENT),
            "umap": ("normalization.umap", {}),
            "cluster": ("singlecell.soft_kmeans", {"n_clusters": 3}),
            "compare": ("statistical.soft_cluster_expression", {}),
        },
        {
            "normalize.counts": "data.counts",
            "umap.features": "normalize.latent_mean | stop",
            "cluster.embeddings": "normalize.latent_mean",
            "compare.counts": "data.counts",
            "compare.total_counts": "data.total_counts",
            "compare.cluster_assignments": "cluster.cluster_assignments",
            "compare.condition_labels": "data.condition_labels",
            "compare.batch_labels": "data.batch_labels",
        },
        fields,
        outputs={
            "latent": "normalize.latent",
            "embeddings_2d": "umap.embedding",
            "responsibilities": "compare.responsibilities",
            "log2_fold_change": "compare.log2_fold_change",
            "padj": "compare.padj",
        },
    )


PRESET = Preset(
    id="soft_cluster_expression",
    title="Differential expression from soft clusters",
    summary="Clusters of cells, and the genes that two conditions change within each.",
    make=soft_cluster_expression_spec,
    demo="treated_cells",
    place=14,
    needs=("counts", "condition_labels", "batch_labels"),
)
