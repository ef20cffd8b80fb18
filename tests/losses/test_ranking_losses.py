"""The area under the ROC curve beside scikit-learn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from diffbio_engine.losses import DifferentiableAUROC, ExactAUROC


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


def scored(n=200, ties=False):
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 2, n)
    scores = rng.normal(size=n) + 0.7 * labels
    return (np.round(scores, 1) if ties else scores), labels


@pytest.mark.parametrize("ties", [False, True])
def test_the_exact_area_is_scikit_learns(ties):
    scores, labels = scored(ties=ties)
    np.testing.assert_allclose(ExactAUROC()(scores, labels), roc_auc_score(labels, scores))


@pytest.mark.parametrize("ties", [False, True])
def test_the_smooth_area_is_the_exact_one_as_the_temperature_goes_to_zero(ties):
    scores, labels = scored(ties=ties)
    smooth = DifferentiableAUROC(temperature=0.001)(scores, labels)
    np.testing.assert_allclose(smooth, roc_auc_score(labels, scores), atol=2e-3)


def test_blocks_change_nothing():
    scores, labels = scored(1500)
    apart = (scores[labels == 1][:, None] - scores[labels == 0]) / 0.5
    smooth = DifferentiableAUROC(temperature=0.5)(scores, labels)
    whole = jnp.mean(jax.nn.sigmoid(apart))
    np.testing.assert_allclose(smooth, whole, atol=5e-3)


def test_unknown_labels_and_a_missing_class_are_left_out():
    scores, labels = scored()
    unknown = np.where(np.arange(200) % 3 == 0, -1, labels)
    known = unknown >= 0
    expected = roc_auc_score(labels[known], scores[known])
    np.testing.assert_allclose(ExactAUROC()(scores, unknown), expected)
    for area in (ExactAUROC(), DifferentiableAUROC()):
        assert area(scores, np.ones(200, int)) == 0.5


def test_a_step_along_the_slope_raises_the_area():
    scores, labels = scored()
    area = DifferentiableAUROC(temperature=0.3)
    slope = jax.grad(area)(jnp.asarray(scores), labels)
    assert area(scores + 10.0 * slope, labels) > area(scores, labels)
