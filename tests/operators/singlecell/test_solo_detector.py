"""Solo's classifier: finds known doublets, draws fresh ones, calls softly, gives gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from sklearn.metrics import roc_auc_score

from diffbio_engine.declare import set_temperature
from diffbio_engine.errors import DataError
from diffbio_engine.operators.singlecell import DifferentiableSoloDetector, SoloDetectorConfig
from diffbio_engine.operators.singlecell._doublet_scores import EVIDENCE_RULES
from diffbio_engine.operators.singlecell.solo_detector._doublet_classifier import doublet_loss
from tests.gradients import check_gradients

pytestmark = pytest.mark.filterwarnings("ignore:.*has not been trained or prepared")


def detector(n_genes=40, **settings):
    settings = {"latent_dim": 4, "hidden_dims": (16,), "classifier_hidden_dim": 16, **settings}
    config = SoloDetectorConfig(n_genes=n_genes, **settings)
    return DifferentiableSoloDetector(config, rngs=nnx.Rngs(1))


@pytest.fixture(scope="module")
def droplets():
    """400 droplets of four kinds of cell; every tenth holds two cells of different kinds."""
    rng = np.random.default_rng(3)
    kinds = rng.gamma(0.4, 2.5, (4, 40))
    first = rng.integers(4, size=400)
    doublet = np.arange(400) % 10 == 0
    other = (first + rng.integers(1, 4, 400)) % 4
    rate = kinds[first] + doublet[:, None] * kinds[other]
    counts = rng.poisson(3 * rate * rng.gamma(8, 1 / 8, (400, 1)))
    return counts.astype(np.float32), doublet


@pytest.fixture(scope="module")
def prepared(droplets):
    block = detector()
    block.prepare_from({"counts": droplets[0]}, jax.random.key(0))
    return block


@nnx.jit
def run(block, counts, key=None):
    return block(counts, key)


def test_as_many_are_called_as_doublets_are_expected_where_the_evidence_calls_many_more(droplets):
    counts, doublet = droplets
    block = detector()
    block.prepare_from({"counts": counts}, jax.random.key(0))
    said = run(block, counts)
    # 40 of 400 hold two cells; from 400 cells 0.8 % are expected, and above 5 % is not believed.
    assert (said["doublet_probabilities"] > 0.5).mean() > 0.05
    assert EVIDENCE_RULES[int(said["threshold_rule"])].startswith("As many cells are called as")
    assert 3 <= (said["doublet_labels"] > 0.5).sum() <= 4
    assert doublet[np.asarray(said["doublet_labels"]) > 0.5].all()
    believed = detector(expected_doublet_rate=0.5)
    believed.prepare_from({"counts": counts}, jax.random.key(0))
    said = run(believed, counts)
    assert float(said["threshold"]) == 0.5 and int(said["threshold_rule"]) == 0
    assert (said["doublet_labels"] > 0.5).sum() == (said["doublet_probabilities"] > 0.5).sum()


def test_a_rate_that_is_set_is_called_and_follows_the_weights_at_a_refresh(droplets):
    counts = droplets[0]
    block = detector(expected_doublet_rate=0.1, most_called=1.0)
    block.prepare_from({"counts": counts}, jax.random.key(0))
    said = run(block, counts)
    assert float(said["expected_rate"]) == pytest.approx(0.1)
    assert (said["doublet_labels"] > 0.5).mean() <= 0.1 + 1e-6
    before = float(said["threshold"])
    block.classifier.line.bias[...] += 3.0
    block.prepare_from({"counts": counts}, jax.random.key(0), first=False)
    assert (run(block, counts)["doublet_labels"] > 0.5).mean() <= 0.1 + 1e-6
    assert float(run(block, counts)["threshold"]) >= before


def test_the_expected_rate_is_of_the_cells_of_a_batch(droplets):
    counts = np.tile(droplets[0], (6, 1))
    alone, apart = detector(), detector()
    for block, more in ((alone, {}), (apart, {"batch_labels": np.arange(2400) % 2})):
        block.share_seen = 0.5
        block.prepare_from({"counts": counts, **more}, jax.random.key(0))
    assert float(run(alone, counts)["expected_rate"]) == pytest.approx(8e-6 * 4800)
    assert float(run(apart, counts)["expected_rate"]) == pytest.approx(8e-6 * 2400)


def test_known_doublets_rank_above_single_cells_before_any_training(prepared, droplets):
    counts, doublet = droplets
    assert roc_auc_score(doublet, run(prepared, counts)["doublet_probabilities"]) > 0.85


def test_prepared_classifier_tells_fresh_doublets_from_cells(prepared, droplets):
    guess = 2 / 3  # of the droplets that it sees in training are simulated doublets
    blind = -guess * np.log(guess) - (1 - guess) * np.log(1 - guess)
    loss = run(prepared, droplets[0], jax.random.key(5))["classifier_loss"]
    assert loss < 0.75 * blind, (loss, blind)


def test_each_key_makes_doublets_of_its_own_and_no_key_makes_the_same(prepared, droplets):
    counts = droplets[0]
    drawn = [float(run(prepared, counts, jax.random.key(i))["classifier_loss"]) for i in (1, 2)]
    fixed = [float(run(prepared, counts)["classifier_loss"]) for _ in range(2)]
    assert drawn[0] != drawn[1] and fixed[0] == fixed[1]


def test_the_loss_is_the_cross_entropy():
    single, double = jnp.array([-1.0, 0.5]), jnp.array([2.0, -0.3, 0.1])
    p = 1 / (1 + np.exp(-np.concatenate([-single, double])))
    np.testing.assert_allclose(doublet_loss(single, double), -np.log(p).mean(), rtol=1e-6)


def test_at_a_low_temperature_the_call_is_yes_or_no(droplets):
    counts = droplets[0]
    block = detector(expected_doublet_rate=0.5)
    block.prepare_from({"counts": counts}, jax.random.key(0))
    soft = run(block, counts)
    assert ((soft["doublet_labels"] > 0.5) == (soft["doublet_probabilities"] > 0.5)).all()
    set_temperature(block, 0.001)
    hard, p = run(block, counts)["doublet_labels"], soft["doublet_probabilities"]
    clear = np.abs(p - 0.5) > 0.02
    assert clear.mean() > 0.9
    np.testing.assert_allclose(hard[clear], np.round(p[clear]), atol=1e-5)


def test_the_expected_rate_moves_the_odds_of_all_alike(prepared, droplets):
    half = run(prepared, droplets[0])["doublet_probabilities"].astype(float)
    prepared.dials["expected_doublet_rate"][...] = jnp.asarray(0.1)
    low = run(prepared, droplets[0])["doublet_probabilities"].astype(float)
    prepared.dials["expected_doublet_rate"][...] = jnp.asarray(0.0)
    clear = (half > 0.01) & (half < 0.99)
    odds = (low / (1 - low)) / (half / (1 - half))
    np.testing.assert_allclose(odds[clear], 1 / 9, rtol=1e-2)


def test_cells_are_scored_one_by_one_as_they_are_together(prepared, droplets):
    counts = droplets[0][:6]
    whole = run(prepared, counts)
    parts = [run(prepared, counts[i : i + 2])["doublet_probabilities"] for i in (0, 2, 4)]
    np.testing.assert_allclose(whole["doublet_probabilities"], np.concatenate(parts), rtol=1e-3)
    one, _, _ = prepared.apply({"counts": counts[1]}, {}, None)
    np.testing.assert_allclose(
        one["doublet_probabilities"], whole["doublet_probabilities"][1], rtol=1e-3
    )
    depth = jnp.log(jnp.asarray(counts.sum(1)))
    np.testing.assert_allclose(
        prepared.classify(whole["latent"], depth), whole["doublet_probabilities"], rtol=1e-3
    )


def test_gradients_of_all_weights_agree_with_finite_differences(droplets):
    with jax.enable_x64(True):
        graph, weights, rest = nnx.split(detector(learnable_temperature=True), nnx.Param, ...)
        weights = jax.tree.map(lambda w: w.astype(float), weights)
        x = jnp.asarray(droplets[0][:6], float) + 0.3

        def loss(weights, x):
            block = nnx.merge(graph, weights, rest)
            parts = block.compute_solo_loss(x, jax.random.key(2), classifier_weight=3.0)
            calls = block(x)["doublet_labels"]
            return parts["total_loss"] + jnp.sum(calls * jnp.arange(6.0))

        check_gradients(loss, (weights, x), eps=1e-5, rtol=1e-3)


def test_the_parts_of_the_loss_add_up(prepared, droplets):
    key = jax.random.key(3)
    parts = prepared.compute_solo_loss(droplets[0][:50], key, classifier_weight=4.0)
    np.testing.assert_allclose(
        parts["total_loss"], parts["elbo"] + 4 * parts["classifier_loss"], rtol=1e-5
    )
    np.testing.assert_allclose(
        parts["elbo"], prepared.compute_elbo_loss(droplets[0][:50], key), rtol=1e-4
    )


def test_too_few_cells_are_refused_in_words():
    with pytest.raises(DataError, match="counts: has 1 cells with counts"):
        detector().prepare_from({"counts": np.eye(40)[:1]}, jax.random.key(0))
