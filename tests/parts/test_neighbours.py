"""Nearest neighbours against scikit-learn's brute force and against the definition."""

import os
import subprocess
import sys

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from diffbio_engine.errors import DataError
from diffbio_engine.parts.neighbours import nearest_neighbours


def cells(n=400, features=12, seed=0):
    # Far from the origin, where an expanded square loses digits in float32.
    return np.random.default_rng(seed).normal(size=(n, features)).astype(np.float32) + 30


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_exact_neighbours_are_those_of_scikit_learn(metric):
    x = cells() - (30 if metric == "cosine" else 0)
    distances, indices = NearestNeighbors(n_neighbors=9, metric=metric).fit(x).kneighbors()
    ours, d = nearest_neighbours(x, 9, metric=metric)
    np.testing.assert_array_equal(ours, indices)
    np.testing.assert_allclose(d, distances, rtol=1e-4, atol=1e-6)


def test_queries_are_compared_with_all_cells():
    x = cells()
    indices, distances = nearest_neighbours(x, 3, queries=x[:5])
    np.testing.assert_array_equal(indices[:, 0], np.arange(5))
    np.testing.assert_allclose(distances[:, 0], 0, atol=1e-6)


def test_a_cell_is_never_its_own_neighbour_even_among_twins():
    x = np.ones((20, 3), np.float32)
    indices, distances = nearest_neighbours(x, 4)
    assert not (indices == np.arange(20)[:, None]).any()
    assert (distances == 0).all()


def test_more_neighbours_than_cells_are_refused():
    with pytest.raises(DataError, match="5 neighbours are asked where there are 4"):
        nearest_neighbours(cells(5), 5)


def test_cells_without_a_distance_are_refused():
    x = cells(10)
    x[3, 2] = np.nan
    with pytest.raises(DataError, match="not finite"):
        nearest_neighbours(x, 3)


def test_scanpy_and_the_neighbour_search_pinned_here_fit_together():
    # pynndescent 0.7 returns an array where scanpy 1.12 asks a matrix: it failed with many cells.
    script = """
import anndata, numpy, scanpy
cells = anndata.AnnData(numpy.random.default_rng(0).normal(size=(60, 5)).astype("float32"))
scanpy.pp.neighbors(cells, n_neighbors=5, use_rep="X", transformer="pynndescent")
print(cells.obsp["connectivities"].nnz)
"""
    # Not compiled: for sixty cells that is the quicker way.
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    asked = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=300
    )
    assert asked.returncode == 0, asked.stderr
    assert int(asked.stdout) >= 60 * 4
