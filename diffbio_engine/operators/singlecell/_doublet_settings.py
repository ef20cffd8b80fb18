"""How cells are compared with simulated doublets, and what both blocks for doublets share."""

from dataclasses import replace
from typing import Any

from diffbio_engine.declare import BATCH_LABELS, Config, setting, size

BATCHES = replace(
    BATCH_LABELS,
    doc="Batch (run, lane) of each cell: only cells of one can share a droplet, and how many do"
    " follows from their number.",
    optional=True,
)


def most_called_setting() -> Any:
    """How many times the expected rate a threshold may call and be believed."""
    return setting(
        2.0,
        low=1.0,
        high=100.0,
        unit="times the expected rate",
        doc="A threshold that calls more than this is not believed; the expected share is called.",
        advanced=True,
    )


class ClassifierSettings(Config):
    """Settings of the networks of a classifier of doublets."""

    n_genes: int = size("genes", default=2000, doc="How many genes are measured.")
    latent_dim: int = setting(10, low=2, high=128, doc="Dimensions of the latent space.")
    hidden_dims: tuple[int, ...] = setting(
        (128, 64), low=1, doc="Widths of the encoder's hidden layers.", advanced=True
    )
    classifier_hidden_dim: int = setting(
        64, low=4, high=1024, log=True, doc="Width of the classifier.", advanced=True
    )
    sim_doublet_ratio: float = setting(
        2.0, low=0.5, high=10.0, doc="Simulated doublets for each observed cell."
    )


class ComparisonSettings(Config):
    """Settings of the comparison of cells with simulated doublets."""

    n_neighbors: int = setting(
        30,
        low=0,
        high=500,
        doc="Nearest neighbours among observed cells; 0: half the square root of the number "
        "of cells.",
    )
    sim_doublet_ratio: float = setting(
        2.0, low=0.5, high=10.0, doc="Simulated doublets for each observed cell."
    )
    n_pca_components: int = setting(
        30, low=2, high=100, doc="Principal components in which cells are compared."
    )
    n_genes: int = size("genes", default=2000, doc="How many genes are measured.")
    variable_gene_share: float = setting(
        0.3,
        low=0.01,
        high=1.0,
        log=True,
        doc="Share of the genes, the most variable ones, in which cells are compared.",
        advanced=True,
    )
    log_transform: bool = setting(
        False, doc="Compare logarithms of the scaled counts instead of these.", advanced=True
    )
