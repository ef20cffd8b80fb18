"""Doublets and clean-up: which droplets held two cells, and what the others really expressed."""

from collections.abc import Mapping

from diffbio_engine.pipelines.presets.preset import LATENT, Preset, assembled, is_measured
from diffbio_engine.pipelines.spec import PipelineSpec


def doublets_spec(fields: Mapping[str, str] | None = None) -> PipelineSpec:
    """Two doublet detectors side by side, ambient RNA and imputation, beside a map."""
    measured = is_measured("ambient_profile", fields)
    blocks = {
        "doublets": ("singlecell.doublet_scorer", {}),
        "solo": ("singlecell.solo_detector", {}),
        "ambient": ("singlecell.ambient_removal", {}),
        "normalize": ("normalization.vae_normalizer", LATENT),
        "impute": ("singlecell.diffusion_imputer", {}),
        "umap": ("normalization.umap", {}),
        "cluster": ("singlecell.soft_kmeans", {}),
    }
    if not measured:
        # A profile guessed from the cells themselves says little in filtered data.
        del blocks["ambient"]
    counts = "ambient.decontaminated_counts" if measured else "data.counts"
    return assembled(
        "Doublets and clean-up",
        blocks,
        {
            "doublets.counts": "data.counts",
            "doublets.batch_labels": "data.batch_labels",
            "solo.counts": "data.counts",
            "solo.batch_labels": "data.batch_labels",
            "ambient.counts": "data.counts",
            "ambient.ambient_profile": "data.ambient_profile",
            "normalize.counts": counts,
            "impute.counts": "data.counts",
            "umap.features": "normalize.latent_mean | stop",
            "cluster.embeddings": "normalize.latent_mean",
        },
        fields,
        outputs={
            "doublet_scores": "doublets.doublet_scores",
            "latent": "normalize.latent",
            "embeddings_2d": "umap.embedding",
            "cluster_assignments": "cluster.cluster_assignments",
        },
    )


PRESET = Preset(
    id="doublets",
    title="Doublets and clean-up",
    summary="Scores doublets in two ways, removes ambient RNA, imputes.",
    make=doublets_spec,
    demo="simulated_cells",
    place=5,
)
