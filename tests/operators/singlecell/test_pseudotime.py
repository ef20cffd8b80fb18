"""Pseudotime against scanpy and shortest paths, its gradients, and cells it has not seen."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse
from flax import nnx
from scipy.sparse.csgraph import dijkstra
from scipy.stats import spearmanr

from diffbio_engine.errors import DataError
from diffbio_engine.operators.singlecell import DifferentiablePseudotime, PseudotimeConfig
from diffbio_engine.operators.singlecell._diffusion_maps import (
    links,
    sparse_diffusion_map,
    symmetric_eigen,
)
from diffbio_engine.operators.singlecell.pseudotime._soft_paths import (
    prepared_distances_to_root,
    soft_distances_to_root,
)
from tests.gradients import check_gradients

REFERENCE = Path(__file__).parents[2] / "references/singlecell/pseudotime.npz"


def block(**settings) -> DifferentiablePseudotime:
    return DifferentiablePseudotime(PseudotimeConfig(**settings), rngs=nnx.Rngs(0))


def on(pseudo, cells, **more):
    """Of these cells, compiled: op by op it would take longer."""
    return jax.jit(lambda x: pseudo(x, **more))(jnp.asarray(cells))


def prepared(cells, **settings) -> DifferentiablePseudotime:
    found = block(**settings)
    found.prepare_from({"embeddings": cells}, jax.random.key(0))
    return found


@pytest.fixture(scope="module")
def peer():
    return dict(np.load(REFERENCE))


@pytest.fixture(scope="module")
def fork():
    """A stem that parts into two arms, with the true time of each cell; the first is the root."""
    rng = np.random.default_rng(0)
    time = np.append(0.0, np.sort(rng.uniform(size=299)))
    arm = rng.integers(0, 2, 300) * 2 - 1
    turn = np.maximum(time - 0.4, 0.0)
    cells = np.zeros((300, 5), np.float32)
    cells[:, 0], cells[:, 1] = 10 * time, 10 * arm * turn
    return (cells + rng.normal(scale=0.15, size=cells.shape)).astype(np.float32), time, arm


def test_diffusion_pseudotime_is_that_of_scanpy(peer):
    out = on(block(method="diffusion", root_cell_index=int(peer["root"])), peer["embeddings"])
    # Float32, and differences of eigenvectors over 1 - l, which is 0.01: three digits are left.
    np.testing.assert_allclose(out["pseudotime"], peer["pseudotime"], atol=5e-3)
    assert spearmanr(out["pseudotime"], peer["pseudotime"])[0] > 0.9999


def test_components_and_eigenvalues_are_those_of_scanpy(peer):
    values, waves, roots = sparse_diffusion_map(
        peer["embeddings"], n_neighbors=14, n=10, width=1.0, root=int(peer["root"])
    )
    np.testing.assert_allclose(values, peer["eigenvalues"][1:], atol=1e-4)
    theirs = peer["components"][:, 1:]
    ours = waves * roots[:, None] / np.sqrt(np.sum(roots**2))
    side = np.sign(np.sum(ours * theirs, axis=0))
    np.testing.assert_allclose(ours * side, theirs, atol=5e-3)


def test_many_cells_have_the_waves_of_few(peer):
    out = on(block(root_cell_index=int(peer["root"])), peer["embeddings"])
    _, waves, _ = sparse_diffusion_map(
        peer["embeddings"], n_neighbors=14, n=10, width=1.0, root=int(peer["root"])
    )
    np.testing.assert_allclose(out["diffusion_components"], waves, atol=0.02)


def test_components_are_waves_of_the_transition_matrix(peer):
    out = on(block(root_cell_index=int(peer["root"])), peer["embeddings"])
    steps, waves = out["transition_matrix"], out["diffusion_components"]
    np.testing.assert_allclose(steps.sum(axis=1), 1.0, atol=1e-5)
    moved = np.asarray(steps @ waves)
    for k in range(3):
        assert np.corrcoef(moved[:, k], waves[:, k])[0, 1] > 0.9999
    assert np.all(waves[int(peer["root"])] <= 0), "each grows away from the root"


@pytest.mark.parametrize("method", ["consensus", "paths", "diffusion"])
def test_a_fork_is_ordered_by_its_true_time(fork, method):
    cells, time, _ = fork
    whole = on(block(method=method), cells)["pseudotime"]
    assert whole[0] == 0 and float(whole.max()) == pytest.approx(1.0)
    assert spearmanr(whole, time)[0] > 0.97
    placed = on(prepared(cells, method=method), cells)["pseudotime"]
    assert placed[0] == 0 and spearmanr(placed, whole)[0] > 0.985


def test_two_conditions_across_the_process_do_not_mislead_the_order():
    # Time along the first axis; the second tells two conditions apart, which have nothing to do
    # with it and are one of the slowest waves.
    rng = np.random.default_rng(0)
    time, condition = np.sort(rng.uniform(size=400)), rng.permutation(400) % 2
    cells = rng.normal(0.0, 0.25, (400, 8)).astype(np.float32)
    cells[:, 0] += 8.0 * time
    cells[:, 1] += 1.5 * condition
    found = {
        method: spearmanr(on(prepared(cells, method=method), cells)["pseudotime"], time)[0]
        for method in ("consensus", "paths")
    }
    assert found["consensus"] > 0.9 and found["paths"] < 0.5


def test_many_branches_are_not_folded_onto_each_other():
    rng = np.random.default_rng(1)
    time, branch = rng.uniform(size=600), np.arange(600) % 8
    cells = rng.normal(0.0, 0.15, (600, 10)).astype(np.float32)
    cells[np.arange(600), branch] += 4.0 * time
    root = int(np.argmin(time))
    found = {
        method: spearmanr(
            on(prepared(cells, method=method, root_cell_index=root), cells)["pseudotime"], time
        )[0]
        for method in ("consensus", "paths")
    }
    assert found["consensus"] > 0.9 > found["paths"]


def test_new_cells_are_placed_one_by_one_where_they_would_have_been(fork):
    cells, time, _ = fork
    old = np.arange(300) % 5 != 3
    pseudo = prepared(cells[old])
    together = on(pseudo, cells[~old])["pseudotime"]
    assert spearmanr(together, time[~old])[0] > 0.97
    alone = pseudo.apply({"embeddings": cells[~old][7]}, {}, None)[0]
    assert alone["pseudotime"].shape == () and alone["diffusion_components"].shape == (10,)
    np.testing.assert_allclose(alone["pseudotime"], together[7], atol=1e-4)


def graph_of(n=40, k=4, seed=0):
    rng = np.random.default_rng(seed)
    ends = np.stack([rng.choice(np.delete(np.arange(n), i), k, replace=False) for i in range(n)])
    return np.repeat(np.arange(n), k), ends.ravel(), rng.uniform(0.2, 1.0, n * k)


@pytest.mark.parametrize("temperature, tolerance", [(0.1, 1.1), (0.01, 0.11), (0.001, 0.011)])
def test_soft_paths_approach_the_shortest_paths(temperature, tolerance):
    begins, ends, lengths = graph_of()
    far, joined = soft_distances_to_root(
        jnp.asarray(lengths), jnp.asarray(temperature), begins, ends, 40, 0
    )
    graph = np.full((40, 40), np.inf)
    np.minimum.at(graph, (begins, ends), lengths)
    shortest = dijkstra(scipy.sparse.csr_matrix(np.where(np.isinf(graph), 0, graph)), False, 0)
    assert joined.all()
    # Each step costs at most t log(number of edges of a cell) more: 4 steps, 14 edges.
    assert np.all(far > shortest - 1e-5)
    np.testing.assert_allclose(far, shortest, atol=tolerance)


def test_warm_paths_are_the_mean_length_of_a_random_walk():
    with jax.enable_x64(True):
        begins, ends, lengths = graph_of(n=12, k=3)
        far, _ = soft_distances_to_root(jnp.asarray(lengths), jnp.asarray(1e5), begins, ends, 12, 0)
        both, back = np.r_[begins, ends], np.r_[ends, begins]
        share = 1.0 / np.bincount(both)[both]
        walk, cost = np.zeros((12, 12)), np.zeros(12)
        np.add.at(walk, (both, back), share)
        np.add.at(cost, both, share * np.r_[lengths, lengths])
        mean = np.linalg.solve((np.eye(12) - walk)[1:, 1:], cost[1:])
        np.testing.assert_allclose(far[1:], mean, rtol=1e-3)


def test_gradients_of_soft_paths_agree_with_finite_differences():
    with jax.enable_x64(True):
        begins, ends, lengths = graph_of(n=15)
        tilt = jnp.cos(jnp.arange(15.0))

        def total(lengths, temperature):
            far, _ = soft_distances_to_root(lengths, temperature, begins, ends, 15, 2)
            return jnp.sum(tilt * far)

        given = (jnp.asarray(lengths), jnp.asarray(0.2))
        check_gradients(total, given, eps=1e-6, rtol=1e-5)


@pytest.mark.parametrize("method", ["consensus", "paths", "diffusion"])
def test_gradients_through_the_whole_method_agree_with_finite_differences(method, fork):
    with jax.enable_x64(True):
        cells = jnp.asarray(fork[0][::12], float)
        pseudo = block(
            method=method, n_neighbors=7, n_diffusion_components=4, n_path_components=2,
            temperature=0.1,
        )  # fmt: skip
        tilt = jnp.cos(jnp.arange(25.0))
        check_gradients(
            lambda x: jnp.sum(tilt * pseudo(x)["pseudotime"]), (cells,), eps=1e-6, rtol=1e-4
        )


@pytest.mark.parametrize("method", ["consensus", "paths", "diffusion"])
def test_gradients_of_placing_agree_with_finite_differences(method, fork):
    with jax.enable_x64(True):
        pseudo = prepared(fork[0], method=method)
        cells = jnp.asarray(fork[0][30:40] + 0.01, float)
        tilt = jnp.cos(jnp.arange(10.0))
        check_gradients(
            lambda x: jnp.sum(tilt * pseudo(x)["pseudotime"]), (cells,), eps=1e-6, rtol=1e-3
        )


def test_equal_eigenvalues_and_twins_have_finite_gradients():
    corners = jnp.asarray(np.array([[0, 0], [0, 1], [1, 0], [1, 1]] * 4, float))
    pseudo = block(n_neighbors=6, n_diffusion_components=4)
    grad = jax.jit(jax.grad(lambda x: jnp.sum(pseudo(x)["pseudotime"] ** 2)))(corners)
    assert jnp.all(jnp.isfinite(grad))
    slope = jax.grad(lambda m: jnp.sum(symmetric_eigen(m)[1] ** 3))(jnp.eye(5))
    assert jnp.all(jnp.isfinite(slope))


def test_parts_that_no_neighbours_join_are_joined_by_their_nearest_pair():
    rng = np.random.default_rng(0)
    islands = [rng.normal(loc=(x, 0, 0), size=(30, 3)) for x in (0, 60, 200)]
    cells = np.concatenate(islands).astype(np.float32)
    empty = scipy.sparse.csr_matrix(scipy.sparse.block_diag([np.ones((30, 30))] * 3))
    assert len(links(empty, cells)) == 2
    far, _ = prepared_distances_to_root(cells, 5, 0.001, 0)
    assert far[:30].max() < far[30:60].min() < far[60:].min() < 250
    assert np.isfinite(on(prepared(cells), cells)["pseudotime"]).all()
    assert np.isfinite(on(block(), cells)["pseudotime"]).all()


def test_the_root_can_be_given_with_the_call(fork):
    cells = fork[0]
    at_the_end = on(block(), cells, root_cell=jnp.asarray(299))["pseudotime"]
    assert at_the_end[299] == 0 and at_the_end[0] > 0.5


def test_the_cosine_does_not_see_the_length_of_a_cell(fork):
    cells = fork[0] + 5.0
    longer = cells * np.linspace(1.0, 2.0, 300)[:, None]
    found = [on(block(metric="cosine"), x)["pseudotime"] for x in (cells, longer)]
    np.testing.assert_allclose(*found, atol=0.02)


@pytest.mark.step_by_step
def test_what_cannot_be_is_refused_in_plain_words(fork):
    cells = fork[0]
    with pytest.raises(DataError, match="root_cell_index: cell 300 is the root, but there are 300"):
        block(root_cell_index=300)(cells)
    with pytest.raises(DataError, match="root_cell_index: cell 300 is the root, but there are 300"):
        block(root_cell_index=300).prepare_from({"embeddings": cells}, jax.random.key(0))
    # Compiled, nothing can be said in words; it is no number rather than another cell's.
    traced = jax.jit(lambda x: block(root_cell_index=300)(x)["pseudotime"])(cells[:50])
    assert np.isnan(traced).all()
    with pytest.raises(DataError, match="too few to find an order"):
        block()(cells[:3])
    with pytest.raises(DataError, match="more than dense_limit"):
        block(dense_limit=100)(cells)
