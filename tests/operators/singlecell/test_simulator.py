"""Simulated cells: the published formulas, known parameters found again, gradients that train."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from diffbio_engine.data.demos.simulated_cells import Splat, simulated_cells
from diffbio_engine.operators.singlecell import DifferentiableSimulator, SimulationConfig

PLAIN = {"outlier_prob": 0.0, "de_prob": 0.0, "bcv_df": 1e6, "dropout": False}


def simulator(**settings):
    return DifferentiableSimulator(SimulationConfig(**settings), rngs=nnx.Rngs(1))


def simulated(key=None, **settings):
    result = simulator(**settings).apply({}, {}, None, key)[0]
    return {name: np.asarray(value) for name, value in result.items()}


@pytest.fixture(scope="module")
def one_kind():
    return simulated(n_cells=6000, n_genes=40, n_groups=1, lib_loc=5.0, lib_scale=0.0, **PLAIN)


@pytest.fixture(scope="module")
def known():
    """Cells of the demo data, made by NumPy, with the truth."""
    splat = Splat(outlier_prob=0.0, lib_loc=7.5)
    return simulated_cells(0, 2000, 300, n_groups=3, n_batches=2, doublet_rate=0.0, splat=splat)


@pytest.fixture(scope="module")
def given(known):
    return {
        "counts": known.X.toarray(),
        "labels": known.obs["group"].cat.codes.to_numpy().astype(np.int32),
        "batch_labels": known.obs["batch"].cat.codes.to_numpy().astype(np.int32),
    }


@pytest.fixture(scope="module")
def prepared(given):
    block = simulator(n_genes=300, n_groups=3, n_batches=2, dropout=False)
    block.prepare_from(given, jax.random.key(0))
    return block


@pytest.fixture(scope="module")
def made(prepared, given):
    return {k: np.asarray(v) for k, v in run(prepared, given).items()}


@nnx.jit
def run(block, arrays, key=None):
    return block(**arrays, key=key)


def test_an_empty_dict_gives_all_that_the_sheet_names():
    result, state, metadata = simulator(n_cells=30, n_genes=20).apply({}, {}, None)
    assert state == {} and metadata is None
    assert result["counts"].shape == (30, 20) and result["de_mask"].shape == (3, 20)
    assert result["gene_means"].shape == (20,)
    for name in ("group_labels", "batch_labels", "library_size"):
        assert result[name].shape == (30,)
    for name in ("true_means", "dropout_mask"):
        assert result[name].shape == (30, 20)
    np.testing.assert_array_equal(result["counts"], np.round(result["counts"]))


def test_the_six_keys_of_older_callers_each_stand_for_one_kind_of_draw():
    block = simulator(n_cells=30, n_genes=20)
    names = ("gene_means", "lib_sizes", "group", "de_mask", "de_fold", "poisson")
    keys = {
        f"{n}_key": k for n, k in zip(names, jax.random.split(jax.random.key(3), 6), strict=True)
    }
    one = block.apply({"note": 1}, {}, None, keys)[0]
    other = block.apply({}, {}, None, random_params={**keys, "poisson_key": jax.random.key(9)})[0]
    assert one["note"] == 1
    for name in ("gene_means", "library_size", "group_labels", "de_mask", "true_means"):
        np.testing.assert_array_equal(one[name], other[name])
    assert (one["counts"] != other["counts"]).any()


def test_means_variances_and_zeros_are_those_of_gamma_poisson_counts(one_kind):
    mean = np.exp(5.0) * one_kind["gene_means"] / one_kind["gene_means"].sum()
    squared = (0.1 + mean**-0.5) ** 2
    variance = mean + squared * mean**2
    error = np.sqrt(variance / 6000)
    assert np.all(np.abs(one_kind["counts"].mean(0) - mean) < 5 * error)
    seen = mean > 0.5
    ratio = one_kind["counts"].var(0)[seen] / variance[seen]
    assert abs(ratio.mean() - 1) < 0.03 and np.all(np.abs(ratio - 1) < 0.3)
    zeros = (1 + squared * mean) ** (-1 / squared)
    assert np.all(np.abs((one_kind["counts"] == 0).mean(0) - zeros) < 5 * 0.5 / np.sqrt(6000))


def test_library_sizes_are_log_normal_and_batches_split_the_cells():
    made = simulated(n_cells=4000, n_genes=5, n_batches=2, lib_loc=6.0, lib_scale=0.3)
    logs = np.log(made["library_size"])
    assert logs.mean() == pytest.approx(6.0, abs=5 * 0.3 / 63)
    assert logs.std() == pytest.approx(0.3, abs=5 * 0.3 / 90)
    assert np.abs(((logs - 6.0) / 0.3) ** 3).mean() == pytest.approx(1.596, abs=0.15)
    assert np.bincount(made["batch_labels"]).tolist() == [2000, 2000]


def test_losses_are_more_where_means_are_low_as_the_logistic_says():
    made = simulated(n_cells=3000, n_genes=40, lib_loc=6.0, dropout_mid=1.0, dropout_shape=-1.5)
    x = np.log(np.maximum(made["true_means"], 1e-9)).ravel()
    lost = made["dropout_mask"].ravel()
    shares = []
    for low, high in ((-3, -1), (0, 0.5), (1, 1.5), (2, 2.5), (4, 6)):
        inside = (x > low) & (x < high)
        expected = 1 / (1 + np.exp(1.5 * (x[inside] - 1.0)))
        assert lost[inside].mean() == pytest.approx(expected.mean(), abs=0.03)
        shares.append(lost[inside].mean())
    assert np.all(np.diff(shares) < 0)
    assert not made["counts"][made["dropout_mask"] == 1].any()


def test_low_temperature_gives_the_whole_counts_and_high_ones_blur():
    settings = {"n_cells": 60, "n_genes": 30, "lib_loc": 4.5, "dropout_mid": 0.5}
    block = simulator(sampling="soft", **settings)
    hard = simulated(sampling="hard", **settings)
    np.testing.assert_array_equal(hard["counts"], np.round(hard["counts"]))
    away = []
    for temperature in (0.3, 0.1, 0.01):
        block.dials["temperature"][...] = jnp.asarray(temperature)
        soft = np.asarray(block.apply({}, {}, None)[0]["counts"])
        away.append(np.abs(soft - hard["counts"]).mean())
    assert away[0] > away[1] > away[2] and away[2] < 0.02 * hard["counts"].mean()


@pytest.mark.parametrize("sampling, learns", [("straight_through", True), ("hard", False)])
def test_gradients_of_the_counts_reach_every_learnable_part(sampling, learns):
    block = simulator(
        n_cells=200, n_genes=20, n_batches=2, lib_loc=4.5, de_prob=0.5, de_fac_loc=1.0,
        sampling=sampling, temperature=0.5,
    )  # fmt: skip

    @nnx.jit
    def gradient(block):
        return nnx.jit(nnx.grad(lambda b: jnp.log1p(b()["simulated_counts"])[:, :7].mean()))(block)

    found = gradient(block)
    for name in ("group_logits", "batch_shift", "gene_means_logits"):
        size = float(jnp.abs(found[name][...]).sum())
        assert np.isfinite(size) and (not learns or size > 1e-5), name
    if not learns:
        assert float(jnp.abs(found["group_logits"][...]).sum()) == 0.0


def test_the_gradient_of_the_mean_count_is_that_of_the_mean(one_kind):
    block = simulator(n_cells=4000, n_genes=5, n_groups=1, lib_loc=3.0, lib_scale=0.0, **PLAIN)

    @nnx.jit
    def gradient(block):
        return nnx.jit(nnx.grad(lambda b: b()["simulated_counts"].sum(1).mean()))(block)

    # The expected total of a cell is exp(3 + shift): so is its derivative.
    slope = float(gradient(block)["batch_shift"][...][0])
    assert slope == pytest.approx(np.exp(3.0), rel=0.05)


def test_known_parameters_are_found_again(prepared, known):
    shape, _, loc, scale, common, trend, _, _, _ = np.asarray(prepared.parameters[...])
    assert loc == pytest.approx(7.5, abs=0.03) and scale == pytest.approx(0.25, abs=0.03)
    assert common == pytest.approx(0.1, abs=0.03) and trend == pytest.approx(1.0, abs=0.05)
    assert shape == pytest.approx(0.6, abs=0.15)  # of 300 genes: a standard error of 0.04
    truth = known.var["gene_mean"].to_numpy()
    abundant = truth > np.median(truth)
    factors = known.var[[f"de_factor_{k}" for k in (1, 2, 3)]].to_numpy().T
    found = np.asarray(prepared.group_log_factors[...])
    changed = factors != 1
    assert (found[:, abundant] != 0)[changed[:, abundant]].mean() > 0.8
    # A factor is relative to all cells: where one group changes a gene, the others have less than
    # the mean. Wrong is a factor of a gene that no group changes.
    anywhere = np.broadcast_to(changed.any(axis=0), found.shape)
    assert anywhere[:, abundant][(found != 0)[:, abundant]].mean() > 0.9
    shares = np.asarray(jax.nn.softmax(prepared.group_logits[...]))
    observed = np.bincount(known.obs["group"].cat.codes) / known.n_obs
    np.testing.assert_allclose(shares, observed, atol=1e-3)
    by_batch = known.var[["batch_factor_1", "batch_factor_2"]].to_numpy().mean(1)
    average = np.log(truth * by_batch * (observed @ factors))  # a gene's mean over all cells
    means = np.asarray(prepared.gene_means_logits[...])
    assert np.corrcoef(means[abundant], average[abundant])[0, 1] > 0.98


def test_one_synthetic_cell_is_made_for_each_given_cell(made, given):
    assert made["simulated_counts"].shape == given["counts"].shape
    np.testing.assert_array_equal(made["group_labels"], given["labels"])
    np.testing.assert_array_equal(made["batch_labels"], given["batch_labels"])


def test_moments_of_synthetic_cells_are_those_of_the_data(made, given):
    """So do those of the operator and of the NumPy simulation, which made the data."""
    x, y = given["counts"], made["simulated_counts"]
    seen = x.mean(0) > 0.3
    for moment, limit in ((np.mean, 0.15), (np.var, 0.45)):
        ratio = np.log(moment(y, axis=0)[seen] / moment(x, axis=0)[seen])
        assert abs(np.median(ratio)) < 0.05 and np.quantile(np.abs(ratio), 0.9) < limit
    zeros = (y == 0).mean(0) - (x == 0).mean(0)
    assert abs(zeros.mean()) < 0.02 and np.quantile(np.abs(zeros), 0.9) < 0.05
    total, made_total = np.log(x.sum(1)), np.log(y.sum(1))
    assert made_total.mean() == pytest.approx(total.mean(), abs=0.05)
    assert made_total.std() == pytest.approx(total.std(), rel=0.15)


def test_cells_are_the_same_in_any_chunks_and_chunks_are_not_alike(prepared, given, made):
    chunks = [
        np.asarray(
            run(prepared, {n: x[i : i + 1000] for n, x in given.items()})["simulated_counts"]
        )
        for i in (0, 1000)
    ]
    whole = made["simulated_counts"]
    # A sum in another order may carry a count over the edge of a step.
    assert (np.concatenate(chunks) != whole).mean() < 1e-3
    assert len(np.unique(whole, axis=0)) == len(whole)
    assert np.corrcoef(chunks[0][:, 5] - chunks[0][:, 5].mean(), chunks[1][:, 5])[0, 1] < 0.2


def test_a_key_gives_other_cells_of_the_same_genes(prepared, given, made):
    # Of the first cells: a cell is the same in any chunk.
    again = run(prepared, {n: x[:200] for n, x in given.items()}, jax.random.key(7))
    assert (np.asarray(again["simulated_counts"]) != made["simulated_counts"][:200]).mean() > 0.1
    np.testing.assert_array_equal(again["gene_means"], made["gene_means"])


def test_training_brings_the_moments_back(given):
    import optax

    block = simulator(n_genes=300, n_groups=3, n_batches=2, dropout=False)
    block.prepare_from(given, jax.random.key(0))
    truth = np.asarray(block.gene_means_logits[...])
    block.gene_means_logits[...] += 0.5 * jax.random.normal(jax.random.key(1), (300,))
    block.batch_shift[...] += jnp.array([0.5, -0.5])
    block.group_logits[...] = jnp.zeros(3)
    optimizer = nnx.Optimizer(block, optax.adam(0.05), wrt=nnx.Param)
    arrays = {n: jnp.asarray(x) for n, x in given.items()}

    @nnx.jit
    def step(block, optimizer):
        loss, slope = nnx.value_and_grad(lambda b: b(**arrays)["moment_loss"])(block)
        optimizer.update(block, slope)
        return loss, jnp.abs(slope["group_logits"][...]).sum()

    first, slope = step(block, optimizer)
    assert float(slope) > 0
    for _ in range(80):
        last, _ = step(block, optimizer)
    assert float(last) < 0.1 * float(first)
    found = np.asarray(block.gene_means_logits[...])
    assert np.corrcoef(found, truth)[0, 1] > 0.95


def test_losses_are_found_in_data_that_have_them():
    splat = Splat(outlier_prob=0.0, dropout_mid=0.5, dropout_shape=-1.0)
    cells = simulated_cells(1, 1500, 300, 1, 1, doublet_rate=0.0, splat=splat)
    block = simulator(n_genes=300, n_groups=1)
    block.prepare_from({"counts": cells.X.toarray()}, jax.random.key(0))
    _, _, loc, _, _, _, _, mid, shape = np.asarray(block.parameters[...])
    assert mid == pytest.approx(0.5, abs=0.3) and shape == pytest.approx(-1.0, abs=0.25)
    assert loc == pytest.approx(8.0, abs=0.05), "that before the losses"
