"""Simulated cells by the Splat model, with groups, batches and doublets that are known."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.sparse as sp

from diffbio_engine.data.demos.human_gene_symbols import HUMAN_GENE_SYMBOLS

if TYPE_CHECKING:
    import anndata


@dataclass(frozen=True, kw_only=True)
class Splat:
    """Parameters of the Splat model, named as in the operator ``singlecell.simulator``.

    Library sizes and factors are chosen for 500 genes whose groups can be told apart.
    ``dropout_shape`` 0 means no zeros beyond those of counting, as in droplet data.
    """

    mean_shape: float = 0.6
    mean_rate: float = 0.3
    outlier_prob: float = 0.02
    outlier_loc: float = 3.0
    outlier_scale: float = 0.5
    lib_loc: float = 8.0
    lib_scale: float = 0.25
    de_prob: float = 0.15
    de_fac_loc: float = 0.8
    de_fac_scale: float = 0.4
    batch_fac_loc: float = 0.1
    batch_fac_scale: float = 0.25
    bcv_common: float = 0.1
    bcv_df: float = 60.0
    dropout_mid: float = 0.0
    dropout_shape: float = 0.0


def simulated_cells(
    seed: int = 0,
    n_cells: int = 1500,
    n_genes: int = 500,
    n_groups: int = 5,
    n_batches: int = 2,
    doublet_rate: float = 0.06,
    splat: Splat | None = None,
) -> "anndata.AnnData":
    """Counts of cells in known groups and batches, some of them doublets, by the Splat model.

    Gene means are Gamma, some of them outliers; a group changes some genes by log-normal factors
    and a batch all; a cell's mean is its log-normal library size times its group's share of each
    gene. Gamma variation between cells with coefficient
    ``(bcv_common + mean ** -0.5) * sqrt(df / chi2(df))``, then Poisson counts, then zeros with
    probability ``1 / (1 + exp(-shape (log mean - mid)))``. A doublet is the sum of two cells of
    one batch.

    Truth: ``obs`` has ``group``, ``batch``, ``doublet`` and ``second_group`` (of doublets; else
    that of the cell), ``var`` has ``gene_mean``, ``de_factor_1`` ... and ``batch_factor_1`` ...

    References:
        Zappia, Phipson, Oshlack (2017), Splatter: simulation of single-cell RNA sequencing data,
        Genome Biology 18.
    """
    import anndata

    splat = splat or Splat()
    random = np.random.Generator(np.random.Philox(seed))
    means = _gene_means(random, splat, n_genes)
    de = _factors(random, (n_groups, n_genes), splat.de_prob, splat.de_fac_loc, splat.de_fac_scale)
    batch_factors = np.ones((n_batches, n_genes))
    if n_batches > 1:
        batch_factors = _factors(
            random, (n_batches, n_genes), 1.0, splat.batch_fac_loc, splat.batch_fac_scale
        )
    profiles = means * de[None] * batch_factors[:, None]
    profiles /= profiles.sum(axis=2, keepdims=True)
    spread = np.sqrt(splat.bcv_df / random.chisquare(splat.bcv_df, n_genes))

    shares = random.dirichlet(np.full(n_groups, 8.0))
    batch = np.arange(n_cells) * n_batches // n_cells
    group = random.choice(n_groups, n_cells, p=shares)
    counts = _counts(random, splat, profiles[batch, group], spread)

    doublet = np.zeros(n_cells, bool)
    doublet[random.permutation(n_cells)[: round(doublet_rate * n_cells)]] = True
    second = np.where(doublet, random.choice(n_groups, n_cells, p=shares), group)
    counts[doublet] += _counts(random, splat, profiles[batch, second][doublet], spread)

    var = {"gene_mean": means}
    var |= {f"de_factor_{k + 1}": de[k] for k in range(n_groups)}
    var |= {f"batch_factor_{b + 1}": batch_factors[b] for b in range(n_batches)}
    obs = {
        "group": _named(group, "group", n_groups),
        "batch": _named(batch, "batch", n_batches),
        "doublet": doublet,
        "second_group": _named(second, "group", n_groups),
    }
    return anndata.AnnData(
        sp.csr_matrix(counts, dtype=np.float32),
        obs=pd.DataFrame(obs, index=pd.Index([f"cell_{i}" for i in range(n_cells)], dtype=object)),
        var=pd.DataFrame(var, index=pd.Index(_symbols(n_genes), dtype=object)),
        uns={"origin": f"simulated by diffbio_engine.data.demos.simulated_cells, seed {seed}"},
    )


def _gene_means(random: np.random.Generator, splat: Splat, n_genes: int) -> np.ndarray:
    means = random.gamma(splat.mean_shape, 1 / splat.mean_rate, n_genes)
    outlier = random.random(n_genes) < splat.outlier_prob
    factor = random.lognormal(splat.outlier_loc, splat.outlier_scale, n_genes)
    return np.where(outlier, np.median(means) * factor, means)


def _factors(
    random: np.random.Generator, shape: tuple[int, int], chance: float, loc: float, scale: float
) -> np.ndarray:
    """Log-normal factors, half of them up and half down; 1 where nothing changes."""
    size = np.abs(random.normal(loc, scale, shape))
    sign = np.where(random.random(shape) < 0.5, 1.0, -1.0)
    return np.where(random.random(shape) < chance, np.exp(sign * size), 1.0)


def _counts(
    random: np.random.Generator, splat: Splat, profiles: np.ndarray, spread: np.ndarray
) -> np.ndarray:
    library = random.lognormal(splat.lib_loc, splat.lib_scale, len(profiles))
    expected = np.maximum(library[:, None] * profiles, 1e-8)
    squared = ((splat.bcv_common + expected**-0.5) * spread) ** 2
    means = random.gamma(1 / squared, expected * squared)
    counts = random.poisson(means)
    if splat.dropout_shape:
        logit = splat.dropout_shape * (np.log(np.maximum(means, 1e-30)) - splat.dropout_mid)
        counts[random.random(counts.shape) < 1 / (1 + np.exp(-logit))] = 0
    return counts


def _named(codes: np.ndarray, what: str, n: int) -> pd.Categorical:
    names = pd.Index([f"{what} {i + 1}" for i in range(n)], dtype=object)
    return pd.Categorical.from_codes(codes, names)


def _symbols(n_genes: int) -> list[str]:
    """Real symbols as far as they go."""
    further = [f"gene_{g + 1}" for g in range(len(HUMAN_GENE_SYMBOLS), n_genes)]
    return [*HUMAN_GENE_SYMBOLS[:n_genes], *further]
