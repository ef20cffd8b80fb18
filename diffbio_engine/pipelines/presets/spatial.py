"""Spatial domains and slice alignment: the layers of a tissue, and slices laid on one another."""

from collections.abc import Mapping

from diffbio_engine.pipelines.presets.preset import LATENT, Preset, assembled
from diffbio_engine.pipelines.spec import PipelineSpec


def spatial_spec(fields: Mapping[str, str] | None = None) -> PipelineSpec:
    """Domains by STAGATE; slices aligned by PASTE where there are several."""
    return assembled(
        "Spatial domains",
        {
            "normalize": ("normalization.vae_normalizer", LATENT),
            "align": ("singlecell.paste_alignment", {}),
            "domains": ("singlecell.spatial_domain", {}),
            "umap": ("normalization.umap", {}),
        },
        {
            "normalize.counts": "data.counts",
            "align.counts": "data.counts",
            "align.spatial_coords": "data.spatial_coords",
            "align.slice_labels": "data.slice_labels",
            "domains.counts": "data.counts",
            "domains.total_counts": "data.total_counts",
            "domains.spatial_coords": "data.spatial_coords",
            "domains.slice_labels": "data.slice_labels",
            "umap.features": "normalize.latent_mean | stop",
        },
        fields,
        outputs={
            "domain_assignments": "domains.domain_assignments",
            "aligned_coords": "align.aligned_coords",
            "latent": "normalize.latent",
            "embeddings_2d": "umap.embedding",
        },
    )


PRESET = Preset(
    id="spatial",
    title="Spatial domains and slice alignment",
    summary="Finds the domains of a tissue and lays its slices on one another.",
    make=spatial_spec,
    demo="tissue",
    place=9,
    rows="spots",
    needs=("counts", "spatial_coords"),
)
