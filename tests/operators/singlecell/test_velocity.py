"""RNA velocity beside scVelo's deterministic model, its own equations and a known truth."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy.stats import spearmanr

from diffbio_engine.errors import DataError
from diffbio_engine.operators.singlecell import DifferentiableVelocity, VelocityConfig
from diffbio_engine.operators.singlecell.velocity._splicing_kinetics import (
    Kinetics,
    after,
    curve,
    place,
)
from diffbio_engine.operators.singlecell.velocity._velocity_directions import time_of_flow
from tests.references.singlecell.make_velocity import simulate

REFERENCE = Path(__file__).parents[2] / "references/singlecell/velocity.npz"
KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def ref():
    return np.load(REFERENCE)


@pytest.fixture(scope="module")
def truth():
    return simulate(0)


@pytest.fixture(scope="module")
def block(truth, ref):
    config = VelocityConfig(n_genes=60, n_pca_components=20)
    block = DifferentiableVelocity(config)
    arrays = {n: truth[n] for n in ("spliced", "unspliced")}
    block.prepare_from({**arrays, "embeddings": ref["map"]}, KEY)
    return block


@pytest.fixture(scope="module")
def run():
    return nnx.jit(lambda block, *arrays: block(*arrays))


@pytest.fixture(scope="module")
def found(block, truth, ref, run):
    return run(block, truth["spliced"], truth["unspliced"], ref["map"])


def test_moments_of_scvelo_give_its_slopes_fits_and_velocities(ref):
    block = DifferentiableVelocity(VelocityConfig(n_genes=60))
    data = {name: ref[name] for name in ("spliced", "unspliced")}
    out = jax.jit(lambda data: block.apply(data, {}, None)[0])(data)
    believed = ref["believed"]
    np.testing.assert_allclose(out["gamma"], ref["slopes"], rtol=1e-4)
    np.testing.assert_allclose(out["fit"][believed], ref["fit"][believed], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(out["velocity"][::6], ref["velocity"], rtol=1e-3, atol=2e-3)


def test_from_counts_on_rates_are_scvelos_but_for_the_weights_of_neighbours(found, ref):
    believed = ref["believed"]
    apart = np.asarray(found["gamma"])[believed] / ref["slopes"][believed] - 1
    assert np.median(np.abs(apart)) < 0.05
    ours = np.asarray(found["velocity"])[::6][:, believed]
    r = [
        np.corrcoef(a, b)[0, 1] for a, b in zip(ours.T, ref["velocity"][:, believed].T, strict=True)
    ]
    assert np.median(r) > 0.9


def test_velocities_and_times_are_those_of_the_known_process(found, truth):
    scaled = truth["velocity"] / truth["beta"]
    moves = scaled.std(axis=0) > 0
    ours = np.asarray(found["velocity"])
    r = [np.corrcoef(a, b)[0, 1] for a, b in zip(ours.T[moves], scaled.T[moves], strict=True)]
    assert np.median(r) > 0.85  # measured 0.875
    ratio = np.asarray(found["gamma"]) / (truth["gamma"] / truth["beta"])
    assert np.median(np.abs(ratio - 1)) < 0.25  # 0.226; scVelo on these cells 0.214
    time = np.asarray(found["latent_time"])
    assert spearmanr(time, truth["time"])[0] > 0.97  # forwards, from the velocities alone
    assert np.quantile(time, 0.01) < 0.05 and np.quantile(time, 0.99) > 0.95


def test_arrows_point_where_scvelos_do(found, ref):
    ours, theirs = np.asarray(found["velocity_on_map"]), ref["arrows"]
    cosine = np.sum(ours * theirs, 1) / np.linalg.norm(ours, axis=1)
    assert np.median(cosine / np.linalg.norm(theirs, axis=1)) > 0.9


def test_the_exact_solution_is_many_small_steps_also_where_rates_are_equal():
    gamma = jnp.asarray([0.3, 1.0, 1.0 + 1e-5, 2.0])
    kinetics = Kinetics(jnp.full(4, 2.0), jnp.ones(4), gamma, jnp.ones(4))
    u, s, dt = np.full(4, 0.5), np.full(4, 1.0), 1e-4
    for _ in range(15_000):
        u, s = u + dt * (2.0 - u), s + dt * (u - np.asarray(gamma, float) * s)
    exact = after(kinetics, kinetics.alpha, jnp.full(4, 0.5), jnp.ones(4), jnp.asarray(1.5))
    np.testing.assert_allclose(exact[0], u, rtol=2e-4)
    np.testing.assert_allclose(exact[1], s, rtol=2e-4)


def test_at_temperature_zero_a_cell_lies_at_the_nearest_point_of_the_curve():
    kinetics = Kinetics(*(jnp.asarray([x]) for x in (2.0, 1.0, 0.5, 6.0)))
    us, ss, phases = curve(kinetics)
    rng = np.random.default_rng(0)
    u, s = (np.asarray(x) + 0.01 * rng.normal(size=x.shape) for x in (us, ss))
    placed = place(kinetics, u, s, jnp.ones((2, 1)), jnp.asarray(1e-6))
    square = (u - np.asarray(us).T) ** 2 + (s - np.asarray(ss).T) ** 2
    nearest = np.asarray(phases)[np.argmin(square, axis=1)]
    # The ends of the two phases meet: 1 is the switch seen from either side.
    np.testing.assert_allclose(placed.phase[:, 0], nearest, atol=1e-3)
    np.testing.assert_allclose(placed.misfit[:, 0], square.min(axis=1), atol=1e-4)


def test_time_of_flow_is_exact_for_a_line_of_cells():
    near = np.stack([np.clip(np.arange(30) - 1, 0, 28), np.clip(np.arange(30) + 1, 1, 29)], 1)
    near[0, 0], near[29, 1] = 2, 27
    time = time_of_flow(near, np.sign(near - np.arange(30)[:, None]).astype(float))
    assert np.all(np.diff(time) >= 0) and time[0] == 0 and time[-1] == 1


def test_a_prepared_cell_gets_the_same_alone_in_chunks_and_with_all(block, found, truth, run):
    some = run(block, truth["spliced"][100:108], truth["unspliced"][100:108])
    for name in ("velocity", "latent_time", "projected_spliced"):
        np.testing.assert_allclose(some[name], found[name][100:108], rtol=1e-3, atol=2e-3)


def test_training_brings_the_curves_nearer_to_cells_and_the_rates_to_the_truth(block, truth):
    arrays = jnp.asarray(truth["spliced"]), jnp.asarray(truth["unspliced"])
    graph, weights, rest = nnx.split(block, nnx.Param, ...)

    @jax.jit
    def step(weights, arrays):
        def loss(weights):
            out = nnx.merge(graph, weights, rest)(*arrays)
            return out["reconstruction_loss"], out["gamma"] / out["beta"]

        (value, ratio), slope = jax.value_and_grad(loss, has_aux=True)(weights)
        # Signs, as Adam's first steps.
        return jax.tree.map(lambda w, g: w - 0.02 * jnp.sign(g), weights, slope), value, ratio

    truly = truth["gamma"] / truth["beta"]
    seen = []
    for _ in range(25):
        weights, value, ratio = step(weights, arrays)
        seen.append((float(value), float(np.median(np.abs(ratio / truly - 1)))))
    assert seen[-1][0] < 0.95 * seen[0][0] and seen[-1][1] < seen[0][1]
    # Curves say nothing of a gene's unit of time, so nothing may move it.
    beta = nnx.merge(graph, weights, rest)(*arrays)["beta"]
    np.testing.assert_array_equal(beta, 1.0)


def test_cell_rates_start_as_the_standard_model(truth, found, run):
    config = VelocityConfig(n_genes=60, n_pca_components=20, kinetics_model="cell_rates")
    block = DifferentiableVelocity(config, rngs=nnx.Rngs(1))
    block.prepare_from({n: truth[n] for n in ("spliced", "unspliced")}, KEY)
    out = run(block, truth["spliced"][:8], truth["unspliced"][:8])
    np.testing.assert_allclose(out["velocity"], found["velocity"][:8], rtol=1e-2, atol=1e-2)


def test_too_few_cells_for_the_neighbours_are_refused(truth):
    block = DifferentiableVelocity(VelocityConfig(n_genes=60))
    with pytest.raises(DataError, match="n_neighbors"):
        block.prepare_from({n: truth[n][:10] for n in ("spliced", "unspliced")}, KEY)
