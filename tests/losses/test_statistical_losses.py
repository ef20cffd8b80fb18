"""Statistical losses beside SciPy and their closed forms."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy.special import digamma, gammaln

from diffbio_engine.errors import DataError, SettingError
from diffbio_engine.losses.statistical_losses import (
    HMMLikelihoodLoss,
    NegativeBinomialLoss,
    VAELoss,
    stable_nb_logprob,
    zinb_negative_log_likelihood,
)

REFERENCE = Path(__file__).parents[1] / "references/losses/statistical_losses.npz"


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="module")
def ref():
    return np.load(REFERENCE)


def test_the_negative_binomial_loss_is_scipys(ref):
    loss = NegativeBinomialLoss()(ref["y"], ref["mu"], ref["theta"])
    np.testing.assert_allclose(loss, -ref["log_nb"].mean(), rtol=1e-7)


def test_the_negative_binomial_helper_takes_the_inverse_of_theta(ref):
    ours = stable_nb_logprob(ref["y"], ref["mu"], 1 / ref["theta"])
    np.testing.assert_allclose(ours, ref["log_nb"], rtol=1e-6, atol=1e-7)


def test_the_zero_inflated_likelihood_is_the_sum_of_mixtures(ref):
    ours = zinb_negative_log_likelihood(
        ref["y"], np.log(ref["mu"]), np.log(ref["theta"]), ref["logits"]
    )
    np.testing.assert_allclose(ours, -ref["log_zinb"].sum(), rtol=1e-7)


def test_the_zero_inflated_likelihood_takes_what_the_autoencoder_decodes(ref):
    y, log_rate, logits = ref["y"], np.log(ref["mu"]), ref["logits"]
    decoded = {
        "normalized": ref["mu"],
        "log_rate": log_rate,
        "dispersion": ref["theta"],
        "dropout_logits": logits,
    }
    ours = zinb_negative_log_likelihood(y, **decoded)
    np.testing.assert_allclose(ours, -ref["log_zinb"].sum(), rtol=1e-7)
    for wrong in ({"pi_logit": logits}, {"dropout_logits": None}):
        with pytest.raises(DataError, match="pi_logit"):
            zinb_negative_log_likelihood(y, **{**decoded, **wrong})
    with pytest.raises(TypeError, match="takes no 'rate'"):
        zinb_negative_log_likelihood(y, **decoded, rate=log_rate)


def test_a_mean_of_zero_is_finite_with_finite_gradients():
    loss, grads = jax.value_and_grad(NegativeBinomialLoss(), argnums=(1, 2))(
        jnp.zeros((2, 3)), jnp.zeros((2, 3)), jnp.ones(3)
    )
    assert np.isfinite(loss) and all(np.all(np.isfinite(g)) for g in grads)


def vae_arrays():
    rng = np.random.default_rng(0)
    return [rng.normal(size=s) for s in ((6, 5), (6, 5), (6, 2), (6, 2))]


@pytest.mark.parametrize("kind", ["mse", "bce"])
def test_the_vae_loss_is_its_closed_form(kind):
    x, out, mean, logvar = vae_arrays()
    x = (x > 0).astype(float) if kind == "bce" else x
    p = 1 / (1 + np.exp(-out))
    error = (x - out) ** 2 if kind == "mse" else -(x * np.log(p) + (1 - x) * np.log(1 - p))
    kl = -0.5 * np.mean(1 + logvar - mean**2 - np.exp(logvar))
    loss = VAELoss(kl_weight=0.3, reconstruction_type=kind)(x, out, mean, logvar)
    np.testing.assert_allclose(loss, error.mean() + 0.3 * kl, rtol=1e-6)


def test_the_poisson_limit_of_the_nb_reconstruction():
    _, _, mean, logvar = vae_arrays()
    y, mu = np.arange(30.0).reshape(6, 5), np.full((6, 5), 4.0)
    loss = VAELoss(kl_weight=0.0, reconstruction_type="nb")
    exact = -np.mean(y * np.log(mu) - mu - gammaln(y + 1))
    np.testing.assert_allclose(
        loss(y, mu, mean, logvar, dispersion=np.full(5, 1e7)), exact, rtol=1e-5
    )
    with pytest.raises(DataError, match="dispersion"):
        loss(y, mu, mean, logvar)


def test_a_traced_weight_is_used_and_compiles_once():
    arrays, traces = vae_arrays(), []

    @jax.jit
    def loss(weight):
        traces.append(1)
        return VAELoss(kl_weight=weight)(*arrays)

    losses = [loss(jnp.asarray(min(1.0, epoch / 100))) for epoch in (0, 50, 100)]
    assert len(traces) == 1
    np.testing.assert_allclose(losses[1] - losses[0], losses[2] - losses[1], rtol=1e-6)


def test_a_warm_up_by_numbers_compiles_once_and_refuses_what_is_no_weight():
    arrays, traces = vae_arrays(), []

    @nnx.jit
    def step(vae_loss):
        traces.append(1)
        return vae_loss(*arrays)

    losses = [step(VAELoss(kl_weight=min(1.0, epoch / 100))) for epoch in (0, 50, 100)]
    assert len(traces) == 1
    np.testing.assert_allclose(losses[1] - losses[0], losses[2] - losses[1], rtol=1e-6)
    with pytest.raises(SettingError, match="kl_weight"):
        VAELoss(kl_weight=-1.0)


def test_every_spelling_of_the_vae_loss_is_the_same_number():
    x, out, mean, logvar = vae_arrays()
    loss = VAELoss(kl_weight=0.3)
    first = loss(reconstructed=out, target=x, mu=mean, log_var=logvar)
    assert first == loss(x, out, mean, logvar) == loss(x, x_recon=out, mean=mean, logvar=logvar)
    with pytest.raises(DataError, match="x"):
        loss(x, out, mean, logvar, target=x)


value_and_slopes = jax.jit(jax.vmap(jax.value_and_grad(stable_nb_logprob, (1, 2))))


@pytest.mark.parametrize("alpha", [0.0, 1e-12, 1e-6, 0.1, 10.0, 1e4])
def test_the_helper_is_exact_in_float32_up_to_a_million_counts(alpha):
    """Beside sums of logarithms in 80 bits: no series and no lgamma."""
    y, mu = (x.ravel() for x in np.meshgrid([0.0, 1, 10, 1e3, 1e6], [1e-3, 1.0, 1e3, 1e6]))
    a = np.float32(alpha)
    with jax.enable_x64(False):
        args = jnp.asarray(y, jnp.float32), jnp.asarray(mu, jnp.float32), jnp.full(y.size, a)
        ours, slopes = value_and_slopes(*args)
    means = np.float32(mu).astype(np.longdouble)
    sums = [by_sums(int(n), m, np.longdouble(a)) for n, m in zip(y, means, strict=True)]
    exact, by_mu, by_alpha = np.transpose(sums)
    for found, true in ((ours, exact), (slopes[0], by_mu), (slopes[1], by_alpha)):
        found, true = np.asarray(found, float), true.astype(float)
        np.testing.assert_array_less(np.abs(found - true), 2e-6 * np.maximum(1, np.abs(true)))


def test_the_helper_is_right_for_parts_of_a_count_and_has_a_slope_by_counts():
    x, t, m = np.array([0.0, 1e-6, 0.1, 0.5, 3.3])[:, None], np.array([1e-2, 0.3, 4.0, 1e4]), 2.5
    exact = gammaln(x + t) - gammaln(t) - gammaln(x + 1)
    exact += x * np.log(m / (t + m)) - t * np.log1p(m / t)
    by_count = jax.vmap(
        jax.vmap(jax.value_and_grad(stable_nb_logprob), (None, None, 0)), (0, None, None)
    )
    ours, slopes = jax.jit(by_count)(x[:, 0], m, 1 / t)
    np.testing.assert_allclose(ours, exact, atol=1e-7)
    expected = digamma(x + t) - digamma(x + 1) + np.log(m / (t + m))
    np.testing.assert_allclose(
        np.delete(slopes, 1, 0), np.delete(expected, 1, 0), rtol=1e-6, atol=1e-6
    )


def by_sums(y, mu, alpha):
    """Log-probability and its slopes: Gamma(y + t) / Gamma(t) is a product of y factors."""
    k = np.arange(y, dtype=np.longdouble)
    factors = np.sum(np.log1p(alpha * k)) - np.sum(np.log(k + 1)) + y * np.log(mu)
    by_mu = (y - mu) / (mu * (1 + alpha * mu))
    if alpha == 0:
        return factors - mu, by_mu, (np.sum(2 * k) + mu**2 - 2 * y * mu) / 2
    t, grown = 1 / alpha, np.log1p(alpha * mu)
    slope = np.sum(k / (1 + alpha * k)) + grown * t * t - (y + t) * mu / (1 + alpha * mu)
    if alpha * mu < 1e-5:  # where these two cancel, in 80 bits too
        series = mu**2 / 2 - y * mu + alpha * mu**2 * (y - 2 * mu / 3)
        slope = np.sum(k / (1 + alpha * k)) + series
    return factors - (y + t) * grown, by_mu, slope


def test_the_hidden_markov_likelihood_is_that_of_hmmlearn(shared_data):
    golden = np.load(shared_data / "sequences/golden/hmm_exact_hmmlearn.npz", allow_pickle=False)
    for model in ("m0", "m2"):
        states, letters = golden[f"{model}_emit"].shape
        loss = HMMLikelihoodLoss(n_states=states, n_emissions=letters)
        for logits, name in (
            (loss.log_initial, "start"),
            (loss.log_transitions, "trans"),
            (loss.log_emissions, "emit"),
        ):
            logits[...] = jnp.log(jnp.maximum(golden[f"{model}_{name}"], 1e-30))
        codes = jnp.asarray(golden[f"{model}_obs"], jnp.uint8)[None]
        expected = -golden[f"{model}_log_likelihood"]
        assert float(loss(codes)) == pytest.approx(expected, rel=1e-9)
        # The mean over sequences; what lies past the end of one counts for nothing.
        both = jnp.concatenate([codes, jnp.full_like(codes, 255)])
        assert float(loss(both)) == pytest.approx(expected / 2, rel=1e-9)
