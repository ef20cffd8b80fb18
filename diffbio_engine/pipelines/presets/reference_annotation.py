"""Annotation by a reference: a second data set, whose types are known, names the cells."""

from collections.abc import Mapping

from diffbio_engine.pipelines.presets.preset import LATENT, Preset, assembled
from diffbio_engine.pipelines.spec import PipelineSpec


def reference_annotation_spec(fields: Mapping[str, str] | None = None) -> PipelineSpec:
    """Cells by their likeness to the types of a reference, on a map of their own."""
    return assembled(
        "Annotation by a reference",
        {
            "normalize": ("normalization.vae_normalizer", LATENT),
            "annotate": ("singlecell.cell_annotator", {"annotation_mode": "singler"}),
            "umap": ("normalization.umap", {}),
            "cluster": ("singlecell.soft_kmeans", {}),
        },
        {
            "normalize.counts": "data.counts",
            "annotate.counts": "data.counts",
            "annotate.reference_profiles": "reference.profiles",
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
    id="reference_annotation",
    title="Cell types from a second data set",
    summary="A reference, whose cell types are known, names the cells of your data.",
    make=reference_annotation_spec,
    demo="blood_unlabelled",
    place=4,
    needs=("counts", "reference.profiles"),
)
