"""Trajectories by transport: POT's plans, a growing and branching process, cells placed anew."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy.optimize import linear_sum_assignment

from diffbio_engine.errors import DataError
from diffbio_engine.operators.singlecell import DifferentiableOTTrajectory, OTTrajectoryConfig
from tests.gradients import check_gradients
from tests.references.singlecell.make_ot_trajectory import growing_branches

REFERENCES = Path(__file__).parents[2] / "references/singlecell"
KEY = jax.random.key(0)


def block(**settings) -> DifferentiableOTTrajectory:
    return DifferentiableOTTrajectory(OTTrajectoryConfig(**settings), rngs=nnx.Rngs(0))


@pytest.fixture(scope="module")
def pot():
    return dict(np.load(REFERENCES / "ot_trajectory.npz"))


def between(pot, n=(30, 40), **settings):
    data = {"counts_t1": pot["x"][: n[0]], "counts_t2": pot["y"][: n[1]], "note": 3}
    return block(**settings).apply(data, {"s": 1}, None)[0]


@pytest.mark.parametrize("iterations, plan", [(1, "plan"), (3, "grown")])
def test_the_plan_is_that_of_pot(pot, iterations, plan):
    found = between(pot, growth_iterations=iterations)
    np.testing.assert_allclose(found["transport_plan"], pot[plan], atol=2e-6)  # entries of 0.02
    growth = pot[plan].sum(axis=1) / pot[plan].sum() * 30
    np.testing.assert_allclose(found["growth_rates"], growth, rtol=1e-4)
    assert float(jnp.mean(found["growth_rates"])) == pytest.approx(1.0, abs=1e-5)
    halfway = 0.5 * (pot["x"] + (pot[plan] @ pot["y"]) / pot[plan].sum(axis=1, keepdims=True))
    np.testing.assert_allclose(found["interpolated_counts"], halfway, atol=1e-4)
    assert found["note"] == 3


def test_without_entropy_the_plan_is_the_best_assignment(pot):
    strict = {"growth_rate_regularization": 1e4, "target_regularization": 1e4}
    with jax.enable_x64(True):
        found = between(pot, (25, 25), sinkhorn_epsilon=1e-4, growth_iterations=1, **strict)
    plan = np.asarray(found["transport_plan"])
    np.testing.assert_allclose(plan, pot["assigned"], atol=1e-4)
    square = ((pot["x"][:25, None] - pot["y"][None, :25]) ** 2).sum(axis=2)
    _, chosen = linear_sum_assignment(square)
    np.testing.assert_array_equal(plan.argmax(axis=1), chosen)


@pytest.fixture(scope="module")
def process():
    cells, times, sides, growth, right = growing_branches()
    trajectory = block(n_genes=6, n_times=3, n_classes=2)
    arrays = {"embeddings": cells, "time_points": times, "labels": sides}
    trajectory.prepare_from(arrays, KEY)
    found = jax.jit(lambda **given: trajectory(**given))(**arrays)
    return trajectory, arrays, {k: np.asarray(v) for k, v in found.items()}, growth, right


def test_known_growth_and_fates_are_found_again(process):
    _, arrays, found, growth, right = process
    times, sides = arrays["time_points"], arrays["labels"]
    for time in (0, 1):
        # A sample of 400 differs from the next by more than growth alone: it is found with noise
        # (correlation 0.74 and 0.65), and blurred by the entropy (slope 0.76 and 0.67 of 1).
        here = times == time
        logs = np.log(growth[here]), np.log(found["growth_rates"][here])
        assert np.corrcoef(*logs)[0, 1] > 0.6 and 0.6 < np.polyfit(*logs, 1)[0] < 0.9
        assert found["growth_rates"][here].mean() == pytest.approx(1.0, abs=1e-4)
    first, middle, last = (times == t for t in range(3))
    assert np.corrcoef(found["fate_shares"][first, 1], right[first])[0, 1] > 0.7
    assert np.mean(found["fate_shares"][middle].argmax(axis=1) == sides[middle]) > 0.98
    np.testing.assert_array_equal(found["fate_shares"][last], np.eye(2)[sides[last]])
    np.testing.assert_allclose(found["type_transitions"].sum(axis=-1), 1.0, atol=1e-5)
    assert np.all(np.diagonal(found["type_transitions"][1]) > 0.95)


def test_places_of_descendants_and_ancestors_lie_at_the_next_and_the_last_time(process):
    _, arrays, found, _, _ = process
    times, cells = arrays["time_points"], arrays["embeddings"]
    for time in range(3):
        here = times == time
        assert abs(found["descendants"][here, 0].mean() - min(time + 1, 2)) < 0.05
        assert abs(found["ancestors"][here, 0].mean() - max(time - 1, 0)) < 0.05
    halfway = 0.5 * (cells + found["descendants"])
    np.testing.assert_allclose(found["interpolated"], halfway, atol=1e-5)
    np.testing.assert_array_equal(found["cells_used"], np.full((3, 2), 400))


def test_a_cell_is_placed_the_same_alone_in_a_chunk_and_without_its_label(process):
    trajectory, arrays, found, _, _ = process
    rows = np.arange(5, 1200, 97)
    some = {name: value[rows] for name, value in arrays.items() if name != "labels"}
    placed = trajectory(**some)
    names = ("growth_rates", "descendants", "ancestors", "interpolated")
    for name in names:
        np.testing.assert_allclose(placed[name], found[name][rows], atol=1e-4)
    early = arrays["time_points"][rows] < 2
    shares = found["fate_shares"][rows][early]
    np.testing.assert_allclose(np.asarray(placed["fate_shares"])[early], shares, atol=1e-4)


def test_a_part_of_the_cells_gives_nearly_the_same_growth(process):
    _, arrays, found, _, _ = process
    part = block(n_genes=6, n_times=3, n_classes=2, n_support=200)
    part.prepare_from(arrays, KEY)
    placed = part(**arrays)
    np.testing.assert_array_equal(placed["cells_used"], [[200, 400]] * 3)
    first = arrays["time_points"] == 0
    both = np.log(np.stack([placed["growth_rates"][first], found["growth_rates"][first]]))
    assert np.corrcoef(both)[0, 1] > 0.95


def test_a_prior_of_growth_is_followed_where_growth_is_held(pot):
    prior = np.linspace(0.5, 2.0, 30)
    data = {"counts_t1": pot["x"], "counts_t2": pot["y"], "growth_prior": prior}
    held = block(growth_rate_regularization=1e4).apply(data, {}, None)[0]["growth_rates"]
    np.testing.assert_allclose(held, prior / prior.mean(), rtol=2e-3)


def test_gradients_of_the_plan_agree_with_finite_differences(pot):
    with jax.enable_x64(True):
        one, two, prior = pot["x"][:8], pot["y"][:9], np.linspace(0.7, 1.5, 8)
        tilt = jnp.cos(jnp.arange(72.0)).reshape(8, 9)

        def total(one, two, prior):
            data = {"counts_t1": one, "counts_t2": two, "growth_prior": prior}
            found = block(growth_iterations=2).apply(data, {}, None)[0]
            return jnp.sum(tilt * found["transport_plan"]) + found["growth_rates"][2]

        given = tuple(map(jnp.asarray, (one, two, prior)))
        check_gradients(total, given, eps=1e-6, rtol=1e-4)


def test_cells_without_a_time_do_not_count():
    cells = np.random.default_rng(0).normal(size=(8, 2)).astype(np.float32)
    times = np.array([0, 1, -1, 0, 1, -1, 0, 1])
    some = block(n_genes=2, n_times=2)
    some.prepare_from({"embeddings": cells, "time_points": times}, KEY)
    np.testing.assert_array_equal(some.used[...], [[3, 3], [3, 3]])


def test_a_time_point_without_cells_is_refused():
    cells = np.zeros((6, 2), np.float32)
    with pytest.raises(DataError, match="time_points: has cells at 2 of 3 time points"):
        block(n_genes=2, n_times=3).prepare_from(
            {"embeddings": cells, "time_points": np.array([0, 0, 2, 2, 2, 2])}, KEY
        )
    with pytest.raises(DataError, match="counts_t2: has the form"):
        block().apply({"counts_t1": cells, "counts_t2": cells[:, :1]}, {}, None)
