"""Ambient removal: the known level, the known truth, bounds, whole molecules, gradients."""

import importlib.util

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from diffbio_engine.errors import SettingError
from diffbio_engine.operators.singlecell import (
    AmbientRemovalConfig,
    DifferentiableAmbientRemoval,
)
from diffbio_engine.operators.singlecell.ambient_removal import _ambient_starts as ambient_starts
from diffbio_engine.operators.singlecell.ambient_removal._ambient_starts import (
    CELLS_DIFFER,
    GENES_OFF,
    NO_SIGN,
    SIGNS,
    ambient_level,
    ambient_parts,
    ambient_start,
)

N_GENES = 60


def remover(**settings):
    settings = {"latent_dim": 4, "hidden_dims": (16,), **settings}
    config = AmbientRemovalConfig(n_genes=N_GENES, **settings)
    return DifferentiableAmbientRemoval(config, rngs=nnx.Rngs(0))


@nnx.jit
def run(block, counts, soup):
    return block(counts, soup)


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
    block.prepare_from({"counts": mixture[0], "ambient_profile": mixture[1]}, jax.random.key(0))
    return block


def test_it_is_said_by_which_sign_the_level_was_found(prepared, mixture):
    counts, soup, rho, _ = mixture
    said = run(prepared, counts, soup)
    assert SIGNS[int(said["level_rule"])].startswith("Genes that are off in whole clusters")
    assert float(said["ambient_level"]) == pytest.approx(rho.mean(), abs=0.02)
    assert SIGNS[int(run(remover(), counts, soup)["level_rule"])].startswith("It was not recorded")
    assert ambient_start(counts, soup, prior=0.01).sign == GENES_OFF


@pytest.mark.parametrize(
    ("spread", "sign", "level"), [(0.0, NO_SIGN, 0.01), (0.05, CELLS_DIFFER, 0.1)]
)
def test_without_a_gene_that_is_off_the_level_is_a_guess_or_not_known(
    monkeypatch, mixture, spread, sign, level
):
    levels = ambient_starts._LEVELS
    monkeypatch.setattr(ambient_starts, "_lower_spread", lambda *_: spread)
    monkeypatch.setattr(ambient_starts, "_gain_of_a_pile", lambda *_: (np.zeros(len(levels)), 0))
    start = ambient_start(mixture[0], mixture[1], prior=0.01)
    assert start.sign == sign and start.fractions.mean() == pytest.approx(level, rel=0.2)


def trained(block, counts, soup, n_steps):
    graph, weights, rest = nnx.split(block, nnx.Param, ...)
    rest, adam = jax.tree.map(jnp.asarray, rest), optax.adam(1e-3)

    @jax.jit
    def step(weights, memory, batch, key):
        def loss(w):
            out = nnx.merge(graph, w, rest)(batch, jnp.asarray(soup), key)
            return out["reconstruction_loss"] + out["kl_loss"] + out["contamination_loss"]

        updates, memory = adam.update(jax.grad(loss)(weights), memory, weights)
        return optax.apply_updates(weights, updates), memory

    memory, rng = adam.init(weights), np.random.default_rng(1)
    for i in range(n_steps):
        batch = counts[rng.choice(len(counts), 100, replace=False)]
        weights, memory = step(weights, memory, batch, jax.random.key(i))
    return nnx.merge(graph, weights, rest)


def test_the_known_fraction_is_recovered_within_two_hundredths(mixture, prepared):
    counts, soup, rho, _ = mixture
    for block in (prepared, trained(prepared, counts, soup, n_steps=15)):  # 15: five epochs
        found = np.asarray(run(block, counts, soup)["contamination_fraction"])
        assert abs(found.mean() - rho.mean()) < 0.02
        assert np.corrcoef(found, rho)[0, 1] > 0.8


@pytest.mark.parametrize("level", [0.05, 0.15])
def test_the_level_of_cells_that_silence_genes_is_found_even_if_all_are_equally_dirty(level):
    rng = np.random.default_rng(5)
    kinds = rng.gamma(1.0, 1.0, size=(4, 300))
    kinds[rng.random(kinds.shape) < 0.4] = 0
    kinds /= kinds.sum(1, keepdims=True)
    group = rng.integers(4, size=400)
    counts = rng.poisson(2000 * ((1 - level) * kinds[group] + level * kinds.mean(0)))
    found = ambient_level(counts, kinds.mean(0), group, prior=0.01)
    assert abs(found - level) < 0.01


