"""Soft variable genes: scanpy's choice in the hard limit, k genes at any softness."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from diffbio_engine.operators.singlecell import SoftHVG, SoftHVGConfig
from diffbio_engine.operators.singlecell.soft_hvg import HVGFlavor

REFERENCE = Path(__file__).parents[2] / "references/singlecell/soft_hvg.npz"


def cells(n=120, genes=40, seed=0):
    rng = np.random.default_rng(seed)
    mean = rng.gamma(1.0, 4.0, genes) + 0.3
    size = rng.uniform(0.3, 8.0, genes)
    return rng.poisson(mean * rng.gamma(size, 1 / size, (n, genes))).astype(np.float32)


@pytest.mark.parametrize("flavor", list(HVGFlavor))
def test_prepared_it_chooses_the_genes_that_scanpy_chooses(shared_data, flavor, key):
    import anndata

    counts = anndata.read_h5ad(shared_data / "pbmc3k_hvg2000_counts.h5ad").X
    counts = np.asarray(counts.todense() if hasattr(counts, "todense") else counts, np.float32)
    ref = np.load(REFERENCE)
    block = SoftHVG(SoftHVGConfig(n_genes=2000, n_top_genes=500, flavor=flavor))
    block.prepare_from({"counts": counts}, key)
    found = block(jnp.asarray(counts[:50]))
    expected = ref[f"{flavor}_dispersion"]
    there = np.isfinite(expected)
    np.testing.assert_allclose(
        np.asarray(found["hvg_dispersion"])[there], expected[there], rtol=2e-4, atol=2e-4
    )
    np.testing.assert_array_equal(np.asarray(found["hvg_weights"]) == 1, ref[f"{flavor}_chosen"])
    np.testing.assert_array_equal(found["selected_features"], counts[:50] * ref[f"{flavor}_chosen"])


def test_soft_weights_add_up_to_k_and_harden():
    counts = jnp.asarray(cells())
    hard = SoftHVG(SoftHVGConfig(n_genes=40, n_top_genes=10, n_bins=2))(counts)["hvg_weights"]
    assert sorted(set(np.asarray(hard).tolist())) == [0.0, 1.0] and hard.sum() == 10
    soft = SoftHVG(SoftHVGConfig(n_genes=40, n_top_genes=10, hard=False, n_bins=2))
    away = []
    for softness in (2.0, 0.3, 0.001):
        soft.dials["softness"][...] = jnp.asarray(softness)
        weights = soft(counts)["hvg_weights"]
        assert float(weights.sum()) == pytest.approx(10, abs=1e-3)
        assert float(weights.min()) >= 0 and float(weights.max()) <= 1
        away.append(float(jnp.abs(weights - hard).sum()))
    assert away[0] > away[1] >= away[2] and away[2] < 0.01


def test_hard_weights_have_the_gradient_of_the_soft_ones():
    counts = jnp.asarray(cells())

    def slope(hard):
        block = SoftHVG(SoftHVGConfig(n_genes=40, n_top_genes=10, hard=hard, softness=1.0))
        score = nnx.jit(nnx.grad(lambda b: b(counts)["hvg_weights"] @ jnp.arange(40.0)))(block)
        values = jax.jit(jax.grad(lambda x: block(x)["hvg_weights"] @ jnp.arange(40.0)))(counts)
        return np.asarray(score["gene_scores"][...]), np.asarray(values)

    for a, b in zip(slope(True), slope(False), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
        assert np.abs(a).sum() > 0


def test_a_learned_score_brings_a_gene_in():
    counts = jnp.asarray(cells())
    block = SoftHVG(SoftHVGConfig(n_genes=40, n_top_genes=10))
    out = int(np.argmin(block(counts)["hvg_dispersion"]))
    assert block(counts)["hvg_weights"][out] == 0
    block.gene_scores[...] = block.gene_scores[...].at[out].set(20.0)
    assert block(counts)["hvg_weights"][out] == 1


def test_the_sheets_key_is_taken_and_left_as_it_is():
    counts = jnp.asarray(cells())
    block = SoftHVG(SoftHVGConfig(n_genes=40, n_top_genes=10, flavor=HVGFlavor.SEURAT))
    result = block.apply({"features": counts}, {}, None)[0]
    np.testing.assert_array_equal(result["features"], counts)
    np.testing.assert_array_equal(result["gated_features"], counts * result["hvg_weights"])
    np.testing.assert_array_equal(result["gated_features"], result["selected_features"])


def test_log_normalised_values_give_the_same_genes():
    counts = cells()
    logged = np.log1p(1e4 * counts / counts.sum(axis=1, keepdims=True))
    a = SoftHVG(SoftHVGConfig(n_genes=40, n_top_genes=10))(jnp.asarray(counts))
    b = SoftHVG(SoftHVGConfig(n_genes=40, n_top_genes=10, normalize=False))(jnp.asarray(logged))
    np.testing.assert_allclose(a["hvg_dispersion"], b["hvg_dispersion"], atol=1e-3)
    np.testing.assert_array_equal(a["hvg_weights"], b["hvg_weights"])


@pytest.mark.parametrize("flavor", list(HVGFlavor))
def test_genes_without_counts_and_a_lone_cell_give_numbers(flavor):
    block = SoftHVG(SoftHVGConfig(n_genes=40, n_top_genes=10, flavor=flavor))
    counts = cells()
    counts[:, :5] = 0
    found = block(jnp.asarray(counts))
    assert all(np.isfinite(x).all() for x in found.values())
    assert all(np.isfinite(x).all() for x in block(jnp.asarray(counts[:1])).values())
    if flavor == "seurat":
        assert not np.asarray(found["hvg_weights"])[:5].any()
