import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from diffbio_engine.errors import SettingError
from diffbio_engine.operators.singlecell import (
    AmbientRemovalConfig,
    DifferentiableAmbientRemoval,
)

N_GENES = 60


def remover(**settings):
    settings = {"latent_dim": 4, "hidden_dims": (16,), **settings}
    config = AmbientRemovalConfig(n_genes=N_GENES, **settings)
    return DifferentiableAmbientRemoval(config, rngs=nnx.Rngs(0))


@pytest.fixture(scope="module")
def mixture():
    """Three kinds of cells, each without the other kinds' twelve markers, in a known soup."""
    rng = np.random.default_rng(3)
    kinds = rng.gamma(1.0, 1.0, size=(3, N_GENES)) + 0.05
    for k in range(3):
        for other in range(3):
            if other != k:
                kinds[k, other * 12 : other * 12 + 12] = 0
    kinds /= kinds.sum(1, keepdims=True)
    soup, own = kinds.mean(0), kinds[rng.integers(3, size=300)]
    rho, library = rng.beta(3, 27, 300), rng.uniform(1000, 3000, 300)
    rate = library[:, None] * ((1 - rho[:, None]) * own + rho[:, None] * soup)
    true = library[:, None] * (1 - rho[:, None]) * own
    return rng.poisson(rate).astype(np.float32), soup.astype(np.float32), rho, true


@pytest.fixture(scope="module")
def prepared(mixture):
    block = remover()
    block.prepare({"counts": mixture[0], "ambient_profile": mixture[1]}, jax.random.key(0))
    return block


def test_the_known_fraction_is_recovered_within_two_hundredths(mixture, prepared):
    counts, soup, rho, _ = mixture
    found = np.asarray(prepared(counts, soup)["contamination_fraction"])
    assert abs(found.mean() - rho.mean()) < 0.02
    assert np.corrcoef(found, rho)[0, 1] > 0.8


def test_cleaned_counts_are_nearer_the_truth_than_the_counts(mixture, prepared):
    counts, soup, _, true = mixture
    absent = true == 0
    cleaned = np.asarray(prepared(counts, soup)["decontaminated_counts"])
    assert cleaned[absent].sum() < 0.3 * counts[absent].sum()
    assert np.abs(cleaned - true).mean() < 0.8 * np.abs(counts - true).mean()


def test_an_unprepared_fraction_starts_at_its_prior_and_not_at_a_half(mixture):
    counts, soup, _, _ = mixture
    out = remover(ambient_prior=0.02)(counts, soup)
    # A random decoder looks more like the soup than the cell does, so a little above 0.02.
    assert np.median(out["contamination_fraction"]) < 0.3


@pytest.mark.parametrize("mode", ["posterior", "subtract"])
def test_no_more_is_left_than_was_counted(mixture, mode):
    counts, soup, _, _ = mixture
    out = remover(mode=mode)(counts, soup)["decontaminated_counts"]
    assert np.all(out >= 0) and np.all(out <= counts)


@pytest.mark.parametrize("mode", ["generative", "posterior", "subtract"])
def test_low_temperature_gives_whole_molecules(mixture, mode):
    counts, soup, _, _ = mixture
    out = remover(mode=mode, temperature=0.01)(counts[:50], soup)["decontaminated_counts"]
    off = np.abs(out - np.round(out))
    assert np.mean(off < 0.02) > 0.97


def test_a_profile_that_does_not_add_up_to_one_is_made_to(mixture, prepared):
    counts, soup, _, _ = mixture
    one, many = prepared(counts[:5], soup), prepared(counts[:5], soup * 37)
    np.testing.assert_allclose(
        one["decontaminated_counts"], many["decontaminated_counts"], rtol=1e-4, atol=1e-4
    )


def test_one_cell_is_a_row_of_many_and_the_data_are_kept(mixture, prepared):
    counts, soup, _, _ = mixture
    many, _, _ = prepared.apply({"counts": counts[:6], "ambient_profile": soup}, {}, None)
    one, _, _ = prepared.apply({"counts": counts[2], "ambient_profile": soup}, {}, None)
    assert one["decontaminated_counts"].shape == (N_GENES,) and "ambient_profile" in one
    np.testing.assert_allclose(one["latent"], many["latent"][2], rtol=1e-3, atol=1e-4)


def test_an_empty_cell_has_finite_gradients(mixture, prepared):
    counts = mixture[0][:4].copy()
    counts[0] = 0

    def loss(block):
        out = block(counts, mixture[1])
        return out["reconstruction_loss"] + out["kl_loss"] + out["contamination_loss"]

    value, grads = nnx.value_and_grad(loss)(prepared)
    assert np.isfinite(value)
    assert all(np.all(np.isfinite(g)) for g in jax.tree.leaves(grads))


def test_without_hidden_layers_it_is_refused():
    with pytest.raises(SettingError, match="hidden_dims"):
        AmbientRemovalConfig(hidden_dims=())


def test_turning_the_temperature_does_not_recompile(mixture, prepared):
    traces = []

    @nnx.jit
    def run(block, x):
        traces.append(1)
        return block(x, jnp.asarray(mixture[1]))["decontaminated_counts"]

    warm = run(prepared, mixture[0][:4])
    prepared.dials["temperature"][...] = jnp.asarray(0.05, float)
    cold = run(prepared, mixture[0][:4])
    prepared.dials["temperature"][...] = jnp.asarray(1.0, float)
    assert len(traces) == 1 and not np.allclose(warm, cold)
