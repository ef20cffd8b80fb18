"""Simulated cells: the truth is marked, and the counts follow the published formulas."""

import numpy as np
import pytest

from diffbio_engine.data.demos.human_gene_symbols import HUMAN_GENE_SYMBOLS
from diffbio_engine.data.demos.simulated_cells import Splat, simulated_cells


@pytest.fixture(scope="module")
def cells():
    return simulated_cells(seed=3)


def test_the_truth_is_in_the_data(cells):
    assert cells.shape == (1500, 500)
    assert cells.obs["group"].nunique() == 5 and cells.obs["batch"].nunique() == 2
    assert cells.obs["doublet"].mean() == pytest.approx(0.06, abs=1e-3)
    factors = cells.var[[f"de_factor_{k}" for k in range(1, 6)]].to_numpy()
    # 2500 draws with a chance of 0.15: a standard error of 0.007.
    assert (factors != 1).mean() == pytest.approx(0.15, abs=0.03)
    assert list(cells.var_names) == list(HUMAN_GENE_SYMBOLS[:500]) and cells.var_names.is_unique


def test_the_same_seed_gives_the_same_cells_and_another_does_not(cells):
    assert (simulated_cells(seed=3).X != cells.X).nnz == 0
    assert (simulated_cells(seed=4).X != cells.X).nnz > 0


def test_library_sizes_are_log_normal_and_doublets_have_two(cells):
    total = np.asarray(cells.X.sum(axis=1)).ravel()
    single = ~cells.obs["doublet"].to_numpy()
    # The spread of the totals is that of library sizes (0.25; standard error 0.005) and counts.
    assert np.log(total[single]).mean() == pytest.approx(8.0, abs=0.05)
    assert 0.23 < np.log(total[single]).std() < 0.3
    assert np.median(total[~single]) / np.median(total[single]) == pytest.approx(2.0, abs=0.2)


def test_a_genes_variance_is_that_of_the_model():
    one = simulated_cells(
        seed=1,
        n_cells=4000,
        n_genes=60,
        n_groups=1,
        n_batches=1,
        doublet_rate=0.0,
        splat=Splat(lib_scale=0.0, de_prob=0.0, bcv_df=1e6),
    )
    x = one.X.toarray().astype(float)
    mean = one.var["gene_mean"].to_numpy()
    mean = np.exp(8.0) * mean / mean.sum()
    variance = mean + (0.1 + mean**-0.5) ** 2 * mean**2
    seen = mean > 0.5
    np.testing.assert_allclose(x.mean(0)[seen], mean[seen], rtol=0.1)
    ratio = x.var(0)[seen] / variance[seen]
    assert np.median(ratio) == pytest.approx(1.0, abs=0.05)
    # Zeros of Gamma-Poisson counts, closed form.
    squared = (0.1 + mean**-0.5) ** 2
    np.testing.assert_allclose((x == 0).mean(0), (1 + squared * mean) ** (-1 / squared), atol=0.04)


def test_more_zeros_are_added_where_means_are_low():
    kept, dropped = (
        simulated_cells(seed=2, n_genes=200, splat=Splat(dropout_shape=shape, dropout_mid=1.0))
        for shape in (0.0, -1.5)
    )
    mean = kept.var["gene_mean"].to_numpy()
    low, high = mean < np.quantile(mean, 0.5), mean > np.quantile(mean, 0.9)
    a, b = kept.X.toarray(), dropped.X.toarray()
    lost = 1 - b.mean(0) / np.maximum(a.mean(0), 1e-9)
    assert np.median(lost[low]) > np.median(lost[high]) + 0.3


def test_groups_can_be_told_apart_from_the_counts(cells):
    single = ~cells.obs["doublet"].to_numpy()
    x = cells.X.toarray()[single]
    x = np.log1p(x / x.sum(1, keepdims=True) * 1e4)
    group = cells.obs["group"].cat.codes.to_numpy()[single]
    batch = cells.obs["batch"].cat.codes.to_numpy()[single]
    for b in range(2):
        x[batch == b] -= x[batch == b].mean(0)
    centres = np.stack([x[group == k].mean(0) for k in range(5)])
    nearest = ((x[:, None] - centres[None]) ** 2).sum(2).argmin(1)
    assert (nearest == group).mean() > 0.95
