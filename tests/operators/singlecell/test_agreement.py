"""Agreement with truth: the numbers of scikit-learn in the hard limit, soft ones with gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from diffbio_engine.errors import DataError
from diffbio_engine.operators.singlecell import AgreementConfig, AgreementWithTruth
from tests.gradients import check_gradients


def block_of(n_classes=4, n_clusters=5, **settings):
    return AgreementWithTruth(
        AgreementConfig(n_classes=n_classes, n_clusters=n_clusters, **settings)
    )


def cells(n=400, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, n)
    shares = rng.dirichlet(np.full(5, 0.4), n)
    shares[np.arange(n), labels] += 0.8 * rng.random(n)
    return labels, shares / shares.sum(axis=1, keepdims=True)


def majority(labels, clusters):
    return sum(np.bincount(labels[clusters == c]).max() for c in np.unique(clusters)) / len(labels)


@pytest.mark.parametrize("prepared", [False, True])
def test_the_hard_limit_is_what_scikit_learn_finds(prepared, key):
    labels, shares = cells()
    clusters = shares.argmax(axis=1)
    with jax.enable_x64(True):
        block = block_of(temperature=1e-5)
        if prepared:
            block.prepare_from({"labels": labels, "cluster_assignments": shares}, key)
            labels_given, shares_given = labels[:7], shares[:7]  # any cells: all were counted
        else:
            labels_given, shares_given = labels, shares
        found = block(jnp.asarray(labels_given), jnp.asarray(shares_given))
    expected = {
        "adjusted_rand_index": adjusted_rand_score(labels, clusters),
        "normalized_mutual_information": normalized_mutual_info_score(labels, clusters),
        "majority_accuracy": majority(labels, clusters),
    }
    for name, value in expected.items():
        assert float(found[name]) == pytest.approx(value, abs=1e-6), name
    table = np.zeros((4, 5))
    np.add.at(table, (labels, clusters), 1)
    np.testing.assert_allclose(
        found["confusion"], table / table.sum(axis=1, keepdims=True), atol=1e-6
    )


def test_prepared_and_not_prepared_agree_on_the_same_cells(key):
    labels, shares = cells()
    block, prepared = block_of(temperature=0.5), block_of(temperature=0.5)
    prepared.prepare_from({"labels": labels, "cluster_assignments": shares}, key)
    a = block(jnp.asarray(labels), jnp.asarray(shares))
    b = prepared(jnp.asarray(labels[:3]), jnp.asarray(shares[:3]))
    for name in a:
        np.testing.assert_allclose(a[name], b[name], atol=2e-5)


def test_soft_shares_of_pairs_are_those_of_the_definition():
    labels, shares = cells(30)
    table = block_of(temperature=1.0)(jnp.asarray(labels), jnp.asarray(shares))
    together = (labels[:, None] == labels).astype(float)
    near = shares @ shares.T
    pairs = ~np.eye(30, dtype=bool)
    a, b, both = together[pairs].sum(), near[pairs].sum(), (together * near)[pairs].sum()
    chance = a * b / pairs.sum()
    expected = (both - chance) / (0.5 * (a + b) - chance)
    assert float(table["adjusted_rand_index"]) == pytest.approx(expected, abs=1e-4)


def test_perfect_clusters_agree_whatever_their_names():
    labels = np.arange(40) % 4
    found = block_of()(jnp.asarray(labels), jnp.eye(5)[(labels + 2) % 5])
    for name in ("adjusted_rand_index", "normalized_mutual_information", "majority_accuracy"):
        assert float(found[name]) == pytest.approx(1.0, abs=1e-5)


def test_cells_without_a_class_do_not_count():
    labels, shares = cells()
    some = np.where(np.arange(400) % 3 == 0, -1, labels)
    a = block_of()(jnp.asarray(some), jnp.asarray(shares))
    b = block_of()(jnp.asarray(labels[some >= 0]), jnp.asarray(shares[some >= 0]))
    for name in a:
        np.testing.assert_allclose(a[name], b[name], atol=1e-5)


def test_one_class_in_one_cluster_is_agreement_and_a_lone_cell_gives_numbers():
    found = block_of()(jnp.zeros(6, int), jnp.eye(5)[jnp.zeros(6, int)])
    assert float(found["adjusted_rand_index"]) == 1.0
    assert float(found["normalized_mutual_information"]) == 1.0
    alone = block_of()(jnp.zeros(1, int), jnp.full((1, 5), 0.2))
    assert all(np.isfinite(value).all() for value in alone.values())


def test_soft_agreement_can_be_climbed_by_its_gradient():
    labels, shares = cells(60)
    block = block_of(temperature=1.0)

    @jax.jit
    def index(logits):
        weights = jax.nn.softmax(logits, axis=1)
        return block(jnp.asarray(labels), weights)["adjusted_rand_index"]

    logits = jnp.log(jnp.asarray(shares) + 1e-3)
    with jax.enable_x64(True):
        check_gradients(index, (np.asarray(logits, float),), eps=1e-6, rtol=1e-4)
    before = float(index(logits))
    climb = jax.jit(jax.grad(index))
    for _ in range(30):
        logits = logits + 20.0 * climb(logits)
    assert float(index(logits)) > before + 0.2


def test_a_truth_that_is_nowhere_known_is_refused(key):
    with pytest.raises(DataError, match="labels"):
        block_of().prepare_from(
            {"labels": np.full(5, -1), "cluster_assignments": np.full((5, 5), 0.2)}, key
        )