@pytest.mark.parametrize("level", [0.05, 0.15])
def test_the_level_is_near_where_no_gene_is_ever_off(shared_data, level):
    """gen_scale.py has doublets, cells between kinds, overdispersion and dropout."""
    spec = importlib.util.spec_from_file_location("gen_scale", shared_data / "gen_scale.py")
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    cells, truth, model, _ = generator.generate(1500, G=800, B=1, amb=level)
    fraction, _ = ambient_parts(cells.toarray(), model["soup"][0], prior=0.01)
    assert abs(fraction.mean() - truth["rho"].mean()) < 0.02


@pytest.mark.parametrize("gained, level", [(0.017, 0.15), (0.076, 0.24)])
def test_the_lower_edge_of_the_ratios_is_not_the_level_unless_genes_pile_up_there(
    monkeypatch, gained, level
):
    """Nats a ratio at 0.24, as seen: with 14 000 genes none of which is off; with a tenth off."""
    gain = np.where(np.arange(36) == np.argmin(np.abs(ambient_starts._LEVELS - 0.241)), 4000, 0)
    monkeypatch.setattr(ambient_starts, "_gain_of_a_pile", lambda *_: (gained * gain, 4000))
    monkeypatch.setattr(ambient_starts, "_lower_spread", lambda *_: level_by_spread / 2)
    level_by_spread = 0.15
    found = ambient_level(np.zeros((3, 2)), np.ones(2) / 2, np.zeros(3), prior=0.01)
    assert found == pytest.approx(level, abs=0.02)


@pytest.mark.parametrize("mode, error, left", [("generative", 0.8, 0.3), ("posterior", 0.8, 0.3)])
def test_cleaned_counts_are_nearer_the_truth_than_the_counts(mixture, prepared, mode, error, left):
    counts, soup, _, true = mixture
    absent = true == 0
    block = remover(mode=mode)
    nnx.update(block, nnx.state(prepared))
    cleaned = np.asarray(run(block, counts, soup)["decontaminated_counts"])
    assert cleaned[absent].sum() < left * counts[absent].sum()
    assert np.abs(cleaned - true).mean() < error * np.abs(counts - true).mean()


def test_an_unprepared_fraction_is_its_prior_and_not_a_half(mixture):
    counts, soup, _, _ = mixture
    out = run(remover(ambient_prior=0.02), counts, soup)
    np.testing.assert_allclose(out["contamination_fraction"], 0.02, rtol=1e-3)


@pytest.mark.parametrize("mode", ["posterior", "subtract"])
def test_no_more_is_left_than_was_counted(mixture, mode):
    counts, soup, _, _ = mixture
    out = run(remover(mode=mode), counts, soup)["decontaminated_counts"]
    assert np.all(out >= 0) and np.all(out <= counts)


@pytest.mark.parametrize("mode", ["generative", "posterior", "subtract"])
def test_low_temperature_gives_whole_molecules(mixture, mode):
    counts, soup, _, _ = mixture
    out = run(remover(mode=mode, temperature=0.01), counts[:50], soup)["decontaminated_counts"]
    off = np.abs(out - np.round(out))
    assert np.mean(off < 0.02) > 0.97


def test_a_profile_that_does_not_add_up_to_one_is_made_to(mixture, prepared):
    counts, soup, _, _ = mixture
    one, many = run(prepared, counts[:50], soup), run(prepared, counts[:50], soup * 37)
    np.testing.assert_allclose(
        one["decontaminated_counts"], many["decontaminated_counts"], rtol=1e-4, atol=1e-4
    )


def test_one_cell_is_a_row_of_many_and_the_data_are_kept(mixture, prepared):
    counts, soup, _, _ = mixture
    clean = jax.jit(lambda x: prepared.apply({"counts": x, "ambient_profile": soup}, {}, None)[0])
    many, one = clean(counts[:50]), clean(counts[2])
    assert one["decontaminated_counts"].shape == (N_GENES,) and "ambient_profile" in one
    np.testing.assert_allclose(one["latent"], many["latent"][2], rtol=1e-3, atol=1e-4)


def test_an_empty_cell_has_finite_gradients(mixture, prepared):
    counts = mixture[0][:4].copy()
    counts[0] = 0

    def loss(block):
        out = block(counts, mixture[1])
        return out["reconstruction_loss"] + out["kl_loss"] + out["contamination_loss"]

    value, grads = nnx.jit(nnx.value_and_grad(loss))(prepared)
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
