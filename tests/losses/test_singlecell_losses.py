"""Clustering compactness beside k-means and its own formula."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffbio_engine.losses import ClusteringCompactnessLoss


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


def test_compactness_is_the_inertia_of_k_means():
    rng = np.random.default_rng(1)
    x, labels = rng.normal(size=(20, 3)), np.arange(20) % 4
    centres = np.stack([x[labels == k].mean(0) for k in range(4)])
    loss = ClusteringCompactnessLoss(separation_weight=0.0)(x, np.eye(4)[labels])
    np.testing.assert_allclose(loss, ((x - centres[labels]) ** 2).sum() / 20, rtol=1e-6)


def test_close_centres_are_pushed_apart_by_the_formula():
    x, shares = np.zeros((2, 2)), np.eye(2)
    centres = np.array([[0.0, 0.0], [0.6, 0.0]])
    loss = ClusteringCompactnessLoss(separation_weight=2.0)(x, shares, centres)
    push = 0.1 * np.log1p(np.exp((1.0 - 0.6) / 0.1))
    np.testing.assert_allclose(loss, 0.36 / 2 + 2 * push, rtol=1e-6)
    grad = jax.grad(ClusteringCompactnessLoss(), argnums=2)(x, shares, jnp.zeros((2, 2)))
    assert np.all(np.isfinite(grad))
