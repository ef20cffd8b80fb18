"""Letters that a score stands on: of a linear score, what the letter adds beside any other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffbio_engine.parts.letter_saliency import class_margin, letter_saliency
from diffbio_engine.parts.letters import one_hot_letters


def test_of_a_linear_score_it_is_what_the_letter_adds_beside_the_mean_of_all(key):
    codes = np.array([[0, 1, 2, 4, 3, 255], [3, 3, 0, 1, 255, 255]], np.uint8)
    rows, mask = one_hot_letters(jnp.asarray(codes), 4)
    weights = jax.random.normal(key, (6, 4))
    found = letter_saliency(lambda x, there: jnp.sum(weights * x, axis=(1, 2)), rows, mask, 1)
    adds = np.asarray(weights - weights.mean(axis=1, keepdims=True))
    expected = np.where(np.asarray(rows) == 1, adds, 0.0)  # a letter that is not told has none
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_margin_of_a_class_does_not_level_off():
    log_shares = jnp.log(jnp.array([[0.7, 0.2, 0.1], [0.25, 0.25, 0.5]]))
    expected = [np.log(0.7) - np.log([0.2, 0.1]).mean(), np.log(0.5 / 0.25)]
    np.testing.assert_allclose(class_margin(log_shares), expected, rtol=1e-5)
    sure = jax.nn.log_softmax(jnp.array([[60.0, 0.0]]))
    assert float(class_margin(sure)[0]) == pytest.approx(60)
