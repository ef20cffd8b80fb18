"""How cells are compared with simulated doublets."""

from dataclasses import dataclass

from diffbio_engine.declare import Config, setting, size


@dataclass(frozen=True, kw_only=True)
class ComparisonSettings(Config):
    """Settings of the comparison of cells with simulated doublets."""

    n_neighbors: int = setting(
        30,
        low=0,
        high=500,
        doc="Observed cells that count as near; 0: half the square root of the number of cells.",
    )
    sim_doublet_ratio: float = setting(
        2.0, low=0.5, high=10.0, doc="Simulated doublets for each observed cell."
    )
    n_pca_components: int = setting(30, low=2, high=100, doc="Axes in which cells are compared.")
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
