"""The expression foundation model: what is hidden stays hidden; training beats linear floors."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from diffbio_engine.errors import PipelineError, SettingError
from diffbio_engine.operators.foundation_models import (
    DifferentiableFoundationModel,
    FoundationModelConfig,
)
from diffbio_engine.operators.foundation_models.foundation_model import (
    _expected_logarithm,
    _masking,
)
from diffbio_engine.parts.count_starts import start_of_counts
from diffbio_engine.pipelines import Block, DataPort, PipelineSpec, Wire, build
from tests.descent import descended

KEY = jax.random.key(0)
SMALL = {"hidden_dim": 16, "num_heads": 2, "num_layers": 1, "n_components": 5, "max_tokens": 24}


@pytest.fixture(scope="module")
def block(counts):
    config = FoundationModelConfig(n_genes=150, **SMALL)
    block = DifferentiableFoundationModel(config, rngs=nnx.Rngs(0))
    block.prepare_from({"counts": counts[:1000]}, KEY)
    return block


@pytest.fixture(scope="module")
def run():
    return nnx.jit(lambda block, cells, ids=None, key=None: block(cells, ids, key=key))


@pytest.fixture(scope="module")
def masked(block, counts, run):
    return {n: np.asarray(x) for n, x in run(block, counts[:64], None, KEY).items()}


def test_each_cell_has_genes_of_its_own_hidden_detected_ones_in_proportion(masked, counts):
    mask, seen = masked["mask"], counts[:64] > 0
    assert np.any(mask[0] != mask[1])
    for share in (mask.mean(), mask[seen].mean(), mask[~seen].mean()):
        assert abs(share - 0.15) < 0.02


def test_a_hidden_count_does_not_reach_what_is_said_of_the_cell(block, counts):
    hidden = (np.random.default_rng(0).random((4, 150)) < 0.3).astype(np.float32)
    first, second = (
        np.asarray(block.network(x, 1 - hidden, None, jnp.asarray(0.1)).log_rate)
        for x in (counts[:4], counts[:4] + 7 * hidden)
    )
    np.testing.assert_array_equal(first, second)


def test_tokens_are_detected_genes_that_are_not_hidden(masked, counts):
    for cell, tokens in enumerate(masked["tokens"]):
        known = tokens[tokens >= 0]
        assert np.all(counts[cell, known] > 0) and not np.any(masked["mask"][cell, known])


def test_it_starts_as_the_poisson_factor_model(block, counts, run):
    seed = int(jax.random.randint(KEY, (), 0, 2**31 - 1))
    start = start_of_counts(counts[:1000], 5, seed=seed)
    library = counts[:8].sum(axis=1, keepdims=True)
    logs = np.log1p(counts[:8] / library * start.typical_library)
    share = np.exp(start.log_profile + (logs - start.centre) @ start.project @ start.slopes)
    rate = library * share / share.sum(axis=1, keepdims=True)
    unit = np.median(counts[:1000].sum(axis=1)) / library
    c = np.arange(200)[:, None, None]
    chance = np.exp(c * np.log(rate) - rate - np.vectorize(math.lgamma)(c + 1.0))
    expected = (chance * np.log1p(unit * c)).sum(axis=0)
    # Counts of 12 and more are taken as their mean.
    found = run(block, counts[:8])["predicted_expression"]
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_columns_in_another_order_change_nothing(block, counts, run):
    order = np.random.default_rng(0).permutation(150)
    plain = run(block, counts[:8], jnp.arange(150))
    turned = run(block, counts[:8][:, order], jnp.asarray(order))
    for name in ("embeddings", "token_embeddings"):
        np.testing.assert_allclose(turned[name], plain[name], atol=1e-5)
    there = plain["predicted_expression"][:, order]
    np.testing.assert_allclose(turned["predicted_expression"], there, atol=1e-5)


def test_genes_that_a_new_file_lacks_are_not_taken_for_silent(block, counts, run):
    missing = np.random.default_rng(0).random(150) < 0.4
    fewer = np.where(missing, 0.0, counts[:64])
    said = [run(block, x) for x in (counts[:64], fewer)]
    own = nnx.clone(block)
    assert own.look_past(missing)
    said += [run(own, x) for x in (fewer, fewer + 9 * missing)]
    whole, silent, past, more = (np.asarray(x["embeddings"])[:, :5] for x in said)
    np.testing.assert_array_equal(past, more)
    away = [np.square(x - whole).mean() for x in (past, silent)]
    assert away[0] < 0.7 * away[1], away
    # What is expected of all genes is of as large a cell as before.
    whole, silent, past, _ = (np.asarray(x["predicted_expression"]) for x in said)
    away = [np.square(x - whole).mean() for x in (past, silent)]
    assert away[0] < 0.5 * away[1], away


def test_cells_do_not_know_of_each_other(block, counts, run):
    whole, alone = run(block, counts[:200]), run(block, counts[:8])
    np.testing.assert_allclose(whole["embeddings"][:8], alone["embeddings"], atol=1e-4)


def test_thinned_molecules_have_the_mean_and_the_variance_of_a_binomial():
    counts = jnp.broadcast_to(jnp.array([1.0, 2.0, 6.0, 40.0]), (20_000, 4))
    kept = np.asarray(_masking.thinned(counts, jnp.asarray(0.7), KEY))
    assert np.all((kept >= 0) & (kept <= counts) & (kept == np.round(kept)))
    np.testing.assert_allclose(kept.mean(axis=0), 0.7 * np.asarray(counts[0]), rtol=0.02)
    # Rounding adds at most a twelfth.
    allowed = 0.21 * np.asarray(counts[0])
    assert np.all(np.abs(kept.var(axis=0) - allowed) < 0.05 * allowed + 0.09)
    assert np.all(np.abs(kept.var(axis=0) - allowed)[:2] < 0.01)


def test_the_expected_logarithm_of_a_rare_molecule_is_that_of_one(key):
    found = _expected_logarithm.expected_log_normalized(jnp.log(jnp.array([[1e-4]])), 3.0)
    np.testing.assert_allclose(found, 1e-4 * math.log(4.0), rtol=1e-3)


def test_the_lines_to_stay_below_are_those_of_the_hidden_values(block, counts, run):
    out = run(block, counts[:64], None, KEY)
    known = counts[:1000] / counts[:1000].sum(axis=1, keepdims=True)
    typical = np.median(counts[:1000].sum(axis=1))
    means = np.log1p(typical * known).mean(axis=0)
    values = np.log1p(typical * counts[:64] / counts[:64].sum(axis=1, keepdims=True))
    hidden = np.asarray(out["mask"]) == 1
    np.testing.assert_allclose(out["mean_error"], ((values - means)[hidden] ** 2).mean(), rtol=1e-4)
    assert float(out["components_error"]) < float(out["mean_error"])


def test_these_lines_are_told_of_each_step_and_are_no_part_of_the_objective():
    model = Block("model", "foundation_models.foundation_model", SMALL)
    wires = (Wire("data.counts", "model.counts"),)
    data = {"counts": DataPort.named("counts", 150)}
    weighted = PipelineSpec("Lines", (model,), wires, weights={"model.mean_error": 5.0})
    with pytest.raises(PipelineError, match=r"no term of the objective.*weigh 'model.masked_loss'"):
        build(weighted, data)
    pipeline = build(PipelineSpec("Lines", (model,), wires), data)
    losses = {"model.masked_loss", "model.label_loss"}
    lines = {"model.mean_error", "model.components_error"}
    assert set(pipeline.plan.losses) == losses and set(pipeline.plan.terms) == losses | lines
    total, terms = pipeline.objective(dict.fromkeys(pipeline.plan.terms, jnp.ones(())))
    assert total == 2 and set(terms) == losses | lines


def test_after_training_hidden_genes_of_new_cells_are_better_than_both_lines_and_the_start(
    block, counts, run
):
    adam = optax.adam(optax.cosine_decay_schedule(3e-3, 100))
    trained = descended(block, counts[:1000], "masked_loss", adam, steps=100, batch=64)
    new = counts[1000:1300]
    before, after = (run(b, new, None, KEY) for b in (block, trained))
    means, components, start, found = (
        float(before["mean_error"]),
        float(before["components_error"]),
        float(before["masked_loss"]),
        float(after["masked_loss"]),
    )
    print(means, components, start, found)
    assert found < start and found < components < means


def test_frozen_classes_teach_the_embedding_nothing_and_end_to_end_they_do(counts):
    def moved(how):
        config = FoundationModelConfig(n_genes=150, n_classes=2, fine_tune=how, **SMALL)
        block = DifferentiableFoundationModel(config, rngs=nnx.Rngs(0))
        block.classes.linear.kernel[...] = jnp.ones((5, 2)) * jnp.array([1.0, -1.0])
        graph, weights, rest = nnx.split(block, nnx.Param, ...)
        labels = jnp.array([0, 1, -1, 0])

        def loss(weights):
            return nnx.merge(graph, weights, rest)(counts[:4], labels=labels)["label_loss"]

        slopes = jax.jit(jax.grad(loss))(weights)
        of_both = slopes["network"]["project"], slopes["classes"]["linear"]["kernel"]
        return [float(jnp.abs(slope[...]).max()) for slope in of_both]

    for how in ("frozen", "end_to_end"):
        embedding, classes = moved(how)
        assert classes > 0 and (embedding > 0) == (how == "end_to_end")


def test_a_width_that_heads_cannot_share_is_refused():
    with pytest.raises(SettingError, match="num_heads"):
        FoundationModelConfig(hidden_dim=30, num_heads=4)
