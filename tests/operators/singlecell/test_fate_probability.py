"""Fates against the equations of an absorbing chain, known branches, and cells not seen before."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from sklearn.metrics import roc_auc_score

from diffbio_engine.errors import DataError
from diffbio_engine.operators.singlecell import (
    DifferentiableFateProbability,
    FateProbabilityConfig,
)
from diffbio_engine.operators.singlecell.fate_probability._directed_chain import (
    absorption,
    forward_walk,
    lasting_peaks,
)
from tests.gradients import check_gradients
from tests.references.singlecell.walk_among_nearest import cells_and_ends, walk_among_nearest

REFERENCES = Path(__file__).parents[2] / "references/singlecell"


def block(**settings) -> DifferentiableFateProbability:
    return DifferentiableFateProbability(FateProbabilityConfig(**settings), rngs=nnx.Rngs(0))


@pytest.fixture(scope="module")
def fork():
    """A stem that parts into two arms of unequal length: places, times, arm."""
    rng = np.random.default_rng(0)
    time = np.sort(rng.uniform(size=300))
    arm = rng.integers(0, 2, 300) * 2 - 1
    time = np.where(arm < 0, 0.95 * time, time)
    cells = np.zeros((300, 3), np.float32)
    cells[:, 0], cells[:, 1] = 10 * time, 10 * arm * np.maximum(time - 0.4, 0.0)
    return (cells + rng.normal(scale=0.15, size=cells.shape)).astype(np.float32), time, arm


def chain(n=12, seed=0):
    return np.random.default_rng(seed).dirichlet(np.ones(n), size=n)


def test_fates_solve_the_equations_of_the_absorbing_chain():
    steps, ends = chain(), np.array([3, 7])
    with jax.enable_x64(True):
        result, state, _ = block().apply(
            {"transition_matrix": steps, "terminal_states": ends, "note": 1}, {"s": 2}, None
        )
    others = np.delete(np.arange(12), ends)
    q, r = steps[np.ix_(others, others)], steps[np.ix_(others, ends)]
    expected = np.linalg.solve(np.eye(10) - q, r)
    np.testing.assert_allclose(result["fate_probabilities"][others], expected, atol=1e-10)
    np.testing.assert_array_equal(result["fate_probabilities"][ends], np.eye(2))
    np.testing.assert_array_equal(result["macrostates"][others], expected.argmax(axis=1))
    entropy = -np.sum(expected * np.log(expected), axis=1)
    np.testing.assert_allclose(result["fate_entropy"][others], entropy, atol=1e-9)
    assert result["note"] == 1 and state == {"s": 2}


def test_fates_are_those_of_the_gamblers_ruin():
    # A fair walk on 0..10 from i ends at 10 with chance i / 10.
    steps = 0.5 * (np.eye(11, k=1) + np.eye(11, k=-1))
    fates = absorption(jnp.asarray(steps), jnp.array([0, 10]))
    np.testing.assert_allclose(fates[:, 1], np.arange(11) / 10, atol=1e-5)


def test_fates_are_those_of_cellrank_on_the_same_walk():
    stored = dict(np.load(REFERENCES / "fate_probability.npz"))
    places, ends = cells_and_ends(stored)
    member = np.zeros((len(places), 2))
    member[ends, [[0], [1]]] = 1.0
    with jax.enable_x64(True):
        given = {"transition_matrix": walk_among_nearest(places), "terminal_states": member}
        found = block().apply(given, {}, None)[0]["fate_probabilities"]
    # Its answer rests on an iterative solution with a tolerance of 1e-5 or so.
    np.testing.assert_allclose(found, np.load(REFERENCES / "absorption.npz")["fates"], atol=2e-5)


def test_from_palantirs_order_of_real_cells_its_fates_follow():
    peer = dict(np.load(REFERENCES / "fate_probability.npz"))
    given = {"embeddings": peer["space"], "pseudotime": peer["pseudotime"]}
    given["terminal_states"] = peer["ends"]
    found = np.asarray(block().apply(given, {}, None)[0]["fate_probabilities"])[:, 0]
    # Not equal by design: slack in steps of pseudotime, not in distances, and a soft limit. Without
    # slack the mean difference is 0.18: cells in a dip of pseudotime cannot leave it.
    assert np.abs(found - peer["fates"][:, 0]).mean() < 0.05
    assert np.corrcoef(found, peer["fates"][:, 0])[0, 1] > 0.97
    of_lineage = peer["lineage"][peer["sure"]] == 0
    assert roc_auc_score(of_lineage, found[peer["sure"]]) > 0.98  # Palantir: 0.9994


def test_an_end_can_be_a_group_of_cells():
    steps = chain()
    member = np.zeros((12, 2))
    member[[0, 1], 0] = member[[5], 1] = 1
    one_by_one = absorption(jnp.asarray(steps), jnp.array([0, 1, 5]))
    grouped = absorption(jnp.asarray(steps), jnp.asarray(member))
    np.testing.assert_allclose(grouped[:, 0], one_by_one[:, :2].sum(axis=1), atol=1e-5)


def test_cells_without_a_way_to_an_end_are_named_not_guessed():
    steps = np.kron(np.eye(2), np.full((3, 3), 1 / 3))
    with pytest.raises(DataError, match="leaves 3 cells without a way to an end"):
        block().apply({"transition_matrix": steps, "terminal_states": np.array([0])}, {}, None)
    undecided = absorption(jnp.asarray(steps), jnp.array([0, 1]), 1e-5)
    np.testing.assert_allclose(undecided[3:], 0.5, atol=0.02)


def test_low_temperature_leaves_only_steps_forward(fork):
    cells, time, _ = fork
    back = []
    for temperature in (3.0, 0.3, 0.01):
        steps, _ = forward_walk(jnp.asarray(cells), jnp.asarray(time), 15, jnp.array(temperature))
        np.testing.assert_allclose(steps.sum(axis=1), 1.0, atol=1e-5)
        ahead = np.asarray(steps)[:250] * (time[None] < time[:250, None])
        back.append(float(np.median(ahead.sum(axis=1))))
    assert back[0] > 0.3 and back[1] < back[0] and back[2] < 2e-3


def test_lasting_peaks_are_those_that_fall_far():
    time = np.array([0.0, 0.5, 1.0, 0.3, 0.2, 0.4, 0.8, 0.75, 0.78])
    nearest = np.stack([np.r_[1, np.arange(8)], np.r_[np.arange(1, 9), 7]], axis=1)
    np.testing.assert_array_equal(lasting_peaks(time, nearest, 2), [2, 6])
    np.testing.assert_array_equal(lasting_peaks(time, nearest, 3), [2, 6, 8])
    assert len(set(lasting_peaks(time, nearest, 5))) == 5


def test_both_arms_of_a_fork_are_found_and_new_cells_placed(fork):
    cells, time, arm = fork
    old = np.arange(300) % 5 != 3
    fates = block()
    fates.prepare_from({"embeddings": cells[old], "pseudotime": time[old]}, jax.random.key(0))
    found = fates(jnp.asarray(cells[~old]), jnp.asarray(time[~old]))
    shares = np.asarray(found["fate_probabilities"])
    np.testing.assert_allclose(shares.sum(axis=1), 1.0, atol=1e-4)
    late, early = time[~old] > 0.55, time[~old] < 0.2
    longer = np.asarray(found["macrostates"])[late] == 0  # the latest end is fate 0
    np.testing.assert_array_equal(longer, arm[~old][late] > 0)
    # Cells of the stem have yet to choose: chances of 0.2 to 0.8 for each arm have at least 0.5.
    # A step back within the slack is free, so right behind the fork a cell may still change over.
    sealed = time[~old] > 0.65
    assert np.all(found["fate_entropy"][sealed] < 0.1) and np.all(
        found["fate_entropy"][early] > 0.5
    )
    one = fates.apply({"embeddings": cells[~old][5], "pseudotime": time[~old][5]}, {}, None)[0]
    np.testing.assert_allclose(one["fate_probabilities"], shares[5], atol=1e-5)


def test_gradients_through_chain_and_matrix_agree_with_finite_differences(fork):
    with jax.enable_x64(True):
        cells, time = jnp.asarray(fork[0][::12], float), jnp.asarray(fork[1][::12])
        fates = block(n_neighbors=6, temperature=1.0)
        tilt = jnp.cos(jnp.arange(50.0)).reshape(25, 2)

        def total(cells, time):
            return jnp.sum(tilt * fates(cells, time)["fate_probabilities"])

        check_gradients(total, (cells, time), eps=1e-6, rtol=1e-4)
        weight = jnp.cos(jnp.arange(24.0)).reshape(12, 2)
        check_gradients(
            lambda m: jnp.sum(weight * absorption(m, jnp.array([3, 7]))),
            (jnp.asarray(chain()),),
            eps=1e-6,
            rtol=1e-4,
        )
