"""One function brings cells to one size; with the totals of all genes, some genes are as in all."""

import jax.numpy as jnp
import numpy as np
import pytest

from diffbio_engine.parts.log_normalized_counts import (
    log_expression,
    log_normalized,
    log_normalized_rows,
)

COUNTS = np.random.default_rng(0).poisson(2.0, (20, 30)).astype(np.float32)
COUNTS[3] = 0


def test_it_is_what_scanpy_computes():
    scanpy = pytest.importorskip("scanpy")
    theirs = scanpy.AnnData(COUNTS.copy())
    scanpy.pp.normalize_total(theirs, target_sum=1e4)
    scanpy.pp.log1p(theirs)
    np.testing.assert_allclose(log_normalized(jnp.asarray(COUNTS)), theirs.X, rtol=1e-6)
    np.testing.assert_allclose(log_normalized_rows(COUNTS), theirs.X, rtol=1e-6)


def test_some_genes_with_the_totals_of_all_are_as_among_all():
    some, totals = COUNTS[:, :7], COUNTS.sum(axis=1)
    whole = np.asarray(log_normalized(jnp.asarray(COUNTS)))[:, :7]
    for found in (
        log_normalized(jnp.asarray(some), jnp.asarray(totals)),
        log_normalized_rows(some, totals),
        [log_normalized(jnp.asarray(r), t) for r, t in zip(some, totals, strict=True)],
    ):
        np.testing.assert_allclose(np.asarray(found), whole, rtol=1e-6)
    assert np.abs(np.asarray(log_normalized(jnp.asarray(some))) - whole).max() > 0.5


def test_a_total_below_what_is_counted_is_no_total():
    counts = jnp.asarray(COUNTS)
    np.testing.assert_array_equal(log_normalized(counts, jnp.ones(20)), log_normalized(counts))


def test_what_is_log_normalised_already_comes_back():
    np.testing.assert_array_equal(log_expression(jnp.asarray(COUNTS), False, jnp.ones(20)), COUNTS)
