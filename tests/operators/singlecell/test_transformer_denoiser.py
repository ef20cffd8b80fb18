"""Transformer denoising: what is hidden, where it starts, and what training adds on real cells."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from diffbio_engine.errors import SettingError
from diffbio_engine.operators.singlecell import (
    DifferentiableTransformerDenoiser,
    TransformerDenoiserConfig,
)
from diffbio_engine.parts.count_starts import start_of_counts
from tests.descent import descended

KEY = jax.random.key(0)
SMALL = {"hidden_dim": 16, "num_heads": 2, "num_latents": 4, "num_layers": 1, "n_components": 5}


@pytest.fixture(scope="module")
def block(counts):
    config = TransformerDenoiserConfig(n_genes=150, **SMALL)
    block = DifferentiableTransformerDenoiser(config, rngs=nnx.Rngs(0))
    block.prepare_from({"counts": counts[:1000]}, KEY)
    return block


@pytest.fixture(scope="module")
def run():
    return nnx.jit(lambda block, cells, key=None: block(cells, key=key))


def poisson_loss(rate, counts, where):
    return float(np.mean((rate - counts * np.log(rate + 1e-6))[where]))


def test_each_cell_has_genes_of_its_own_hidden_and_keeps_the_others(block, counts, run):
    out = run(block, counts[:64], KEY)
    mask = np.asarray(out["mask"])
    assert abs(mask.mean() - 0.15) < 0.01 and np.any(mask[0] != mask[1])
    np.testing.assert_array_equal(
        np.asarray(out["imputed_counts"])[mask == 0], counts[:64][mask == 0]
    )
    assert np.all(np.asarray(out["imputed_counts"])[mask == 1] > 0)


def test_without_a_key_every_gene_is_predicted(block, counts, run):
    out = run(block, counts[:8])
    assert np.all(np.asarray(out["mask"]) == 1)
    rate = np.asarray(out["imputed_counts"])
    np.testing.assert_allclose(rate.sum(axis=1), counts[:8].sum(axis=1), rtol=1e-3)
    share = rate / rate.sum(axis=1, keepdims=True)
    typical = float(block.typical_library[...])
    np.testing.assert_allclose(out["predicted_expression"], np.log1p(typical * share), rtol=1e-3)


def test_a_hidden_count_does_not_reach_its_own_prediction(block, counts):
    mask = np.asarray(block(counts[:4], key=KEY)["mask"])
    changed = counts[:4] + 7 * mask
    first, second = (np.asarray(block(x, key=KEY)["imputed_counts"]) for x in (counts[:4], changed))
    np.testing.assert_array_equal(first[mask == 1], second[mask == 1])


def test_it_starts_as_the_poisson_factor_model(block, counts, run):
    seed = int(jax.random.randint(KEY, (), 0, 2**31 - 1))
    start = start_of_counts(counts[:1000], 5, seed=seed)
    library = counts[:8].sum(axis=1, keepdims=True)
    logs = np.log1p(counts[:8] / library * start.typical_library)
    rate = np.exp(start.log_profile + (logs - start.centre) @ start.project @ start.slopes)
    expected = library * rate / rate.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(run(block, counts[:8])["imputed_counts"], expected, rtol=1e-3)


def test_cells_do_not_know_of_each_other(block, counts, run):
    whole, alone = run(block, counts[:200]), run(block, counts[7:8])
    np.testing.assert_allclose(
        whole["imputed_counts"][7], alone["imputed_counts"][0], rtol=1e-3, atol=1e-5
    )


def test_genes_in_another_order_are_found_by_their_ids(block, counts):
    order = np.random.default_rng(0).permutation(150)
    plain = block(counts[:4])["imputed_counts"]
    turned = block(counts[:4][:, order], jnp.asarray(order))["imputed_counts"]
    np.testing.assert_allclose(turned, plain[:, order], rtol=1e-4, atol=1e-6)


def test_after_training_hidden_genes_of_new_cells_are_better_than_gene_means_and_the_start(
    block, counts, run
):
    adam = optax.adam(optax.cosine_decay_schedule(3e-3, 120))
    trained = descended(block, counts[:1000], "masked_loss", adam, steps=120, batch=128)
    new = counts[1000:]
    before, after = (run(b, new, KEY) for b in (block, trained))
    hidden = np.asarray(before["mask"]) == 1
    share = counts[:1000].sum(axis=0) / counts[:1000].sum()
    means = new.sum(axis=1, keepdims=True) * share
    mean, start, found = (
        poisson_loss(np.asarray(rate), new, hidden)
        for rate in (means, before["imputed_counts"], after["imputed_counts"])
    )
    print(mean, start, found)
    assert found < start < mean


def test_a_width_that_heads_cannot_share_is_refused():
    with pytest.raises(SettingError, match="num_heads"):
        TransformerDenoiserConfig(hidden_dim=10, num_heads=4)
