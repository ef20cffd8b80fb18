"""The core concepts of the documentation: its examples, calls and sizes.

| block of the documentation | test |
|---|---|
| The Operator Contract: Impute, Cluster, Pseudotime | `test_a_chain_keeps_every_key` |
| Operator Configuration | `test_a_configuration_makes_an_operator` |
| Gradient Flow Through Pipelines | `test_a_gradient_reaches_the_counts_through_both_operators` |
| Temperature Scheduling | `tests/training/test_schedules.py` |
| The Ecosystem | `test_the_latent_can_be_handed_to_other_libraries` |
| Data Representations: one-hot sequences | no operator of sequences yet |

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

from diffbio_engine.operators.normalization import VAENormalizer, VAENormalizerConfig
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
