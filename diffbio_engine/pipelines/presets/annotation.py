"""Annotation: the cells whose type is known teach the types of the others."""

from collections.abc import Mapping

from diffbio_engine.pipelines.presets.preset import LATENT, Preset, assembled
from diffbio_engine.pipelines.spec import PipelineSpec


def annotation_spec(fields: Mapping[str, str] | None = None) -> PipelineSpec:
    """A classifier of genes and one within the latent space, both taught by the known labels."""
    return assembled(
        "Annotation",
        {
            "normalize": ("normalization.vae_normalizer", LATENT),
            "annotate": ("singlecell.cell_annotator", {}),
            "umap": ("normalization.umap", {}),
            "cluster": ("singlecell.soft_kmeans", {}),
        },
        {
            "normalize.counts": "data.counts",
            "annotate.counts": "data.counts",
            "annotate.total_counts": "data.total_counts",
            "annotate.labels": "data.labels",
            "umap.features": "normalize.latent_mean | stop",
            "cluster.embeddings": "normalize.latent_mean",
        },
        fields,
        outputs={
            "cell_type_probabilities": "annotate.cell_type_probabilities",
            "latent": "normalize.latent",
            "embeddings_2d": "umap.embedding",
            "cluster_assignments": "cluster.cluster_assignments",
        },
    )


PRESET = Preset(
    id="annotation",
    title="Annotation with reference labels",
    summary="Cells of known type teach the types of those marked 'unknown'.",
    make=annotation_spec,
    demo="blood_half_labelled",
    place=3,
    needs=("counts", "labels"),
)
