"""The fuzzy graph and the curve against umap-learn 0.5.12 (references/normalization)."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffbio_engine.operators.normalization.umap._fuzzy_graph import (
    dense_fuzzy_graph,
    find_ab,
    fuzzy_graph,
)
from diffbio_engine.operators.normalization.umap._map_objective import sq_distances
from diffbio_engine.parts.neighbours import nearest_neighbours
from tests.gradients import check_gradients

REFERENCE = Path(__file__).parents[2] / "references/normalization/umap.npz"


@pytest.fixture(scope="module")
def reference():
    return np.load(REFERENCE)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_sparse_graph_is_that_of_umap_learn(reference, metric):
    found = nearest_neighbours(reference["features"], 14, metric=metric)
    np.testing.assert_allclose(fuzzy_graph(*found).matrix().toarray(), reference[metric], atol=1e-4)


def test_dense_graph_is_that_of_umap_learn(reference):
    graph = dense_fuzzy_graph(sq_distances(jnp.asarray(reference["features"])), 14)
    np.testing.assert_allclose(graph, reference["euclidean"], atol=1e-3)


def test_curve_is_that_of_umap_learn(reference):
    ours = [find_ab(min_dist, spread) for min_dist, spread in reference["settings"]]
    np.testing.assert_allclose(ours, reference["ab"], rtol=1e-4)


def test_shares_count_every_pair_once_and_rows_nearly_evenly(reference):
    graph = fuzzy_graph(*nearest_neighbours(reference["features"], 14))
    assert graph.shares.sum() == pytest.approx(reference["euclidean"].sum() / 2, rel=1e-5)
    rows = graph.shares.sum(axis=1)
    assert rows.std() / rows.mean() < 0.1


@pytest.mark.parametrize("n, k", [(6, 5), (6, 3), (12, 4), (3, 2)])
def test_gradient_of_the_dense_graph_agrees_with_finite_differences(n, k):
    with jax.enable_x64(True):
        x = jax.random.normal(jax.random.key(1), (n, 3), dtype=jnp.float64)
        weight = jax.random.normal(jax.random.key(2), (n, n), dtype=jnp.float64)
        check_gradients(
            lambda x: jnp.sum(weight * dense_fuzzy_graph(sq_distances(x), k)),
            (x,),
            eps=1e-6,
            rtol=0.0001,
        )


def test_twins_have_finite_gradients():
    x = jnp.zeros((8, 3)).at[4:].set(1.0)
    slope = jax.jit(jax.grad(lambda x: dense_fuzzy_graph(sq_distances(x), 5).sum()))(x)
    assert jnp.isfinite(slope).all()
