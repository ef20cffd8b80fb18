"""Simulated cells of donors under two conditions; what changes in each cell type is known."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.sparse as sp

from diffbio_engine.data.demos.human_gene_symbols import HUMAN_GENE_SYMBOLS

if TYPE_CHECKING:
    import anndata


def simulate_conditions(
    seed: int = 0,
    n_cells: int = 1200,
    n_genes: int = 400,
    n_types: int = 3,
    n_donors: int = 6,
    *,
    apart: float = 0.6,
    depth: float = 1500.0,
    changed: float = 0.1,
) -> "anndata.AnnData":
    """Counts of cells of several types from donors, half of them controls and half treated.

    A tenth of the genes tells the types apart (log-normal factors of deviation ``apart``): types
    overlap, so that where a cell belongs is uncertain. In each type other genes change with the
    treatment, by log2 fold changes of 1 to 2 either way. A donor's own level of each gene varies by
    15 %, and counts are negative binomial with dispersions of 0.1 to 0.5.

    Truth: ``obs`` has ``donor``, ``condition``, ``cell_type``; ``var`` has
    ``log2_fold_change_type_1`` and so on.
    """
    import anndata

    random = np.random.default_rng(seed)
    means = random.lognormal(0.0, 1.2, n_genes)
    factors = np.exp(random.normal(0.0, apart, (n_types, n_genes)) * (random.random(n_genes) < 0.1))
    size = random.uniform(1.0, 2.0, (n_types, n_genes)) * random.choice([-1, 1], (n_types, n_genes))
    fold = np.where(random.random((n_types, n_genes)) < changed, size, 0.0)
    own = np.exp(random.normal(0.0, 0.15, (n_donors, n_genes)))
    alpha = random.uniform(0.1, 0.5, n_genes)

    donor = random.integers(n_donors, size=n_cells)
    treated = donor % 2
    kind = random.choice(n_types, n_cells, p=random.dirichlet(np.full(n_types, 12.0)))
    rate = means * factors[kind] * 2.0 ** (fold[kind] * treated[:, None]) * own[donor]
    rate *= depth * random.lognormal(0.0, 0.3, (n_cells, 1)) / means.sum()
    counts = random.poisson(random.gamma(1 / alpha, rate * alpha))

    obs = {
        "donor": [f"donor {i + 1}" for i in donor],
        "condition": np.where(treated == 1, "treated", "control"),
        "cell_type": [f"type {k + 1}" for k in kind],
    }
    var = {f"log2_fold_change_type_{k + 1}": fold[k] for k in range(n_types)}
    names = [HUMAN_GENE_SYMBOLS[i] for i in range(n_genes)]
    return anndata.AnnData(
        sp.csr_matrix(counts, dtype=np.float32),
        obs=pd.DataFrame(obs, index=pd.Index([f"cell_{i}" for i in range(n_cells)], dtype=object)),
        var=pd.DataFrame(var, index=pd.Index(names, dtype=object)),
        uns={"origin": f"simulated by diffbio_engine.data.demos.simulate_conditions, seed {seed}"},
    )
