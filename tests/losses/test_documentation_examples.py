"""The documentation's page of statistical losses: its examples and calls.

| block of the documentation | test |
|---|---|
| NegativeBinomialLoss, Usage | `test_usage_of_the_negative_binomial_loss` |
| NegativeBinomialLoss, Training Example | `test_training_example_of_the_negative_binomial_loss` |
| VAELoss, Usage | `test_usage_of_the_vae_loss` |
| VAELoss, Training Example | `test_training_example_of_the_vae_loss` |
| Beta-VAE Scheduling | `test_scheduling_of_the_weight` |
| HMMLikelihoodLoss, Usage | `test_usage_of_the_hidden_markov_loss` |
| HMMLikelihoodLoss, Training Example, HMM with Emission Learning | the same |
| VAE with NB Reconstruction | `test_the_vae_with_a_negative_binomial_reconstruction` |
| Numerical Stability | `test_the_helper_is_its_formula`, `test_statistical_losses.py` |
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from diffbio_engine.losses.statistical_losses import (
    HMMLikelihoodLoss,
    NegativeBinomialLoss,
    VAELoss,
    stable_nb_logprob,
)
from diffbio_engine.operators.normalization import VAENormalizer, VAENormalizerConfig
from diffbio_engine.pipelines import DEPipelineConfig, DifferentialExpressionPipeline


@pytest.fixture(scope="module")
def counts():
    return jax.random.poisson(jax.random.key(0), 2.0, (8, 20)).astype(float)


@pytest.fixture(scope="module")
def vae():
    config = VAENormalizerConfig(n_genes=20, latent_dim=4, hidden_dim=8, n_layers=1)
    return VAENormalizer(config, rngs=nnx.Rngs(42))


def has_slopes(loss, model, *arrays):
    value, slopes = nnx.jit(nnx.value_and_grad(loss))(model, *arrays)
    largest = max(float(jnp.abs(g).max()) for g in jax.tree.leaves(slopes))
    return np.isfinite(value) and 0 < largest < np.inf


def test_usage_of_the_negative_binomial_loss(counts):
    nb_loss = NegativeBinomialLoss()
    model_means, gene_dispersions = jnp.full(counts.shape, 2.0), jnp.ones(20)
    loss = nb_loss(
        counts,
        model_means,
        gene_dispersions,
    )
    assert loss.shape == () and loss > 0


def test_training_example_of_the_negative_binomial_loss(counts):
    config = DEPipelineConfig(n_genes=20, n_conditions=2)
    model = DifferentialExpressionPipeline(config, rngs=nnx.Rngs(42))
    nb_loss = NegativeBinomialLoss()
    design = jnp.stack([jnp.ones(8), jnp.arange(8.0) % 2], axis=1)

    def de_model_loss(model, counts, design):
        data = {"counts": counts, "design": design}
        result, _, _ = model.apply(data, {}, None)
        dispersion = jnp.exp(model.nb_glm.log_dispersion[...])
        return nb_loss(
            counts,
            result["predicted_mean"],
            dispersion,
        )

    assert has_slopes(de_model_loss, model, counts, design)


@pytest.mark.parametrize("kind", ["mse", "bce"])
def test_usage_of_the_vae_loss(kind):
    original_input = jnp.ones((4, 6))
    decoded_output, latent_mean = jnp.zeros((4, 6)), jnp.ones((4, 2))
    latent_log_variance = jnp.zeros((4, 2))
    vae_loss = VAELoss(
        kl_weight=1.0,
        reconstruction_type=kind,
    )
    loss = vae_loss(
        original_input,
        decoded_output,
        latent_mean,
        latent_log_variance,
    )
    # The divergence of N(1, 1) is 1/2 in each dimension; a logit of 0 costs log 2.
    np.testing.assert_allclose(loss, 0.5 + {"mse": 1.0, "bce": np.log(2)}[kind], rtol=1e-6)


def test_training_example_of_the_vae_loss(vae, counts):
    vae_loss = VAELoss(kl_weight=1.0)

    def vae_training_loss(vae, data):
        result, _, _ = vae.apply({"counts": data}, {}, None)
        return vae_loss(
            data,
            result["reconstructed"],
            result["mu"],
            result["log_var"],
        )

    assert has_slopes(vae_training_loss, vae, counts)


def test_scheduling_of_the_weight(vae, counts):
    def get_kl_weight(epoch, warmup_epochs=100):
        return min(1.0, epoch / warmup_epochs)

    arrays = counts, counts, jnp.ones((8, 4)), jnp.zeros((8, 4))
    losses = []
    for current_epoch in (0, 50, 100, 200):
        vae_loss = VAELoss(kl_weight=get_kl_weight(current_epoch))
        losses.append(vae_loss(*arrays))
    np.testing.assert_allclose(losses, [0, 0.25, 0.5, 0.5], atol=1e-6)


def test_the_vae_with_a_negative_binomial_reconstruction(vae, counts):
    nb_loss = NegativeBinomialLoss()

    def scvi_loss(vae, counts):
        result, _, _ = vae.apply({"counts": counts}, {}, None)
        recon_loss = nb_loss(
            counts,
            result["reconstructed"],
            result["dispersion"],
        )
        kl_loss = -0.5 * jnp.mean(
            1 + result["log_var"] - result["mu"] ** 2 - jnp.exp(result["log_var"])
        )
        return recon_loss + kl_loss

    assert has_slopes(scvi_loss, vae, counts)


def test_usage_of_the_hidden_markov_loss():
    hmm_loss = HMMLikelihoodLoss(n_states=3, n_emissions=4, rngs=nnx.Rngs(42))
    observations = jax.random.randint(jax.random.key(0), (5, 30), 0, 4)
    loss = hmm_loss(observations)
    assert loss.shape == () and 0 < loss < 30 * np.log(4) * 1.5

    def hmm_training_loss(hmm_loss_fn, observations):
        return hmm_loss_fn(observations)

    train_sequences = observations
    grads = nnx.jit(nnx.grad(hmm_training_loss))(hmm_loss, train_sequences)
    for name in ("log_initial", "log_transitions", "log_emissions"):
        slope = np.asarray(getattr(grads, name)[...])
        assert np.isfinite(slope).all() and np.abs(slope).max() > 0


def test_the_helper_is_its_formula():
    def documented(y, mu, alpha):
        log_prob = (
            jax.scipy.special.gammaln(y + 1 / alpha)
            - jax.scipy.special.gammaln(y + 1)
            - jax.scipy.special.gammaln(1 / alpha)
            + (1 / alpha) * jnp.log(1 / (1 + alpha * mu))
            + y * jnp.log(alpha * mu / (1 + alpha * mu) + 1e-10)
        )
        return log_prob

    y, mu = jnp.arange(12.0)[:, None], jnp.array([0.3, 2.0, 30.0])
    alpha = jnp.array([0.2, 1.0, 3.0])[:, None, None]
    ours, theirs = jax.jit(lambda *a: (stable_nb_logprob(*a), documented(*a)))(y, mu, alpha)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
