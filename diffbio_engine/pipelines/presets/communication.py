"""Communication: which cells talk to which, by which ligand and receptor."""

from collections.abc import Mapping
from typing import Any

from diffbio_engine.pipelines.presets.preset import LATENT, Preset, assembled
from diffbio_engine.pipelines.spec import PipelineSpec


def communication_spec(fields: Mapping[str, str] | None = None) -> PipelineSpec:
    """Ligand-receptor scores between types and, in a tissue, what neighbours explain."""
    blocks: dict[str, tuple[str, dict[str, Any]]] = {
        "normalize": ("normalization.vae_normalizer", LATENT),
        "pairs": ("singlecell.ligand_receptor", {}),
        "messages": ("singlecell.cell_communication", {}),
        "umap": ("normalization.umap", {}),
        "cluster": ("singlecell.soft_kmeans", {}),
    }
    if fields is not None and "spatial_coords" not in fields:
        # Without places, neighbours would be cells of one kind: what they explain is no signal.
        del blocks["messages"]
    return assembled(
        "Communication",
        blocks,
        {
            "normalize.counts": "data.counts",
            "pairs.counts": "data.counts",
            "pairs.lr_pairs": "data.lr_pairs",
            "pairs.total_counts": "data.total_counts",
            "pairs.labels": "data.labels",
            "pairs.spatial_coords": "data.spatial_coords",
            "messages.counts": "data.counts",
            "messages.lr_pairs": "data.lr_pairs",
            "messages.total_counts": "data.total_counts",
            "messages.labels": "data.labels",
            "messages.spatial_coords": "data.spatial_coords",
            "umap.features": "normalize.latent_mean | stop",
            "cluster.embeddings": "normalize.latent_mean",
        },
        fields,
        outputs={"latent": "normalize.latent", "embeddings_2d": "umap.embedding"},
    )


PRESET = Preset(
    id="communication",
    title="Communication between cells",
    summary="Known ligands and receptors: which cell types talk, how surely, and where.",
    make=communication_spec,
    demo="tissue",
    place=7,
    needs=("counts", "lr_pairs"),
)
