"""Operators and results in the hands of datarax, calibrax and artifex, where they are installed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from diffbio_engine.losses import VAELoss
from diffbio_engine.operators.singlecell import SoftClusteringConfig, SoftKMeansClustering
from diffbio_engine.runs import RunFolder, benchmark_of
from diffbio_engine.runs.folder.metrics import MetricsWriter


@pytest.fixture(scope="module")
def embeddings():
    return np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)


@pytest.fixture(scope="module")
def clusterer():
    config = SoftClusteringConfig(n_clusters=3, n_features=4, temperature=1.0)
    return SoftKMeansClustering(config, rngs=nnx.Rngs(42))


def test_a_batch_of_raw_arrays_comes_back_with_all_that_was_in_it(clusterer, embeddings):
    data = {"embeddings": embeddings, "valid_mask": np.ones(12, bool)}
    given = jnp.arange(12), jnp.asarray(0)
    raw = jax.jit(lambda data: clusterer._apply_on_raw(data, {}, None, *given))
    result, states = raw(data)
    assert states == {} and {*data, "cluster_assignments"} <= set(result)
    applied = jax.jit(lambda data: clusterer.apply(data, {}, None)[0])(data)
    np.testing.assert_array_equal(result["cluster_assignments"], applied["cluster_assignments"])


def test_a_block_is_a_stage_of_a_pipeline_of_datarax_and_takes_what_one_gives(
    clusterer, embeddings
):
    pytest.importorskip("datarax", reason="datarax is not installed (extra 'datarax')")
    from datarax.pipeline import Pipeline
    from datarax.sources import MemorySource, MemorySourceConfig

    class Halved(nnx.Module):
        def __call__(self, batch):
            return {**batch, "embeddings": batch["embeddings"] / 2}

    def source():
        return MemorySource(MemorySourceConfig(), data={"embeddings": embeddings})

    def batches(*stages):
        made = Pipeline(source=source(), stages=list(stages), batch_size=4, rngs=nnx.Rngs(0))
        return list(made)

    expected = clusterer.apply({"embeddings": embeddings / 2}, {}, None)[0]["cluster_assignments"]
    inside = [b["cluster_assignments"] for b in batches(Halved(), clusterer)]
    np.testing.assert_allclose(np.concatenate(inside), expected, atol=1e-6)
    after = [
        clusterer.apply(dict(b), {}, None)[0]["cluster_assignments"] for b in batches(Halved())
    ]
    np.testing.assert_allclose(np.concatenate(after), expected, atol=1e-6)


def benchmark(folder):
    run = {"title": "three groups", "pipeline": {"blocks": []}, "dataset": {"name": "cells.h5ad"}}
    made = RunFolder.create(folder, run)
    writer = MetricsWriter(made.path, 1, ["vae.loss", "never"])
    writer.add(1, {"vae.loss": 3.0})
    writer.add(2, {"vae.loss": 2.5})
    return benchmark_of(made.path, {"silhouette": 0.25})


def test_a_run_is_a_benchmark_result_of_plain_data(tmp_path):
    found = benchmark(tmp_path / "run")
    assert found["metrics"] == {"vae.loss": {"value": 2.5}, "silhouette": {"value": 0.25}}
    assert found["metadata"] == {"steps": 2} and found["name"] == "three groups"
    assert found["tags"]["data"] == "cells.h5ad"


def test_calibrax_measures_results_and_loads_runs(clusterer, embeddings, tmp_path):
    pytest.importorskip("calibrax", reason="calibrax is not installed (extra 'calibrax')")
    from calibrax.core.result import BenchmarkResult
    from calibrax.metrics.functional.clustering import silhouette_score
    from sklearn.metrics import silhouette_score as of_sklearn

    result, _, _ = clusterer.apply({"embeddings": embeddings}, {}, None)
    labels = np.arange(12) % 3
    score = silhouette_score(result["embeddings"], jnp.asarray(labels))
    np.testing.assert_allclose(score, of_sklearn(embeddings, labels), atol=1e-3)
    loaded = BenchmarkResult.from_dict(benchmark(tmp_path / "run"))
    loaded.save(tmp_path / "kept.json")
    again = BenchmarkResult.load(tmp_path / "kept.json")
    assert again.metrics["vae.loss"].value == 2.5 and again.name == "three groups"


def test_the_divergence_of_artifex_is_that_of_the_vae_loss():
    pytest.importorskip("artifex", reason="artifex is not installed (extra 'artifex')")
    from artifex.generative_models.core.losses.divergence import gaussian_kl_divergence

    random = np.random.default_rng(0)
    mean, logvar = (jnp.asarray(random.normal(size=(6, 3)), jnp.float32) for _ in range(2))
    theirs = gaussian_kl_divergence(mean, logvar)  # nats a cell
    x = jnp.zeros((6, 5))
    ours = VAELoss(reduction="elbo")(x, x, mean, logvar)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
