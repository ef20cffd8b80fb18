"""Losses of alignments beside NumPy, word by word."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffbio_engine.losses import (
    AlignmentConsistencyLoss,
    AlignmentScoreLoss,
    SoftEditDistanceLoss,
)
from tests.gradients import check_gradients


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


def letters(text):
    return np.eye(4)["ACGT".index(text)] if len(text) == 1 else np.stack([letters(t) for t in text])


def edits(first, second, cost=None, soft=min):
    """The table, cell by cell; ``cost`` where letters are probabilities."""
    table = {(0, 0): 0.0}
    for i, j in itertools.product(range(len(first) + 1), range(len(second) + 1)):
        if i or j:
            ways = [table[i - 1, j] + 1] if i else []
            ways += [table[i, j - 1] + 1] if j else []
            if i and j:
                changed = first[i - 1] != second[j - 1] if cost is None else cost[i - 1, j - 1]
                ways += [table[i - 1, j - 1] + changed]
            table[i, j] = soft(ways)
    return table[len(first), len(second)]


def softmin(temperature):
    return lambda ways: -temperature * np.log(np.sum(np.exp(-np.array(ways) / temperature)))


WORDS = [("ACGT", "ACGT"), ("GATTACA", "GCATGC"), ("AAAA", "T"), ("ACGT", "TGCA")]


def test_as_the_temperature_goes_to_zero_it_is_the_levenshtein_distance():
    # Words are filled up with rows of zeros, so that one compilation serves all.
    filled = np.zeros((2, len(WORDS), 8, 4))
    for n, pair in enumerate(WORDS):
        for side, word in enumerate(pair):
            filled[side, n, : len(word)] = letters(word)
    loss = SoftEditDistanceLoss(temperature=0.001)
    ours = jax.jit(lambda a, b: jax.vmap(loss)(a, b))(*filled)
    np.testing.assert_allclose(ours, [edits(*pair) for pair in WORDS], atol=0.02)
    assert ours[3] >= 3.9  # no anagram is near


def test_the_soft_distance_is_its_table_and_its_gradient_that_of_differences():
    rng = np.random.default_rng(0)
    first, second = rng.dirichlet(np.ones(4), 5), rng.dirichlet(np.ones(4), 7)
    expected = edits(first, second, 1 - first @ second.T, softmin(0.3))
    loss = SoftEditDistanceLoss(temperature=0.3)
    np.testing.assert_allclose(loss(first, second), expected, rtol=1e-9)
    normalized = SoftEditDistanceLoss(temperature=0.3, normalize=True)
    np.testing.assert_allclose(normalized(first, second), expected / 7, rtol=1e-9)
    check_gradients(loss, (first, second), eps=1e-6, rtol=1e-6)


def test_alike_letters_and_gaps_are_counted():
    first, second = letters("ACGT"), letters("ACCT")
    aligned = np.diag([1.0, 1, 1, 0])
    np.testing.assert_allclose(AlignmentScoreLoss()(first, second, aligned), 1 / 3)
    with_gaps = AlignmentScoreLoss(gap_weight=2.0)
    np.testing.assert_allclose(with_gaps(first, second, aligned), 1 / 3 + 2 * (1 - 6 / 8))
    assert AlignmentScoreLoss()(first, second, 0 * aligned) == 1
    rng = np.random.default_rng(1)
    arrays = rng.dirichlet(np.ones(4), 4), rng.dirichlet(np.ones(4), 4), rng.uniform(size=(4, 4))
    check_gradients(with_gaps, arrays, eps=1e-6, rtol=1e-6)


def test_alignments_that_agree_cost_nothing_and_others_their_divergence():
    rng = np.random.default_rng(2)
    ab, bc, ac = (rng.dirichlet(np.ones(n + 1), m)[:, :n] for m, n in ((4, 5), (5, 6), (4, 6)))
    loss = AlignmentConsistencyLoss()
    np.testing.assert_allclose(loss(ab, bc, ab @ bc), 0.0, atol=1e-12)
    p, q = (np.c_[rows, 1 - rows.sum(1)] for rows in (ac, ab @ bc))
    both = np.sum(p * np.log(p / q) + q * np.log(q / p), axis=1)
    np.testing.assert_allclose(loss(ab, bc, ac), np.mean(both) / 2, rtol=1e-9)
    check_gradients(loss, (ab, bc, ac), eps=1e-7, rtol=1e-5)
    sure = jnp.eye(3)
    assert float(loss(sure, sure, sure[::-1])) == pytest.approx(np.log(1e8) * 2 / 3, abs=0.01)
