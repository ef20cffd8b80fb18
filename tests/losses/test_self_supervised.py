"""Losses of hidden values and of velocities beside NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffbio_engine.errors import SettingError
from diffbio_engine.losses import MaskedValueLoss, VelocityConsistencyLoss, masked_value_loss


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


def arrays(n=3):
    rng = np.random.default_rng(0)
    return [rng.normal(size=(7, 5)) for _ in range(n)]


@pytest.mark.parametrize("kind", ["mse", "mae"])
def test_only_hidden_values_count(kind):
    said, true, _ = arrays()
    mask = np.random.default_rng(1).uniform(size=said.shape) < 0.4
    apart = (said - true)[mask]
    expected = np.mean(apart**2 if kind == "mse" else np.abs(apart))
    np.testing.assert_allclose(MaskedValueLoss(loss_type=kind)(said, true, mask), expected)
    np.testing.assert_allclose(masked_value_loss(said, true, mask, kind), expected)


def test_nothing_hidden_costs_nothing_and_has_a_slope_of_zero():
    said, true, _ = arrays()
    loss, slope = jax.value_and_grad(masked_value_loss)(jnp.asarray(said), true, np.zeros((7, 5)))
    assert loss == 0 and np.all(slope == 0)
    with pytest.raises(SettingError, match="mean"):
        masked_value_loss(said, true, np.ones((7, 5)), "mean")


def cosine(a, b):
    return np.sum(a * b, -1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)


def test_a_known_future_gives_direction_and_length():
    x, v, f = arrays()
    loss = VelocityConsistencyLoss(dt=0.5, cosine_weight=2.0, magnitude_weight=3.0)(x, v, f)
    expected = 2 * np.mean(1 - cosine(v, f - x)) + 3 * np.mean((x + 0.5 * v - f) ** 2)
    np.testing.assert_allclose(loss, expected, rtol=1e-9)
    exact = VelocityConsistencyLoss(dt=0.5)(x, v, x + 0.5 * v)
    np.testing.assert_allclose(exact, 0.0, atol=1e-12)


def test_without_a_future_the_cell_best_in_line_is_it_as_the_temperature_goes_to_zero():
    x, v, _ = arrays()
    ways = x - x[:, None]
    with np.errstate(invalid="ignore"):
        best = np.nanmax(cosine(v[:, None], ways), axis=1)
    loss = VelocityConsistencyLoss(temperature=0.005, magnitude_weight=0.0)(x, v)
    np.testing.assert_allclose(loss, np.mean(1 - best), atol=5e-3)


def test_a_cell_that_stands_still_has_no_slope_that_breaks():
    x, v, _ = arrays()
    v[0] = 0
    slopes = jax.grad(VelocityConsistencyLoss(), argnums=(0, 1))(jnp.asarray(x), jnp.asarray(v))
    assert all(np.all(np.isfinite(s)) for s in slopes)
