"""The core concepts of the documentation: its examples, calls and sizes.

| block of the documentation | test |
|---|---|
| The Operator Contract: Impute, Cluster, Pseudotime | `test_a_chain_keeps_every_key` |
| Operator Configuration | `test_a_configuration_makes_an_operator` |
| Gradient Flow Through Pipelines | `test_a_gradient_reaches_the_counts_through_both_operators` |
| Temperature Scheduling | `tests/training/test_schedules.py` |
| The Ecosystem | `test_the_latent_can_be_handed_to_other_libraries` |
| Smooth Approximations, table | `test_each_row_of_the_table_of_approximations_is_a_call` |
| Data Representations: one-hot sequences | `test_letters_as_rows_let_a_gradient_through` |
| Representation Learning: its ten operators | `test_operators_of_representation_learning_...` |

Its pages of operators are in `tests/operators/normalization`, of losses in `tests/losses`, of the
pipeline in `test_single_cell.py`.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from sklearn.metrics import silhouette_score

from diffbio_engine import soft_ops
from diffbio_engine.operators import foundation_models, normalization, statistical
from diffbio_engine.operators.normalization import (
    SequenceEmbedding,
    SequenceEmbeddingConfig,
    VAENormalizer,
    VAENormalizerConfig,
)
from diffbio_engine.operators.singlecell import (
    DifferentiableDiffusionImputer,
    DifferentiablePseudotime,
    DiffusionImputerConfig,
    PseudotimeConfig,
    SoftClusteringConfig,
    SoftKMeansClustering,
)


@pytest.fixture(scope="module")
def counts():
    rates = jax.random.gamma(jax.random.PRNGKey(1), 2.0, (4, 2000))
    return jax.random.poisson(jax.random.PRNGKey(0), rates[jnp.arange(60) % 4])


def test_a_chain_keeps_every_key(counts):
    imputer = DifferentiableDiffusionImputer(DiffusionImputerConfig(), rngs=nnx.Rngs(42))
    config = SoftClusteringConfig(n_clusters=10, n_features=2000, temperature=1.0)
    clusterer = SoftKMeansClustering(config, rngs=nnx.Rngs(42))
    pseudotime = DifferentiablePseudotime(PseudotimeConfig(), rngs=nnx.Rngs(42))

    @jax.jit
    def chain(counts):
        result, _, _ = imputer.apply({"counts": counts}, {}, None)
        result["embeddings"] = result["imputed_counts"]
        result, _, _ = clusterer.apply(result, {}, None)
        result, _, _ = pseudotime.apply(result, {}, None)
        return result

    assert jnp.issubdtype(counts.dtype, jnp.integer)
    result = chain(counts)
    for name in ("counts", "imputed_counts", "cluster_assignments", "pseudotime"):
        assert np.isfinite(result[name]).all()
    np.testing.assert_array_equal(result["counts"], counts)
    assert result["pseudotime"].shape == (60,)


def test_a_configuration_makes_an_operator():
    config = SoftClusteringConfig(
        n_clusters=10,
        n_features=50,
        temperature=1.0,
    )
    operator = SoftKMeansClustering(config, rngs=nnx.Rngs(42))
    assert operator.config is config
    assert config == dataclasses.replace(config) != dataclasses.replace(config, n_clusters=9)
    assert SoftClusteringConfig.from_dict(config.to_dict()) == config
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.temperature = 2.0


@pytest.fixture(scope="module")
def normalizer():
    config = VAENormalizerConfig(n_genes=2000, latent_dim=50)
    return VAENormalizer(config, rngs=nnx.Rngs(42))


def test_a_gradient_reaches_the_counts_through_both_operators(normalizer, counts):
    config = SoftClusteringConfig(n_clusters=10, n_features=50, temperature=1.0)
    clusterer = SoftKMeansClustering(config, rngs=nnx.Rngs(42))
    weights = jnp.arange(10.0)  # shares add up to 1: their plain sum has no slope

    def pipeline_loss(data):
        r1, _, _ = normalizer.apply(data, {}, None)
        r2, _, _ = clusterer.apply(r1, {}, None)
        return (weights * r2["cluster_assignments"]).sum(), r2["cluster_assignments"].sum()

    data = {"counts": counts.astype(jnp.float32)}
    grad, total = jax.jit(jax.grad(pipeline_loss, has_aux=True))(data)
    np.testing.assert_allclose(total, 60.0, rtol=1e-5)
    assert grad["counts"].shape == counts.shape
    assert np.isfinite(grad["counts"]).all() and np.abs(grad["counts"]).max() > 0


def test_the_latent_can_be_handed_to_other_libraries(normalizer, counts):
    result = jax.jit(lambda counts: normalizer.apply({"counts": counts}, {}, None)[0])(counts)
    score = silhouette_score(np.asarray(result["latent_mean"]), np.arange(60) % 4)
    assert -1.0 <= score <= 1.0
    mean, logvar = result["latent_mean"], result["latent_logvar"]
    kl = 0.5 * jnp.mean(jnp.exp(logvar) + mean**2 - 1 - logvar)  # gaussian_kl_divergence
    assert np.isfinite(kl) and kl >= 0


def test_each_row_of_the_table_of_approximations_is_a_call():
    x, t, tau = jnp.array([0.3, 2.0, -1.0]), 0.5, 0.1
    assert abs(soft_ops.max(x, softness=tau) - 2.0) < 0.2
    assert soft_ops.argmax(x, softness=tau).argmax() == 1
    np.testing.assert_array_equal(soft_ops.greater(x, t, softness=tau) > 0.5, x > t)
    np.testing.assert_allclose(soft_ops.sort(x, softness=tau), jnp.sort(x), atol=0.3)
    values = soft_ops.top_k(x, 2, softness=tau)[0]
    np.testing.assert_allclose(values, [2.0, 0.3], atol=0.3)


def test_letters_as_rows_let_a_gradient_through():
    seq_indices = jnp.array([0, 1, 2, 3])
    seq_onehot = jnp.eye(4)[seq_indices]
    assert seq_onehot.shape == (4, 4)
    config = SequenceEmbeddingConfig(alphabet_size=4, max_length=4, embedding_dim=8, n_layers=1)
    embed = SequenceEmbedding(config, rngs=nnx.Rngs(42))

    def squared(sequence):
        result, _, _ = embed.apply({"sequence": sequence}, {}, None)
        return jnp.sum(result["embedding"] ** 2)

    slope = jax.jit(jax.grad(squared))(seq_onehot)
    assert slope.shape == (4, 4) and np.isfinite(slope).all() and np.abs(slope).max() > 0


@pytest.mark.parametrize(
    "domain, name",
    [
        (normalization, "VAENormalizer"),
        (normalization, "DifferentiableUMAP"),
        (normalization, "DifferentiablePHATE"),
        (normalization, "SequenceEmbedding"),
        (statistical, "DifferentiableHMM"),
        (statistical, "DifferentiableNBGLM"),
        (statistical, "DifferentiableEMQuantifier"),
        (foundation_models, "TransformerSequenceEncoder"),
        (foundation_models, "GeneTokenizer"),
        (foundation_models, "DifferentiableFoundationModel"),
    ],
)
def test_operators_of_representation_learning_are_found_by_their_names(domain, name):
    assert name in dir(domain) and issubclass(getattr(domain, name), nnx.Module)
