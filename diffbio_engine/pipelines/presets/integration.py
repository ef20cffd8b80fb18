"""Integration: three ways to take batches out, and none, each with its own map."""

from collections.abc import Mapping

from diffbio_engine.pipelines.presets.preset import LATENT, Preset, assembled
from diffbio_engine.pipelines.spec import PipelineSpec


def integration_spec(fields: Mapping[str, str] | None = None) -> PipelineSpec:
    """Harmony, MMD and WGAN side by side, and the map without any correction."""
    network = {"latent_dim": 10}
    return assembled(
        "Integration",
        {
            "normalize": ("normalization.vae_normalizer", LATENT),
            "harmony": ("singlecell.harmony", {}),
            "mmd": ("singlecell.mmd_batch_correction", network),
            "wgan": ("singlecell.wgan_batch_correction", network),
            "umap_harmony": ("normalization.umap", {}),
            "umap_mmd": ("normalization.umap", {}),
            "umap_wgan": ("normalization.umap", {}),
            "umap_uncorrected": ("normalization.umap", {}),
            "cluster": ("singlecell.soft_kmeans", {}),
        },
        {
            "normalize.counts": "data.counts",
            "harmony.embeddings": "normalize.latent_mean",
            "harmony.batch_labels": "data.batch_labels",
            "mmd.expression": "data.counts",
            "mmd.total_counts": "data.total_counts",
            "mmd.batch_labels": "data.batch_labels",
            "wgan.expression": "data.counts",
            "wgan.total_counts": "data.total_counts",
            "wgan.batch_labels": "data.batch_labels",
            "umap_harmony.features": "harmony.corrected_embeddings | stop",
            "umap_mmd.features": "mmd.latent | stop",
            "umap_wgan.features": "wgan.latent | stop",
            "umap_uncorrected.features": "normalize.latent_mean | stop",
            "cluster.embeddings": "harmony.corrected_embeddings",
        },
        fields,
        outputs={
            "corrected_embeddings": "harmony.corrected_embeddings",
            "embeddings_2d": "umap_harmony.embedding",
            "cluster_assignments": "cluster.cluster_assignments",
        },
    )


PRESET = Preset(
    id="integration",
    title="Integration: Harmony, MMD and WGAN side by side",
    summary="Takes batches out in three ways, with a map for each and one without correction.",
    make=integration_spec,
    demo="three_batches",
    place=6,
    needs=("counts", "batch_labels"),
)
