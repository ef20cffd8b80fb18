"""PHATE against the authors' package, its gradients, its dials, and cells it has not seen."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy.spatial import procrustes
from sklearn.manifold import trustworthiness

from diffbio_engine.errors import DataError
from diffbio_engine.operators.normalization import DifferentiablePHATE, PHATEConfig
from diffbio_engine.parts.diffusion import entropy_knee, potential, random_walk, walk
from diffbio_engine.parts.diffusion_landmarks import sparse_kernel
from tests.gradients import check_gradients

REFERENCE = Path(__file__).parents[2] / "references/normalization/phate.npz"


def block(**settings) -> DifferentiablePHATE:
    return DifferentiablePHATE(PHATEConfig(**settings), rngs=nnx.Rngs(0))


@pytest.fixture(scope="module")
def peer():
    return dict(np.load(REFERENCE))


def test_walk_and_potential_are_those_of_the_authors_package(peer):
    steps = random_walk(jnp.asarray(peer["features"]), 5, 40.0, "alpha_decay")
    np.testing.assert_allclose(steps, peer["steps"], atol=2e-4)
    found = -potential(walk(jnp.asarray(peer["steps"]), jnp.asarray(10.0)), jnp.asarray(1.0))
    np.testing.assert_allclose(found, peer["potential"], rtol=2e-3, atol=2e-3)


def test_classical_map_is_that_of_the_authors_package_but_for_the_scale_of_axes(peer):
    out = block(mds="classical")(jnp.asarray(peer["features"]))
    assert out["embedding"].shape == (250, 2)
    unit = [x / np.linalg.norm(x, axis=0) for x in (out["embedding"], peer["embedding"])]
    assert procrustes(*unit)[2] < 1e-3


def test_diffusion_time_found_from_the_data_is_that_of_the_authors_package(peer):
    found = float(jax.jit(entropy_knee)(jnp.asarray(peer["steps"])))
    assert abs(found - int(peer["optimal_t"])) <= 1


def test_the_sparse_kernel_of_many_cells_is_the_dense_one_of_few(peer):
    kernel = sparse_kernel(peer["features"], 5, 40.0, "alpha_decay").toarray()
    np.testing.assert_allclose(kernel / kernel.sum(axis=1, keepdims=True), peer["steps"], atol=2e-4)


def test_outputs_are_distances_and_probabilities(peer):
    out = block(kernel="exponential", decay=1.0)(jnp.asarray(peer["features"]))
    distances, walked = out["potential_distances"], out["diffusion_operator"]
    np.testing.assert_allclose(distances, distances.T, atol=1e-3)
    np.testing.assert_array_equal(jnp.diagonal(distances), 0.0)
    np.testing.assert_allclose(walked.sum(axis=1), 1.0, atol=1e-4)


@pytest.mark.parametrize("gamma", [1.0, 0.0, -1.0, 0.999999])
def test_potentials_differ_as_the_published_ones(gamma):
    p = np.random.default_rng(0).dirichlet(np.ones(6), size=6)
    c = (1 - gamma) / 2
    expected = np.log(p + 1e-7) if gamma > 0.99 else p**c / c
    found = np.asarray(potential(jnp.asarray(p), jnp.asarray(gamma)))
    np.testing.assert_allclose(found - found[0], expected - expected[0], rtol=1e-3, atol=1e-4)


def test_a_walk_of_whole_steps_is_the_matrix_power_and_between_it_goes_straight():
    rng = np.random.default_rng(0)
    steps = rng.dirichlet(np.ones(5), size=5)
    for time in (0, 1, 6, 13, 100):
        np.testing.assert_allclose(
            walk(jnp.asarray(steps), jnp.asarray(float(time))),
            np.linalg.matrix_power(steps, time),
            atol=1e-5,
        )
    middle = walk(jnp.asarray(steps), jnp.asarray(2.25))
    expected = 0.75 * steps @ steps + 0.25 * steps @ steps @ steps
    np.testing.assert_allclose(middle, expected, atol=1e-5)


def test_large_decay_is_the_ball_of_the_nearest_neighbours():
    cells = jnp.asarray(np.random.default_rng(0).normal(size=(30, 3)))
    steps = np.asarray(random_walk(cells, 5, 5000.0, "alpha_decay"))
    distance = np.linalg.norm(cells[:, None] - cells[None], axis=-1)
    inside = distance < np.sort(distance, axis=1)[:, [5]] - 1e-6
    both = inside | inside.T
    assert np.all(steps[both] > 0)
    at_the_edge = np.isclose(distance, np.sort(distance, axis=1)[:, [5]], atol=1e-2)
    assert np.all(steps[~both & ~at_the_edge & ~at_the_edge.T] == 0)


@pytest.mark.parametrize("mds, gamma", [("classical", 1.0), ("metric", 0.0)])
def test_gradients_through_the_whole_method_agree_with_finite_differences(mds, gamma):
    with jax.enable_x64(True):
        phate = block(
            n_neighbors=4,
            decay=2.0,
            diffusion_t=3.0,
            gamma=gamma,
            kernel="exponential",
            mds=mds,
            mds_iterations=8,
        )
        cells = jnp.asarray(np.random.default_rng(0).normal(size=(24, 4)) * [3, 2, 1, 1])
        tilt = jnp.cos(jnp.arange(48.0)).reshape(24, 2)

        def total(cells):
            out = phate(cells)
            return jnp.sum(out["embedding"] * tilt) + 0.01 * jnp.sum(out["potential_distances"])

        check_gradients(total, (cells,), eps=1e-6, rtol=1e-4)


def test_twins_and_ties_have_finite_gradients():
    corners = jnp.asarray(np.array([[0, 0], [0, 1], [1, 0], [1, 1]] * 4, float))
    phate = block(n_neighbors=5)
    slope = jax.jit(jax.grad(lambda x: jnp.sum(phate(x)["embedding"] ** 2)))(corners)
    assert jnp.all(jnp.isfinite(slope))


def test_a_prepared_block_places_known_and_new_cells_on_the_map(peer, key):
    cells = peer["features"]
    phate = block()
    whole = np.asarray(phate(cells)["embedding"])
    phate.prepare_from({"features": cells}, key)
    placed = np.asarray(phate.apply({"features": cells}, {}, None)[0]["embedding"])
    assert procrustes(placed, whole)[2] < 0.02
    one = phate.apply({"features": cells[3]}, {}, None)[0]["embedding"]
    np.testing.assert_allclose(one, placed[3], atol=1e-3)

    old = block()
    old.prepare_from({"features": np.delete(cells, np.s_[::5], axis=0)}, key)
    new = np.asarray(old(jnp.asarray(cells))["embedding"])
    faithful = [trustworthiness(cells, e, n_neighbors=15) for e in (new, whole)]
    assert faithful[0] > faithful[1] - 0.05
    slope = jax.jit(jax.grad(lambda x: jnp.sum(old(x)["embedding"] ** 2)))(jnp.asarray(cells))
    assert jnp.all(jnp.isfinite(slope)) and jnp.mean(jnp.any(slope != 0, axis=1)) > 0.9


def test_turning_the_diffusion_time_redraws_a_prepared_map_without_recompiling(peer, key):
    phate, traces = block(), []
    phate.prepare_from({"features": peer["features"]}, key)

    @nnx.jit
    def run(phate, cells):
        traces.append(1)
        return phate(cells)["embedding"]

    cells = jnp.asarray(peer["features"])
    before = run(phate, cells)
    phate.dials["diffusion_t"][...] = phate.dials["diffusion_t"][...] * 1.25
    after = run(phate, cells)
    assert len(traces) == 1
    moved = float(jnp.linalg.norm(after - before) / jnp.linalg.norm(before))
    assert 1e-3 < moved < 0.8  # it moves, and is not turned over


def test_many_cells_are_drawn_through_landmarks_without_a_matrix_of_all_cells(key):
    rng = np.random.default_rng(0)
    time = rng.uniform(size=3000)
    cells = np.stack([time * 20, np.sin(time * 6) * 3, rng.normal(size=3000) * 0.1], axis=1)
    phate = block(dense_limit=500, n_landmarks=120, mds_iterations=20)
    phate.prepare_from({"features": cells}, key)
    assert phate.landmark_walk[...].shape[0] <= 120
    place = jax.jit(lambda x: phate(x)["embedding"])
    sizes = [
        v.aval.size
        for e in jax.make_jaxpr(place)(cells).jaxpr.eqns
        for v in (*e.invars, *e.outvars)
    ]
    assert max(sizes) < 3000 * 1000
    placed = np.asarray(place(jnp.asarray(cells)))
    assert trustworthiness(cells, placed, n_neighbors=15) > 0.95


def test_too_many_cells_for_a_block_not_prepared_are_refused_in_plain_words():
    with pytest.raises(DataError, match=r"features: has 60 cells, more than dense_limit \(50\)"):
        block(dense_limit=50)(jnp.ones((60, 3)))


def test_too_few_cells_are_refused_in_plain_words(key):
    with pytest.raises(DataError, match=r"features: has 2 cells, too few.*Use at least 3"):
        block().prepare_from({"features": np.ones((2, 3))}, key)
