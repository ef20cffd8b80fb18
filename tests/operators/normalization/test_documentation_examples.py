"""The documentation's examples of the count autoencoder, as written there.

Those of UMAP and PHATE are in test_umap.py and test_phate.py.
"""

import jax
import numpy as np
import pytest
from flax import nnx

from diffbio_engine.losses.statistical_losses import VAELoss
from diffbio_engine.operators.normalization import VAENormalizer, VAENormalizerConfig


@pytest.fixture(scope="module")
def raw_counts():
    return jax.random.poisson(jax.random.key(0), 1.0, (5, 2000))


@pytest.fixture(scope="module")
def vae_normalizer():
    config = VAENormalizerConfig(
        n_genes=2000,
        latent_dim=10,
        hidden_dim=128,
        n_layers=2,
    )
    rngs = nnx.Rngs(42)
    return VAENormalizer(config, rngs=rngs)


def test_quick_start(vae_normalizer, raw_counts):
    data = {"counts": raw_counts}
    result, _state, _metadata = vae_normalizer.apply(data, {}, None)
    normalized = result["normalized"]
    latent = result["latent"]
    reconstructed = result["reconstructed"]
    assert normalized.shape == reconstructed.shape == (5, 2000)
    assert latent.shape == (5, 10)


def test_vae_training(vae_normalizer, raw_counts):
    vae_loss = VAELoss(kl_weight=1.0)

    def train_vae(normalizer, counts):
        data = {"counts": counts}
        result, _, _ = normalizer.apply(data, {}, None)
        loss = vae_loss(
            reconstructed=result["reconstructed"],
            target=counts,
            mu=result["mu"],
            log_var=result["log_var"],
        )
        return loss

    loss, slopes = nnx.jit(nnx.value_and_grad(train_vae))(vae_normalizer, raw_counts)
    assert np.isfinite(loss)
    assert all(np.all(np.isfinite(g)) for g in jax.tree.leaves(slopes))
