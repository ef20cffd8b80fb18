"""Diversity losses beside NumPy: batches among neighbours, entropy and concentration of shares."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffbio_engine.losses import (
    BatchMixingLoss,
    ShannonDiversityLoss,
    SimpsonDiversityLoss,
    gene_weight_sparsity_loss,
)


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


def cells(n=40):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 3)), np.arange(n) % 3


def by_hand(x, labels, k, temperature):
    square = ((x[:, None] - x) ** 2).sum(-1)
    np.fill_diagonal(square, np.inf)
    width = np.sort(square, axis=1)[:, k - 1]
    shares = np.exp(-square / width[:, None] / temperature)
    shares /= shares.sum(axis=1, keepdims=True)
    batches = shares @ np.eye(3)[labels]
    return np.mean(np.sum(batches * np.log(batches + 1e-300), axis=1)) / np.log(3)


@pytest.mark.parametrize("k", [3, 15])
def test_mixing_is_the_entropy_of_batches_among_neighbours_of_the_width_asked_for(k):
    x, labels = cells()
    loss = BatchMixingLoss(n_neighbors=k, temperature=0.5)(x, labels)
    np.testing.assert_allclose(loss, by_hand(x, labels, k, 0.5), rtol=1e-6)


def test_the_number_of_neighbours_has_an_effect():
    x, labels = cells()
    x = x + 4.0 * np.eye(3)[labels]  # batches apart: a wider neighbourhood holds more of them
    few, many = (float(BatchMixingLoss(n_neighbors=k)(x, labels)) for k in (3, 30))
    assert many < few - 0.1


def test_mixed_batches_lose_less_than_separate_ones_and_the_nearest_alone_is_zero():
    x, labels = cells()
    mixed = float(BatchMixingLoss(n_neighbors=5)(x, labels))
    apart = float(BatchMixingLoss(n_neighbors=5)(x + 20.0 * np.eye(3)[labels], labels))
    assert -1 <= mixed < -0.6 and -0.05 < apart <= 0
    assert -0.1 < float(BatchMixingLoss(temperature=0.01)(x, labels)) <= 0


def test_cells_at_one_place_have_finite_gradients():
    slopes = jax.grad(BatchMixingLoss())(jnp.zeros((6, 2)), jnp.arange(6) % 3)
    assert np.all(np.isfinite(slopes))


def test_shannon_and_simpson_are_their_formulas():
    shares = np.random.default_rng(1).dirichlet(np.ones(4), 30)
    np.testing.assert_allclose(
        ShannonDiversityLoss()(shares), np.mean(-np.sum(shares * np.log(shares), axis=1))
    )
    np.testing.assert_allclose(SimpsonDiversityLoss()(shares), np.mean(np.sum(shares**2, axis=1)))


def test_with_a_weight_one_cluster_for_all_cells_costs_what_even_clusters_do_not():
    one = np.zeros((12, 4))
    one[:, 0] = 1.0
    even = np.eye(4)[np.arange(12) % 4]
    shannon, simpson = (
        ShannonDiversityLoss(balance_weight=1.0),
        SimpsonDiversityLoss(balance_weight=1.0),
    )
    np.testing.assert_allclose(shannon(one), np.log(4), atol=1e-9)
    np.testing.assert_allclose(shannon(even), 0.0, atol=1e-9)
    np.testing.assert_allclose(simpson(one) - simpson(even), 0.75, atol=1e-9)
    assert np.all(np.isfinite(jax.grad(shannon)(jnp.asarray(one))))


def test_sparsity_is_the_mean_absolute_weight():
    np.testing.assert_allclose(gene_weight_sparsity_loss(jnp.asarray([[1.0, -3.0], [0, 0]])), 1.0)
