"""The pipeline of notebooks for differential expression, and blocks that need all records."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy.stats import norm

from diffbio_engine.bundles import result_arrays
from diffbio_engine.data import Records
from diffbio_engine.losses.statistical_losses import NegativeBinomialLoss
from diffbio_engine.pipelines import (
    DEPipelineConfig,
    DifferentialExpressionPipeline,
    values_of_cells,
)
from diffbio_engine.training import Stage, Training, fit
from diffbio_engine.training.length import planned_steps

N_GENES = 30


def pipeline(**settings):
    return DifferentialExpressionPipeline(DEPipelineConfig(n_genes=N_GENES, **settings))


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(5)
    design = np.stack([np.ones(40), np.arange(40) % 2], axis=1)
    change = np.where(np.arange(N_GENES) < 6, 2.0 * (-1) ** np.arange(N_GENES), 0)
    mean = np.exp(rng.normal(4, 1, N_GENES) + design[:, 1:] * change)
    counts = rng.negative_binomial(5, 5 / (5 + mean))
    return {"counts": counts.astype(float), "design": design}


def test_estimated_it_finds_the_genes_that_differ(data):
    result, _, _ = pipeline().estimate(data).apply(data, {}, None)
    assert set(data) <= set(result)
    assert result["significant"][:6].all() and result["significant"][6:].sum() < 4
    true = np.array([2, -2, 2, -2, 2, -2]) / np.log(2)
    np.testing.assert_allclose(result["log_fold_change"][:6], true, atol=0.6)
    assert result["size_factors"].shape == (40,)


def test_the_example_of_the_losses_page_runs_as_it_is_written(data):
    nb_loss = NegativeBinomialLoss()
    counts, design = jnp.asarray(data["counts"]), jnp.asarray(data["design"])

    def de_model_loss(model, counts, design):
        data = {"counts": counts, "design": design}
        result, _, _ = model.apply(data, {}, None)
        dispersion = jnp.exp(model.nb_glm.log_dispersion[...])
        return nb_loss(counts, result["predicted_mean"], dispersion)

    model = pipeline().estimate(data)
    grads = nnx.jit(nnx.grad(de_model_loss))(model, counts, design)
    leaves = jax.tree.leaves(grads)
    assert leaves and all(bool(jnp.isfinite(leaf).all()) for leaf in leaves)
    # The published estimate is near the optimum of this loss, as both mean the same variance.
    assert max(float(jnp.abs(leaf).max()) for leaf in leaves) < 0.02


def test_a_step_sees_all_samples_and_none_is_held_out(data):
    model = pipeline()
    records = Records(data["counts"], {"design": data["design"].astype(np.float32)})
    stages = (Stage(epochs=3, held_out=0.5),)
    training = Training(model, records, stages, batch_size=4)
    assert training.batch_size == 40 and training.steps_per_epoch == 1
    assert not training.held_out.size
    assert planned_steps(model.plan, 40, stages, 4) == (3, 3)


def test_a_regression_is_never_told_of_in_pieces(data, monkeypatch):
    monkeypatch.setattr("diffbio_engine.pipelines.population.CHUNK", 16)
    model = pipeline().estimate(data)
    records = Records(data["counts"], {"design": data["design"].astype(np.float32)})
    ports = ("compare.log2_fold_change", "compare.pvalue")
    found = values_of_cells(model, records, ports)
    whole = model.apply(data)[0]
    np.testing.assert_allclose(found[ports[1]], whole["p_values"], rtol=1e-4)


def test_p_values_go_home_in_64_bits(data):
    """Of stat 14 and more: below 1e-38 numbers of 32 bits are all 0."""
    counts = data["counts"].copy()
    counts[1::2, 0] *= 3
    data = {"counts": counts, "design": data["design"]}
    model = pipeline().estimate(data)
    records = Records(counts, {"design": data["design"].astype(np.float32)})
    arrays = result_arrays(model, records).arrays
    p, stat = (np.asarray(arrays[f"var/{n}_diffbio"]) for n in ("pvalue", "stat"))
    assert p.dtype == np.float64 and abs(stat[0]) > 14
    np.testing.assert_allclose(p[0], 2 * norm.sf(abs(stat[0])), rtol=1e-4)
    assert 0 < arrays["var/padj_diffbio"][0] < 1e-40


def test_training_leaves_the_estimate_where_it_is(data):
    """The joint optimum is where the published steps come to rest; Adam does not shake it."""
    model = pipeline()
    fit(model, data, steps=150, learning_rate=0.01)
    trained = model.apply(data)[0]
    published = pipeline().estimate(data).apply(data)[0]
    change = (trained["log_fold_change"] - published["log_fold_change"]) / published[
        "standard_error"
    ]
    assert float(jnp.abs(change).max()) < 1e-2
    np.testing.assert_allclose(trained["dispersion"], published["dispersion"], rtol=2e-2)
