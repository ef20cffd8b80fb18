"""Simulated cells of known types in batches, with ambient RNA."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.sparse as sp

if TYPE_CHECKING:
    import anndata


def simulate_batches(
    seed: int = 0,
    n_cells: int = 1500,
    n_genes: int = 500,
    n_types: int = 6,
    n_batches: int = 3,
    ambient: float = 0.08,
) -> "anndata.AnnData":
    """Negative binomial counts of known types in batches, with ambient RNA.

    ``counts ~ NB(mean = total * ((1 - a) * p[type, batch] + a * soup[batch]), theta)``, where a
    type raises a tenth of the genes, a batch shifts all of them (log-normal, 0.3), and the soup is
    the mean profile of the batch. Truth: ``obs`` (``cell_type``, ``batch``,
    ``true_ambient_share``) and ``varm["true_ambient_profile"]`` (genes x batches).

    References:
        Zappia, Phipson, Oshlack (2017), Splatter: simulation of single-cell RNA sequencing data.
    """
    import anndata

    random = np.random.Generator(np.random.Philox(seed))
    base = np.exp(random.normal(0.0, 1.5, n_genes))
    raised = random.random((n_types, n_genes)) < 0.1
    factors = np.where(raised, np.exp(random.normal(1.5, 0.4, raised.shape)), 1.0)
    shifts = np.exp(random.normal(0.0, 0.3, (n_batches, n_genes)))
    profiles = base * factors[None] * shifts[:, None]
    profiles /= profiles.sum(axis=2, keepdims=True)
    shares = random.dirichlet(np.full(n_types, 5.0))
    soup = np.einsum("t,btg->bg", shares, profiles)

    batch = np.sort(np.arange(n_cells) % n_batches)
    types = random.choice(n_types, n_cells, p=shares)
    totals = np.exp(random.normal(np.log(1500) + 0.2 * (batch - batch.mean()), 0.35))
    share = random.beta(2.0, 2.0 * (1 - ambient) / ambient, n_cells)
    mean = (1 - share)[:, None] * profiles[batch, types] + share[:, None] * soup[batch]
    mean *= totals[:, None]
    theta = random.gamma(4.0, 1.0, n_genes) + 0.5
    counts = random.poisson(mean * random.gamma(theta, 1 / theta, mean.shape))

    obs = pd.DataFrame(
        {
            "cell_type": pd.Categorical.from_codes(types, _words("type", n_types)),
            "batch": pd.Categorical.from_codes(batch, _words("batch", n_batches)),
            "true_ambient_share": share.astype(np.float32),
        },
        index=pd.Index([f"cell_{i}" for i in range(n_cells)], dtype=object),
    )
    return anndata.AnnData(
        sp.csr_matrix(counts, dtype=np.float32),
        obs=obs,
        var=pd.DataFrame(index=pd.Index([f"gene_{g}" for g in range(n_genes)], dtype=object)),
        varm={"true_ambient_profile": soup.T.astype(np.float32)},
        uns={"origin": f"simulated by diffbio_engine.data.simulate_batches(seed={seed})"},
    )


def _words(what: str, n: int) -> pd.Index:
    return pd.Index([f"{what} {i + 1}" for i in range(n)], dtype=object)
