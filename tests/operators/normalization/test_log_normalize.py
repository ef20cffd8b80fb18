"""Log-normalised counts: those of scanpy, with totals of all genes, and for one cell."""

import jax.numpy as jnp
import numpy as np
import pytest

from diffbio_engine.declare import find_operator

DECLARED = find_operator("normalization.log_normalize")


def block(**settings):
    return DECLARED.make(DECLARED.make.Config(**settings))


@pytest.fixture(scope="module")
def cells(shared_data):
    """Counts of 200 blood cells."""
    anndata = pytest.importorskip("anndata")
    return anndata.read_h5ad(shared_data / "pbmc3k_hvg2000_counts.h5ad")[:200].copy()


@pytest.mark.parametrize("target", [1e4, 1e6])
def test_it_is_what_scanpy_computes(cells, target):
    scanpy = pytest.importorskip("scanpy")
    counts = jnp.asarray(cells.X.toarray(), float)
    theirs = scanpy.pp.normalize_total(cells, target_sum=target, copy=True)
    scanpy.pp.log1p(theirs)
    found = block(target_sum=target)(counts)["expression"]
    np.testing.assert_allclose(found, theirs.X.toarray(), rtol=1e-5)


def test_with_the_totals_of_all_genes_some_are_as_among_all():
    counts = jnp.asarray(np.random.default_rng(0).poisson(2.0, (20, 30)), float)
    whole = block()(counts)["expression"]
    some = block()(counts[:, :7], counts.sum(axis=1))["expression"]
    np.testing.assert_allclose(some, whole[:, :7], rtol=1e-6)
    assert np.abs(block()(counts[:, :7])["expression"] - some).max() > 0.5


def test_one_cell_is_as_among_many_and_an_empty_one_stays_empty():
    counts = jnp.asarray([[1.0, 3.0, 0.0], [0.0, 0.0, 0.0]])
    both, _, _ = block().apply({"counts": counts})
    one, _, _ = block().apply({"counts": counts[0]})
    np.testing.assert_allclose(one["expression"], np.log1p([2500.0, 7500.0, 0.0]), rtol=1e-6)
    np.testing.assert_array_equal(both["expression"], [one["expression"], np.zeros(3)])
