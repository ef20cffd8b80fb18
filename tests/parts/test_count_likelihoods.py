"""Count likelihoods beside SciPy, their limits and extremes."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import digamma, gammaln

from diffbio_engine.parts.count_likelihoods import (
    log_factorial,
    log_rising,
    negative_binomial_log_prob,
    poisson_log_prob,
    zero_inflated_log_prob,
)
from tests.gradients import check_gradients

REFERENCE = Path(__file__).parents[1] / "references/losses/statistical_losses.npz"


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="module")
def ref():
    return np.load(REFERENCE)


def test_equals_scipys_negative_binomial(ref):
    ours = negative_binomial_log_prob(ref["y"], np.log(ref["mu"]), np.log(ref["theta"]))
    np.testing.assert_allclose(ours, ref["log_nb"], rtol=1e-7, atol=2e-8)


def test_equals_scipys_poisson(ref):
    ours = poisson_log_prob(ref["y"], np.log(ref["mu"]))
    np.testing.assert_allclose(ours, ref["log_poisson"], rtol=1e-8, atol=1e-7)


def test_equals_the_mixture_of_zeros_and_negative_binomials(ref):
    ours = zero_inflated_log_prob(ref["y"], np.log(ref["mu"]), np.log(ref["theta"]), ref["logits"])
    np.testing.assert_allclose(ours, ref["log_zinb"], rtol=1e-7, atol=2e-8)


def test_the_rising_logarithm_is_a_difference_of_lgamma():
    x = np.concatenate([np.arange(60.0), [0.01, 0.5, 3.7, 1e3, 1e5]])[:, None]
    theta = np.geomspace(1e-4, 1e4, 33)
    exact = gammaln(x + theta) - gammaln(theta)
    np.testing.assert_allclose(log_rising(jnp.asarray(x), theta), exact, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(log_factorial(jnp.asarray(x)), gammaln(x + 1), rtol=1e-9, atol=1e-8)


def test_its_slope_is_a_difference_of_digamma():
    x, theta = np.arange(40.0)[:, None], np.geomspace(1e-3, 1e4, 15)
    grid = np.broadcast_to(theta, (40, 15))
    slope = jax.grad(lambda t: jnp.sum(log_rising(jnp.asarray(x), t)))(jnp.asarray(grid))
    np.testing.assert_allclose(slope, digamma(x + theta) - digamma(theta), rtol=1e-6, atol=1e-7)


def test_is_exactly_nothing_where_a_count_is_zero():
    assert np.all(np.asarray(log_rising(jnp.zeros(9), np.geomspace(1e-4, 1e6, 9))) == 0)


def test_float32_is_good_to_five_digits_of_the_count(ref):
    with jax.enable_x64(False):
        single = [jnp.asarray(ref[n], jnp.float32) for n in ("y", "mu", "theta")]
        ours = negative_binomial_log_prob(single[0], jnp.log(single[1]), jnp.log(single[2]))
    # Terms as large as y log y cancel, so the error is judged beside them.
    size = 1 + ref["y"] + ref["mu"]
    np.testing.assert_allclose(ours / size, ref["log_nb"] / size, rtol=1e-5, atol=1e-5)


def test_a_large_theta_is_the_poisson_limit(ref):
    ours = negative_binomial_log_prob(ref["y"][:3], np.log(ref["mu"][:3]), np.log(1e12))
    np.testing.assert_allclose(ours, ref["log_poisson"][:3], rtol=1e-6)


def test_without_dropout_it_is_the_negative_binomial(ref):
    y, log_mu, log_theta = ref["y"], np.log(ref["mu"]), np.log(ref["theta"])
    ours = zero_inflated_log_prob(y, log_mu, log_theta, jnp.full(y.shape, -2000.0))
    np.testing.assert_allclose(ours, ref["log_nb"], rtol=1e-7, atol=2e-8)


def test_gradients_agree_with_finite_differences(ref):
    y = ref["y"][:12]
    args = tuple(
        jnp.asarray(a) for a in (np.log(ref["mu"][:12]), np.log(ref["theta"]), ref["logits"][:12])
    )
    check_gradients(lambda *a: zero_inflated_log_prob(y, *a), args, eps=1e-6, rtol=1e-4)


@pytest.mark.parametrize("log_rate", [-80.0, 0.0, 40.0])
@pytest.mark.parametrize("logit", [-60.0, 0.0, 60.0])
@pytest.mark.parametrize("y", [0.0, 1.0, 500.0])
def test_extremes_have_finite_values_and_gradients_in_float32(y, log_rate, logit):
    with jax.enable_x64(False):
        value, grads = jax.value_and_grad(zero_inflated_log_prob, argnums=(1, 2, 3))(
            jnp.float32(y), jnp.float32(log_rate), jnp.float32(0.0), jnp.float32(logit)
        )
    assert np.isfinite(value) and np.all(np.isfinite(grads))
