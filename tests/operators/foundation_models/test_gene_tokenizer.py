"""Gene tokens: the order is Geneformer's, ties are told apart by medians, columns mean nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy.stats import rankdata

from diffbio_engine.operators.foundation_models import GeneTokenizer, GeneTokens, GeneTokensConfig

RNG = np.random.default_rng(3)
CELLS = RNG.poisson(1.0, (40, 12)).astype(np.float32) * RNG.uniform(0.5, 2.0, (40, 1))
CELLS = CELLS.astype(np.float32)


@pytest.fixture(scope="module")
def tokenizer():
    tokenizer = GeneTokenizer(12, rngs=nnx.Rngs(0))
    tokenizer.fit(CELLS)
    return tokenizer


@pytest.fixture(scope="module")
def first(tokenizer):
    return jax.jit(lambda x, t=1e-3, ids=None: tokenizer.first(x, 12, t, ids))


def test_medians_are_those_of_the_cells_in_which_a_gene_is_detected(tokenizer):
    expected = [np.median(column[column > 0]) for column in CELLS.T]
    np.testing.assert_allclose(tokenizer.medians[...], expected, rtol=1e-6)
    nothing = GeneTokenizer(2)
    nothing.fit(np.array([[0, 4.0], [0, 2.0]]))
    np.testing.assert_array_equal(nothing.medians[...], [3.0, 3.0])


def test_called_as_in_the_documentation_it_is_a_soft_permutation():
    soft = GeneTokenizer(6)(jnp.array([0.0, 3.0, 1.0, 5.0, 2.0, 4.0]), temperature=1.0)
    assert soft.shape == (6, 6)
    np.testing.assert_allclose(soft.sum(axis=1), 1.0, rtol=1e-5)
    hard = GeneTokenizer(6)(jnp.array([0.0, 3.0, 1.0, 5.0, 2.0, 4.0]), temperature=1e-3)
    np.testing.assert_allclose(hard, np.eye(6)[[3, 5, 1, 4, 2, 0]], atol=1e-6)


def test_at_a_low_temperature_ranks_are_those_of_argsort(first, tokenizer):
    columns, values, ranks = first(CELLS, 1e-5)
    expected = CELLS / np.asarray(tokenizer.medians[...])
    for cell, of_genes in enumerate(expected):
        known = np.asarray(values[cell]) > 0
        assert known.sum() == (CELLS[cell] > 0).sum()
        np.testing.assert_allclose(
            np.asarray(values[cell])[known], -np.sort(-of_genes)[: known.sum()], rtol=1e-6
        )
        ranks_of_genes = rankdata(-of_genes)  # equal values have the mean of their places
        np.testing.assert_allclose(
            np.asarray(ranks[cell])[known], ranks_of_genes[columns[cell]][known], atol=1e-3
        )
        assert not np.any(np.asarray(ranks[cell])[~known])


def test_of_equal_counts_the_gene_that_is_usually_lower_stands_first(first, tokenizer):
    columns, _, _ = first(np.ones((1, 12), np.float32))
    np.testing.assert_array_equal(columns[0], np.argsort(np.asarray(tokenizer.medians[...])))


def test_equal_rank_values_have_the_mean_of_their_places():
    _, _, ranks = GeneTokenizer(4).first(jnp.array([[2.0, 1.0, 2.0, 0.0]]), 4, 0.01)
    np.testing.assert_allclose(ranks[0], [1.5, 1.5, 3.0, 0.0], atol=1e-5)


def test_columns_in_another_order_give_the_same_sentence(first):
    order = RNG.permutation(12)
    columns, values, ranks = first(CELLS, 0.1, jnp.arange(12))
    turned, *same = first(CELLS[:, order], 0.1, jnp.asarray(order))
    known = np.asarray(values) > 0
    np.testing.assert_array_equal(order[np.asarray(turned)][known], np.asarray(columns)[known])
    np.testing.assert_allclose(same[0], values, rtol=1e-6)
    np.testing.assert_allclose(same[1], ranks, atol=1e-5)


def test_a_cell_with_fewer_genes_than_tokens_says_so():
    block = GeneTokens(GeneTokensConfig(n_genes=4, max_tokens=3), rngs=nnx.Rngs(0))
    found, _, _ = block.apply({"expression": jnp.array([[0.0, 2.0, 0, 0]]), "mine": 1}, {}, None)
    np.testing.assert_array_equal(found["tokens"], [[1, -1, -1]])
    assert found["mine"] == 1
