"""Simulate and benchmark: cells like yours with a known truth, and how well a pipeline finds it."""

from collections.abc import Mapping

from diffbio_engine.pipelines.presets.preset import LATENT, Preset, assembled
from diffbio_engine.pipelines.spec import PipelineSpec


def simulation_spec(fields: Mapping[str, str] | None = None) -> PipelineSpec:
    """Counts simulated after the data; normalised, drawn and clustered; scored with the truth."""
    return assembled(
        "Simulate and benchmark",
        {
            "simulate": ("singlecell.simulator", {}),
            "normalize": ("normalization.vae_normalizer", LATENT),
            "umap": ("normalization.umap", {}),
            "cluster": ("singlecell.soft_kmeans", {"n_clusters": 5}),
            "agree": ("singlecell.agreement", {}),
        },
        {
            "simulate.counts": "data.counts",
            "simulate.labels": "data.labels",
            "simulate.batch_labels": "data.batch_labels",
            "normalize.counts": "simulate.simulated_counts | stop",
            "umap.features": "normalize.latent_mean | stop",
            "cluster.embeddings": "normalize.latent_mean",
            "agree.labels": "simulate.group_labels",
            "agree.cluster_assignments": "cluster.cluster_assignments",
        },
        fields,
        outputs={
            "latent": "normalize.latent",
            "embeddings_2d": "umap.embedding",
            "cluster_assignments": "cluster.cluster_assignments",
        },
    )


PRESET = Preset(
    id="simulation",
    title="Simulate and benchmark",
    summary="Simulates cells like yours with a known truth and scores the pipeline against it.",
    make=simulation_spec,
    demo="simulated_cells",
    place=10,
)
