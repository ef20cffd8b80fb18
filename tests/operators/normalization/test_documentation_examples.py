"""The documentation's page of normalisation and maps: its examples, calls and sizes.

| block of the documentation | test |
|---|---|
| VAENormalizer, Quick Start and table | `test_quick_start`, `test_settings_have_the_...` |
| DifferentiableUMAP, Quick Start | `test_umap_quick_start` |
| DifferentiableUMAP, Learnable Parameters | `test_umap_quick_start` |
| DifferentiablePHATE, Quick Start | `test_phate_quick_start` |
| SequenceEmbedding, Quick Start and table | `test_sequence_quick_start`, `test_settings_have_...` |
| VAE Training | `test_vae_training` |
| UMAP Training | `test_umap_training` |
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from diffbio_engine.losses.statistical_losses import VAELoss
from diffbio_engine.operators import normalization
from diffbio_engine.operators.normalization import (
    DifferentiablePHATE,
    DifferentiableUMAP,
    PHATEConfig,
    SequenceEmbedding,
    SequenceEmbeddingConfig,
    UMAPConfig,
    VAENormalizer,
    VAENormalizerConfig,
)


@pytest.fixture(scope="module")
def raw_counts():
    return jax.random.poisson(jax.random.key(0), 1.0, (100, 2000))


@pytest.fixture(scope="module")
def high_dim_data():
    return jax.random.normal(jax.random.key(0), (100, 50))


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


@pytest.fixture(scope="module")
def umap():
    config = UMAPConfig(
        n_components=2,
        n_neighbors=15,
        input_features=50,
        hidden_dim=32,
    )
    rngs = nnx.Rngs(42)
    return DifferentiableUMAP(config, rngs=rngs)


def test_settings_have_the_defaults_of_the_documentation():
    told = {
        VAENormalizerConfig: {"n_genes": 2000, "latent_dim": 10, "hidden_dim": 128, "n_layers": 2},
        UMAPConfig: {
            "n_components": 2,
            "n_neighbors": 15,
            "input_features": 64,
            "hidden_dim": 32,
            "metric": "euclidean",
        },
        PHATEConfig: {
            "n_components": 2,
            "n_neighbors": 5,
            "decay": 40.0,
            "diffusion_t": 10,
            "gamma": 1.0,
            "input_features": 64,
            "hidden_dim": 32,
        },
        SequenceEmbeddingConfig: {
            "alphabet_size": 4,
            "max_length": 100,
            "embedding_dim": 64,
            "n_layers": 2,
        },
    }
    for config, defaults in told.items():
        assert {name: getattr(config(), name) for name in defaults} == defaults


def test_only_names_of_public_files_are_offered():
    private = [n for n, v in vars(normalization).items() if "._" in getattr(v, "__module__", "")]
    assert private == []


def test_quick_start(vae_normalizer, raw_counts):
    data = {"counts": raw_counts}
    apply = jax.jit(lambda data: vae_normalizer.apply(data, {}, None))
    result, _state, _metadata = apply(data)
    normalized = result["normalized"]
    latent = result["latent"]
    reconstructed = result["reconstructed"]
    assert normalized.shape == reconstructed.shape == (100, 2000)
    assert latent.shape == (100, 10)


def test_umap_quick_start(umap, high_dim_data):
    data = {"features": high_dim_data}
    result, _state, _metadata = jax.jit(lambda data: umap.apply(data, {}, None))(data)
    embedding = result["embedding"]
    assert embedding.shape == (100, 2)
    assert umap.embedding_head.curve_params.shape == (2,)
    assert len(jax.tree.leaves(nnx.state(umap.embedding_head.projection_backbone, nnx.Param))) > 0


def test_umap_training(umap, high_dim_data):
    def train_umap(umap, features):
        data = {"features": features}
        result, _, _ = umap.apply(data, {}, None)
        p_ij = result["high_dim_similarities"]
        q_ij = result["low_dim_similarities"]
        loss = umap._compute_umap_loss(p_ij, q_ij)
        return loss

    loss, slopes = nnx.jit(nnx.value_and_grad(train_umap))(umap, high_dim_data)
    assert np.isfinite(loss)
    assert max(float(jnp.abs(g).max()) for g in jax.tree.leaves(slopes)) > 0


def test_phate_quick_start(high_dim_data):
    config = PHATEConfig(
        n_components=2,
        n_neighbors=5,
        decay=40.0,
        diffusion_t=10,
        gamma=1.0,
    )
    rngs = nnx.Rngs(42)
    phate = DifferentiablePHATE(config, rngs=rngs)
    data = {"features": high_dim_data}
    result, _state, _metadata = jax.jit(lambda data: phate.apply(data, {}, None))(data)
    embedding = result["embedding"]
    potential_distances = result["potential_distances"]
    diffusion_op = result["diffusion_operator"]
    assert embedding.shape == (100, 2)
    assert potential_distances.shape == diffusion_op.shape == (100, 100)
    np.testing.assert_allclose(diffusion_op.sum(axis=1), 1.0, rtol=1e-4)


def test_sequence_quick_start():
    config = SequenceEmbeddingConfig(
        alphabet_size=4,
        max_length=100,
        embedding_dim=64,
        n_layers=2,
    )
    rngs = nnx.Rngs(42)
    seq_embed = SequenceEmbedding(config, rngs=rngs)
    sequences = jnp.eye(4)[jax.random.randint(jax.random.key(0), (6, 100), 0, 4)]
    data = {"sequences": sequences}
    result, _state, _metadata = jax.jit(lambda data: seq_embed.apply(data, {}, None))(data)
    embeddings = result["embeddings"]
    assert embeddings.shape == (6, 64) and np.isfinite(embeddings).all()


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
