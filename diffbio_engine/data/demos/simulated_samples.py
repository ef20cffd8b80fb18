"""Simulated bulk samples: two treatments of cells of four donors, with genes that truly differ."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    import anndata


def simulate_samples(seed: int = 0, n_donors: int = 4, n_genes: int = 5000) -> "anndata.AnnData":
    """Negative binomial counts of ``2 * n_donors`` samples, half of them treated.

    ``counts ~ NB(depth * q, alpha)`` with ``q`` log-normal over genes, ``alpha = 0.02 + 2 / mean``
    scattered by a log-normal factor as in real data (Love et al. 2014). One gene in ten differs by
    treatment, by a normal log2 change of standard deviation 1.2; donors differ by 0.3. Truth:
    ``var["true_log2_fold_change"]``.
    """
    import anndata

    random = np.random.Generator(np.random.Philox(seed))
    level = np.exp(random.normal(4.5, 1.8, n_genes))
    spread = (0.02 + 2.0 / level) * np.exp(random.normal(0.0, 0.6, n_genes))
    change = np.where(random.random(n_genes) < 0.1, random.normal(0.0, 1.2, n_genes), 0.0)
    of_donor = random.normal(0.0, 0.3, (n_donors, n_genes))
    donor = np.repeat(np.arange(n_donors), 2)
    treated = np.tile([0, 1], n_donors)
    depth = np.exp(random.normal(0.0, 0.25, 2 * n_donors))
    mean = depth[:, None] * level * 2.0 ** (of_donor[donor] + treated[:, None] * change)
    rate = random.gamma(1 / spread, spread, mean.shape) * mean
    drug = np.where(treated, "drug", "vehicle")
    names = [f"donor{d + 1}_{given}" for d, given in zip(donor, drug, strict=True)]
    obs = pd.DataFrame(
        {
            "donor": pd.Categorical([f"donor{d + 1}" for d in donor]),
            "treatment": pd.Categorical(drug),
        },
        index=pd.Index(names, dtype=object),
    )
    var = pd.DataFrame(
        {"true_log2_fold_change": change.astype(np.float32)},
        index=pd.Index([f"gene_{g + 1}" for g in range(n_genes)], dtype=object),
    )
    return anndata.AnnData(random.poisson(rate).astype(np.float32), obs=obs, var=var)
