"""Losses of implausible sequences beside NumPy."""

import jax
import numpy as np
import pytest

from diffbio_engine.losses import (
    BiologicalPlausibilityLoss,
    BiologicalRegularizationConfig,
    GapPatternRegularization,
    GCContentRegularization,
    SequenceComplexityLoss,
)
from tests.gradients import check_gradients


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


def letters(text):
    return np.eye(5)[["ACGT-".index(t) for t in text]][:, :4]  # "-": past the end


@pytest.mark.parametrize("text, gc", [("ACGT", 0.5), ("GGCC", 1.0), ("AATT", 0.0), ("GGC-", 1.0)])
def test_only_an_unusual_gc_content_costs(text, gc):
    loss = GCContentRegularization(target_gc=0.4, tolerance=0.15)(letters(text))
    np.testing.assert_allclose(loss, max(abs(gc - 0.4) - 0.15, 0) ** 2, atol=1e-12)


def aligned_to(places, n):
    alignment = np.zeros((len(places), n))
    alignment[np.arange(len(places)), places] = 1.0
    return alignment


def test_only_a_gap_longer_than_allowed_costs():
    loss = GapPatternRegularization(max_gap_length=10)
    assert loss(np.eye(6)) == 0 and loss(aligned_to([0, 11, 12], 14)) == 0
    # 21 letters lie between the first two: the excess is 1.1 of the longest; one of two steps.
    one_side = (21 / 10 - 1) ** 2 / 2
    # Along the other sequence only neighbours that are both aligned count: one pair, without a gap.
    np.testing.assert_allclose(loss(aligned_to([0, 22, 23], 25)), one_side / 2, rtol=1e-9)
    assert np.isfinite(loss(np.zeros((3, 4))))


@pytest.mark.parametrize(
    "text, entropies",
    [
        ("AAAAA", [0, 0]),
        ("ACACA", [1, 1]),
        ("ACGTA", [2, 2]),
        ("AAAAC", [0, 0.811278]),
        ("AA---", [0]),
    ],
)
def test_complexity_is_the_entropy_of_windows(text, entropies):
    loss = SequenceComplexityLoss(min_entropy=1.5, window=4)(letters(text))
    expected = np.mean(np.maximum(1.5 - np.array(entropies), 0) ** 2)
    np.testing.assert_allclose(loss, expected, rtol=1e-5, atol=1e-9)


def test_all_together_is_the_weighted_sum_with_the_gradient_of_differences():
    config = BiologicalRegularizationConfig(
        gc_content_weight=2.0, complexity_weight=0.5, gap_pattern_weight=3.0, target_gc_content=0.9
    )
    rng = np.random.default_rng(0)
    rows, aligned = rng.dirichlet(0.2 * np.ones(4), (2, 30)), rng.uniform(size=(2, 30, 40)) ** 40
    loss = BiologicalPlausibilityLoss(config)
    sequences = 2.0 * GCContentRegularization(target_gc=0.9)(rows)
    sequences += 0.5 * SequenceComplexityLoss()(rows)
    np.testing.assert_allclose(loss(rows), sequences)
    gaps = GapPatternRegularization()(aligned)
    assert gaps > 0
    np.testing.assert_allclose(loss(rows, aligned), sequences + 3.0 * gaps)
    check_gradients(loss, (rows, aligned), eps=1e-7, rtol=1e-5)
