"""Trajectory: from stem cells to fates, with the genes that switch on the way."""

from collections.abc import Mapping

from diffbio_engine.pipelines.presets.preset import LATENT, Preset, assembled
from diffbio_engine.pipelines.spec import PipelineSpec


def trajectory_spec(fields: Mapping[str, str] | None = None) -> PipelineSpec:
    """PHATE, pseudotime, fates and switch genes; transport over time where time points are known.

    Pseudotime begins at the cell ``root_cell_index``: set it to a cell of the start.
    """
    return assembled(
        "Trajectory",
        {
            "normalize": ("normalization.vae_normalizer", LATENT),
            "phate": ("normalization.phate", {}),
            "order": ("singlecell.pseudotime", {}),
            "fates": ("singlecell.fate_probability", {"n_macrostates": 3}),
            "switches": ("singlecell.switch_de", {}),
            "transport": ("singlecell.ot_trajectory", {}),
        },
        {
            "normalize.counts": "data.counts",
            "phate.features": "normalize.latent_mean | stop",
            "order.embeddings": "normalize.latent_mean | stop",
            "fates.embeddings": "order.diffusion_components",
            "fates.pseudotime": "order.pseudotime",
            "switches.counts": "data.counts",
            "switches.total_counts": "data.total_counts",
            "switches.pseudotime": "order.pseudotime",
            "transport.embeddings": "normalize.latent_mean | stop",
            "transport.time_points": "data.time_points",
            "transport.labels": "data.labels",
        },
        fields,
        outputs={
            "latent": "normalize.latent",
            "embeddings_2d": "phate.embedding",
            "pseudotime": "order.pseudotime",
            "fate_probabilities": "fates.fate_probabilities",
        },
    )


PRESET = Preset(
    id="trajectory",
    title="Trajectory: pseudotime, fates and switch genes",
    summary="Orders cells from a root, tells their likely fates, and finds the genes that switch.",
    make=trajectory_spec,
    demo="time_course",
    place=2,
)
