"""Soft k-means against a Gaussian mixture and k-means of scikit-learn."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from diffbio_engine.declare import find_operator
from diffbio_engine.errors import SettingError
from diffbio_engine.operators.singlecell import SoftClusteringConfig, SoftKMeansClustering

REFERENCE = Path(__file__).parents[2] / "references/singlecell/soft_kmeans.npz"


def clusterer(centroids, temperature, **settings):
    n_clusters, n_features = centroids.shape
    config = SoftClusteringConfig(
        n_clusters=n_clusters, n_features=n_features, temperature=temperature, **settings
    )
    block = SoftKMeansClustering(config, rngs=nnx.Rngs(0))
    block.centroids[...] = jnp.asarray(centroids)
    return block


@pytest.fixture(scope="module")
def reference():
    return dict(np.load(REFERENCE))


def test_shares_are_the_responsibilities_of_a_gaussian_mixture(reference):
    with jax.enable_x64(True):
        block = clusterer(reference["centroids"], float(reference["temperature"]))
        block.centroids.set_value(jnp.asarray(reference["centroids"]))
        shares = block(jnp.asarray(reference["embeddings"]))["cluster_assignments"]
        np.testing.assert_allclose(shares, reference["cluster_assignments"], rtol=1e-6)


@pytest.mark.parametrize("temperature, tolerance", [(1.0, 0.9), (0.1, 0.5), (0.01, 0.02)])
def test_low_temperature_approaches_k_means(reference, temperature, tolerance):
    block = clusterer(reference["centroids"], temperature)
    found = block(jnp.asarray(reference["embeddings"], jnp.float32))
    hard = np.eye(4)[reference["cluster_labels"]]
    assert np.quantile(np.abs(found["cluster_assignments"] - hard), 0.95) < tolerance
    np.testing.assert_array_equal(found["cluster_labels"], reference["cluster_labels"])


def test_the_loss_at_low_temperature_is_the_inertia_per_cell_and_feature(reference):
    block = clusterer(reference["centroids"], 0.01)
    found = block(jnp.asarray(reference["embeddings"], jnp.float32))
    expected = reference["inertia"] / 40 / 3
    np.testing.assert_allclose(found["clustering_loss"], expected, rtol=2e-3)


def test_a_gradient_step_on_the_loss_moves_centroids_to_their_weighted_means(reference):
    block = clusterer(reference["centroids"], 0.5)
    cells = jnp.asarray(reference["embeddings"], jnp.float32)
    gradients = nnx.grad(lambda b: b(cells)["clustering_loss"])(block)
    shares = block(cells)["cluster_assignments"]
    weight = shares.sum(axis=0)[:, None]
    means = shares.T @ cells / weight
    # d loss / d c = 2 (c - mean) weight / (cells * features)
    expected = 2 * (block.centroids[...] - means) * weight / cells.size
    np.testing.assert_allclose(gradients["centroids"][...], expected, atol=1e-6)


def test_a_cell_on_a_centroid_has_finite_gradients():
    centroids = jnp.eye(3)
    gradient = jax.grad(lambda x: clusterer(centroids, 0.01)(x)["cluster_assignments"][0, 0])
    assert jnp.all(jnp.isfinite(gradient(centroids)))


def test_preparing_starts_from_k_means_and_a_refresh_leaves_the_centroids_alone(key):
    rng = np.random.default_rng(0)
    truth = np.array([[0, 0], [10, 0], [0, 10]])
    labels = rng.integers(3, size=90)
    cells = truth[labels] + rng.normal(size=(90, 2))
    block = clusterer(jnp.zeros((3, 2)), 0.1)
    block.prepare_from({"embeddings": cells}, key)
    found = np.array(block.centroids[...])
    means = np.array([cells[labels == k].mean(axis=0) for k in range(3)])
    nearest = np.linalg.norm(found[:, None] - means, axis=-1).min(axis=1)
    assert nearest.max() < 1e-4
    block.prepare_from({"embeddings": cells + 5}, key, first=False)
    np.testing.assert_array_equal(block.centroids[...], found)


def test_fewer_different_cells_than_clusters_leave_no_cluster_undefined(key):
    block = clusterer(jnp.zeros((4, 2)), 1.0)
    block.prepare_from({"embeddings": np.ones((10, 2))}, key)
    assert np.isfinite(block(jnp.ones((10, 2)))["cluster_assignments"]).all()


def test_centroids_that_do_not_learn_get_no_gradient(reference):
    block = clusterer(reference["centroids"], 1.0, learnable_centroids=False)
    cells = jnp.asarray(reference["embeddings"], jnp.float32)
    gradients = nnx.grad(lambda b: b(cells)["clustering_loss"])(block)
    np.testing.assert_array_equal(gradients["centroids"][...], 0)


def test_a_temperature_out_of_range_is_refused_in_plain_words():
    sentence = r"temperature: 0 is outside 0.01 to 10 squared distance\. Choose a value"
    with pytest.raises(SettingError, match=sentence):
        SoftClusteringConfig(n_clusters=3, temperature=0.0)


def test_the_temperature_is_a_dial_and_the_width_is_read_from_the_data():
    roles = {s.name: s.role for s in find_operator("singlecell.soft_kmeans").settings}
    assert roles["temperature"] == "dial" and roles["n_features"] == "size"
