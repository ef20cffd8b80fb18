"""Differential expression against R DESeq2: the golden tables lie in the shared data."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest
from flax import nnx

from diffbio_engine.data.design import Comparisons, Formula
from diffbio_engine.data.design import design_of as design_of_samples
from diffbio_engine.errors import DataError
from diffbio_engine.losses.statistical_losses import NegativeBinomialLoss, stable_nb_logprob
from diffbio_engine.operators.statistical import DifferentiableNBGLM, NBGLMConfig
from diffbio_engine.operators.statistical._nb_significance import wald
from diffbio_engine.operators.statistical._nb_size_factors import size_factors
from tests.conftest import ROOT

REFERENCES = ROOT / "tests" / "references" / "statistical" / "deseq2_contrasts"
COLUMNS = ("baseMean", "log2FoldChange", "lfcSE", "stat", "pvalue", "padj")


def design_of(samples, *columns):
    """Intercept and one column for each level after the first, as R has it."""
    found = {"intercept": np.ones(len(samples))}
    for name in columns:
        values = samples[name]
        if values.dtype.kind == "f":
            found[name] = values.to_numpy()
            continue
        for level in sorted(values.unique())[1:]:
            found[f"{name}_{level}"] = (values == level).to_numpy(float)
    return list(found), np.stack(list(found.values()), axis=1)


def operator_of(counts, design, **settings):
    config = NBGLMConfig(n_features=counts.shape[1], n_covariates=design.shape[1], **settings)
    return DifferentiableNBGLM(config, rngs=nnx.Rngs(0))


def result_of(counts, design, **settings):
    block = operator_of(counts, design, **settings)
    data = {"counts": counts, "design": design}
    block.prepare_from(data, jax.random.key(0))
    values = block(counts=jnp.asarray(counts, float), design=jnp.asarray(design, float))
    return {
        alias: np.asarray(values[p.name], float)
        for p in block.outputs
        for alias in (p.name, *p.also)
    }, block


def same_as(table, result, rtol):
    for name in COLUMNS:
        np.testing.assert_allclose(result[name], table[name], rtol=rtol, err_msg=name)


@pytest.fixture(scope="module")
def golden(shared_data):
    folder = shared_data / "pydeseq2_golden"

    def read(name, data="synthetic", table="r_test_res"):
        counts = pd.read_csv(folder / data / "test_counts.csv", index_col=0)
        samples = pd.read_csv(folder / data / "test_metadata.csv", index_col=0)
        return counts.T, samples, pd.read_csv(folder / name / f"{table}.csv", index_col=0)

    return read


@pytest.mark.parametrize(
    "name, data, columns",
    [
        ("single_factor", "synthetic", ("condition",)),
        ("multi_factor", "synthetic", ("group", "condition")),
        ("continuous", "continuous", ("group", "condition", "measurement")),
        ("wide", "wide", ("group", "condition")),
    ],
)
def test_the_table_is_that_of_r_deseq2(golden, shared_data, name, data, columns):
    counts, samples, table = golden(name, data)
    result, _ = result_of(counts.to_numpy(), design_of(samples, *columns)[1])
    same_as(table, result, 2e-5)
    path = shared_data / "pydeseq2_golden" / name / "r_test_dispersions.csv"
    np.testing.assert_allclose(result["dispersion"], pd.read_csv(path)["x"], rtol=1e-5)


def test_outliers_are_replaced_where_there_are_replicates_enough(golden):
    """One outlier has 99 replicates and is replaced; the other is alone in its condition."""
    counts, samples, table = golden("multi_factor", table="r_test_res_outliers")
    counts.loc["sample1", "gene1"], counts.loc["sample11", "gene7"] = 2000, 1000
    samples.loc["sample1", "condition"] = "C"
    names, design = design_of(samples, "group", "condition")
    tested = names.index("condition_B")
    result, _ = result_of(counts.to_numpy(), design, contrast=tested)
    same_as(table, result, 2e-5)


@pytest.fixture(scope="module")
def three_levels():
    """Of R DESeq2, by the script beside the tables: (counts, samples, results, size factors)."""
    tables = ("counts", "samples", "results", "size_factors")
    return [pd.read_csv(REFERENCES / f"{name}.csv", index_col=0) for name in tables]


def test_levels_of_a_factor_are_compared_with_each_other_as_r_deseq2_compares_them(three_levels):
    """From one estimate, the reference or not; where neither level has counts, by 0 with p = 1."""
    counts, samples, results, _ = three_levels
    comparisons = Comparisons(samples, Formula.parse("~ batch + group"))
    design = design_of_samples(samples, Formula.parse("~ batch + group")).matrix
    result, block = result_of(counts.to_numpy().T, design)
    for (level, against), table in results.groupby(["level", "against"]):
        asked = comparisons.of("group", level, against)
        told = block.of_contrast(block.config, result, asked.contrast, asked.members)
        names = zip(told, ("log2FoldChange", "lfcSE", "stat", "pvalue", "padj"), strict=True)
        for port, name in names:
            of = np.log if name.startswith("p") else np.asarray
            np.testing.assert_allclose(of(told[port]), of(table[name]), 2e-5, 1e-5, err_msg=name)
    assert comparisons.of("group", "b", "b") is None and comparisons.of("group", "b", "d") is None
    assert comparisons.named("group_c_vs_a") == ("group", "c", "a")


@pytest.mark.parametrize("alternative", ["greater", "less", "greaterAbs", "lessAbs"])
def test_changes_are_tested_against_a_threshold(golden, alternative):
    table = golden("single_factor", table=f"r_test_res_{alternative}")[2]
    change, error = table["log2FoldChange"].to_numpy(), table["lfcSE"].to_numpy()
    stat, p = wald(change, error, 0.5, alternative)
    np.testing.assert_allclose(stat, table["stat"], rtol=1e-7)
    np.testing.assert_allclose(p, table["pvalue"], rtol=1e-7)
    traced = wald(jnp.asarray(change), jnp.asarray(error), 0.5, alternative, jnp)
    np.testing.assert_allclose(traced[1], p, rtol=1e-4)


@pytest.mark.parametrize(
    "kind, file", [("ratio", "r_test_size_factors"), ("poscounts", "r_test_size_factors_poscount")]
)
def test_size_factors_are_those_of_r_deseq2(golden, kind, file):
    counts, _, table = golden("single_factor", table=file)
    factors, _, said = size_factors(counts.to_numpy(float), kind)
    np.testing.assert_allclose(factors, table.iloc[:, 0], rtol=1e-10)
    assert not said


def test_where_no_gene_is_seen_in_all_samples_that_is_said():
    counts = np.array([[0.0, 4, 6, 2], [3, 0, 5, 1], [4, 4, 0, 0]])
    factors, _, said = size_factors(counts)
    np.testing.assert_allclose(factors, size_factors(counts, "poscounts")[0])
    assert "poscounts" in said


def test_size_factors_of_control_genes_are_those_of_r_deseq2(three_levels):
    counts, _, _, factors = three_levels
    counts, control = counts.to_numpy(float).T, np.arange(len(counts)) < 40
    for kind, name in (("ratio", "control"), ("poscounts", "poscounts")):
        found, _, _ = size_factors(counts, kind, control)
        np.testing.assert_allclose(found, factors[name], rtol=1e-10)
    np.testing.assert_allclose(size_factors(counts)[0], factors["all"], rtol=1e-10)


def test_a_simulation_with_a_batch_is_called_as_r_deseq2_calls_it(shared_data):
    """Three samples a group and a batch: three degrees of freedom, the way of drawn histograms."""
    folder = shared_data / "omics"
    counts = pd.read_csv(folder / "bulk" / "sim_batch_counts.csv.gz", index_col=0)
    samples = pd.read_csv(folder / "bulk" / "sim_batch_design.csv", index_col=0)
    table = pd.read_csv(folder / "golden" / "sim_batch_deseq2.csv.gz", index_col=0)
    table = table.reindex(counts.index)  # genes without counts are not in it
    truth = pd.read_csv(folder / "bulk" / "sim_batch_truth.csv.gz", index_col=0)
    result, _ = result_of(counts.to_numpy().T, design_of(samples, "batch", "condition")[1])
    off = np.abs(np.log(result["dispersion"]) - np.log(table["dispersion"]))
    assert np.nanmax(off) < 1e-4
    padj = np.nan_to_num(result["padj"], nan=1.0)
    called = padj < 0.05
    np.testing.assert_array_equal(called, table["padj"] < 0.05)
    np.testing.assert_array_equal(np.isnan(result["padj"]), table["padj"].isna())
    assert not called[truth["outlier"]].any()
    # R fits 136 of these genes by another optimizer, which stops short of the optimum.
    change = np.abs(result["log2FoldChange"] - table["log2FoldChange"]) / table["lfcSE"]
    assert np.nanmax(change) < 0.2 and (change > 1e-4).sum() < 20


@pytest.fixture(scope="module")
def two_groups():
    """Counts with known dispersions: (counts, design, alpha)."""
    rng = np.random.default_rng(3)
    alpha = np.array([0.05, 0.2, 0.5, 1.0, 0.1, 0.3])
    design = np.stack([np.ones(400), np.arange(400) % 2], axis=1)
    mean = np.exp(np.log(60.0) + design[:, 1:] * np.array([0, 1.0, -1, 0.5, 0, 2]))
    counts = rng.negative_binomial(1 / alpha, 1 / (1 + alpha * mean)).astype(float)
    return counts, design, alpha


def descended(block, loss, steps, rate=0.05):
    """The block after gradient descent from where it stands."""
    schedule = optax.cosine_decay_schedule(rate, steps)
    optimizer = nnx.Optimizer(block, optax.adam(schedule), wrt=nnx.Param)

    @nnx.jit
    def train(block, optimizer):
        def step(_, carry):
            block, optimizer = carry
            optimizer.update(block, nnx.grad(loss)(block))
            return block, optimizer

        return nnx.fori_loop(0, steps, step, (block, optimizer))

    return train(block, optimizer)[0]


def test_both_examples_of_the_documentation_train_the_right_variance(two_groups):
    """``exp(log_dispersion)`` is the theta of the loss, ``dispersion`` the alpha of the model."""
    counts, design, alpha = two_groups
    data = {"counts": jnp.asarray(counts), "design": jnp.asarray(design)}
    nb_loss = NegativeBinomialLoss()

    def of_losses_page(model):
        result, _, _ = model.apply(data, {}, None)
        dispersion = jnp.exp(model.log_dispersion[...])
        return nb_loss(data["counts"], result["predicted_mean"], dispersion)

    def of_models_page(model):  # Y ~ NB(mu, alpha)
        result, _, _ = model.apply(data, {}, None)
        return -jnp.mean(
            stable_nb_logprob(data["counts"], result["predicted_mean"], result["dispersion"])
        )

    for loss in (of_losses_page, of_models_page):
        block = operator_of(counts, design)
        block.beta[...] = block.beta[...].at[0].set(jnp.log(counts.mean(axis=0)))
        block = descended(block, loss, 300)
        found = np.asarray(block.get_dispersion())
        np.testing.assert_allclose(found, alpha, rtol=0.2)
        result = block(**data)
        np.testing.assert_allclose(result["dispersion"], found, rtol=1e-6)
        np.testing.assert_allclose(result["inverse_dispersion"], 1 / found, rtol=1e-6)


def test_from_a_rough_start_gradients_arrive_at_the_published_estimate(golden):
    """Where the published steps, repeated, would come to rest: a thousandth from their first."""
    counts, samples, _ = golden("single_factor")
    counts, design = counts.to_numpy(), design_of(samples, "condition")[1]
    published, block = result_of(counts, design)
    data = {"counts": jnp.asarray(counts), "design": jnp.asarray(design)}
    block.beta[...] = jnp.zeros((2, 10)).at[0].set(jnp.log(counts.mean(axis=0)))
    block.log_dispersion[...] = jnp.full(10, 2.0)
    block = descended(block, lambda model: model.apply(data)[0]["nb_loss"], 600)
    result = {k: np.asarray(v) for k, v in block.apply(data)[0].items()}
    change = result["log2FoldChange"] - published["log2FoldChange"]
    assert np.abs(change / published["lfcSE"]).max() < 1e-3
    np.testing.assert_allclose(result["dispersion"], published["dispersion"], rtol=5e-3)
    np.testing.assert_allclose(result["pvalue"], published["pvalue"], rtol=2e-2)


def test_gradients_reach_what_stands_before_the_model(two_groups):
    counts, design, _ = two_groups
    block = operator_of(counts, design)

    def loss(design, size_factors, weights):
        arrays = {"design": design, "size_factors": size_factors, "weights": weights}
        return block(counts=jnp.asarray(counts), **arrays)["nb_loss"]

    ones = jnp.ones(len(counts))
    slopes = jax.jit(jax.grad(loss, argnums=(0, 1, 2)))(jnp.asarray(design), ones, ones)
    assert all(bool(jnp.isfinite(s).all()) and float(jnp.abs(s).max()) > 0 for s in slopes)


def test_weights_say_how_much_samples_count_beside_each_other(two_groups):
    counts, design, _ = two_groups
    weights = np.linspace(0.4, 1.0, len(counts))
    found = []
    for times in (1.0, 3.0):
        block = operator_of(counts, design)
        data = {"counts": counts, "design": design, "weights": times * weights}
        block.prepare_from(data, jax.random.key(0))
        found.append(block.apply(data)[0])
    for name in ("lfc_se", "pvalue", "padj", "log_likelihood", "nb_loss"):
        np.testing.assert_allclose(found[1][name], found[0][name], rtol=1e-4, err_msg=name)


def test_a_group_without_counts_has_a_finite_change():
    rng = np.random.default_rng(1)
    counts = rng.negative_binomial(5, 0.1, (8, 40)).astype(float)
    counts[4:, 0], counts[:, 1] = 0, 0
    design = np.stack([np.ones(8), np.arange(8) > 3], axis=1).astype(float)
    result, block = result_of(counts, design)
    assert np.isfinite(result["log2FoldChange"][0]) and result["log2FoldChange"][0] < -4
    assert all(np.isnan(result[name][1]) for name in ("log2FoldChange", "pvalue", "padj"))
    assert "stands in for the trend" in block.notes[0]  # all genes have one dispersion here


@pytest.mark.parametrize(
    "counts, said",
    [
        (np.full((4, 5), 1e6 / 5) + np.array([0.5, -0.5, 0.25, -0.25, 0]), "TPM"),
        (np.log1p(np.arange(20.0).reshape(4, 5)), "logarithms"),
        (-np.ones((4, 5)), "negative"),
    ],
)
def test_what_is_no_count_is_refused(counts, said):
    design = np.stack([np.ones(4), [0, 0, 1, 1]], axis=1)
    with pytest.raises(DataError, match=said):
        operator_of(counts, design).prepare(counts, design)


def test_a_design_that_says_the_same_twice_is_refused_by_its_columns():
    counts = np.arange(20.0).reshape(4, 5)
    design = np.stack([np.ones(4), [0, 0, 1, 1], [1, 1, 0, 0]], axis=1)
    with pytest.raises(DataError, match="column 2 is made of 0, 1"):
        operator_of(counts, design).prepare(counts, design)


def test_estimated_counts_are_rounded_and_that_is_said():
    rng = np.random.default_rng(2)
    counts = rng.negative_binomial(5, 0.05, (6, 30)) + rng.choice([0.0, 0.25], (6, 30))
    design = np.stack([np.ones(6), np.arange(6) % 2], axis=1)
    block = operator_of(counts, design)
    block.prepare_from({"counts": counts, "design": design}, jax.random.key(0))
    assert "rounded" in block.notes[0]
