"""Regulatory network: which transcription factors drive which genes, and where they are active."""

from collections.abc import Mapping

from diffbio_engine.pipelines.presets.preset import LATENT, Preset, assembled
from diffbio_engine.pipelines.spec import PipelineSpec


def regulatory_network_spec(fields: Mapping[str, str] | None = None) -> PipelineSpec:
    """A sparse network from regulators to genes, beside a map and clusters."""
    return assembled(
        "Regulatory network",
        {
            "normalize": ("normalization.vae_normalizer", LATENT),
            "network": ("singlecell.grn", {}),
            "umap": ("normalization.umap", {}),
            "cluster": ("singlecell.soft_kmeans", {}),
        },
        {
            "normalize.counts": "data.counts",
            "network.counts": "data.counts",
            "network.tf_indices": "data.tf_indices",
            "network.total_counts": "data.total_counts",
            "umap.features": "normalize.latent_mean | stop",
            "cluster.embeddings": "normalize.latent_mean",
        },
        fields,
        outputs={
            "grn_matrix": "network.grn_matrix",
            "latent": "normalize.latent",
            "embeddings_2d": "umap.embedding",
            "cluster_assignments": "cluster.cluster_assignments",
        },
    )


PRESET = Preset(
    id="regulatory_network",
    title="Regulatory network",
    summary="Which transcription factors drive which genes, and how active they are.",
    make=regulatory_network_spec,
    demo="time_course",
    place=8,
    needs=("counts", "tf_indices"),
)
