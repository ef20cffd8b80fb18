"""Switch genes: least squares as SciPy finds it, the test against no change, and the step."""

from pathlib import Path

import anndata
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import chi2

from diffbio_engine.data import write_result
from diffbio_engine.errors import DataError
from diffbio_engine.operators.singlecell import DifferentiableSwitchDE, SwitchDEConfig

REFERENCE = Path(__file__).parents[2] / "references/singlecell/switch_de.npz"
KEY = jax.random.key(0)


def prepared(expression, time, normalize=False, **settings):
    config = SwitchDEConfig(n_genes=expression.shape[1], normalize=normalize, **settings)
    block = DifferentiableSwitchDE(config)
    block.prepare_from({"counts": expression, "pseudotime": time}, KEY)
    return block


def simulated(n=1500, seed=0):
    """Two genes switched on, one off, one that does not change; time from 5 to 25."""
    random = np.random.default_rng(seed)
    time = random.uniform(5, 25, n)
    share = (time - 5) / 20
    place, slope, height = np.array([[0.3, 0.6, 0.5], [12.0, 40.0, -20.0], [3.0, 1.0, 2.0]])
    expected = height / (1 + np.exp(-slope * (share[:, None] - place)))
    expression = np.column_stack([expected, np.full(n, 1.5)])
    return (expression + random.normal(scale=0.3, size=(n, 4))).astype(np.float32), time


@pytest.fixture(scope="module")
def paul(shared_data):
    data = anndata.read_h5ad(shared_data / "paul_myeloid_tradeseq_counts.h5ad")
    time = data.obs["slingshot_pt_curve1"].to_numpy()
    cells = (data.obs["slingshot_w_curve1"].to_numpy() > 0.5) & np.isfinite(time)
    counts = data.X[cells].toarray()
    total = counts.sum(1, keepdims=True)
    expression = np.log1p(counts / total * np.median(total)).astype(np.float32)
    return expression, time[cells], list(data.var_names)


@pytest.mark.parametrize("with_base", [False, True])
def test_no_curve_of_scipy_fits_a_real_gene_better(paul, with_base):
    expression, time, _ = paul
    block = prepared(expression[:, ::3], time, with_base=with_base)
    out = block(jnp.asarray(expression[:, ::3]), jnp.asarray(time))
    ours = np.sum(np.asarray(out["residual"], np.float64) ** 2, axis=0)
    scipy = np.load(REFERENCE)["squares_with_base" if with_base else "squares"]
    # One part in 1000: what 80 steps in float32 leave of a valley that is nearly flat.
    assert np.all(ours <= scipy * 1.001)
    assert np.median(np.abs(ours / scipy - 1)) < 1e-5


def test_the_genes_of_granulocytes_go_on_and_those_of_erythrocytes_off(paul):
    # Slingshot's first lineage leads to granulocyte and monocyte progenitors (Paul et al. 2015).
    expression, time, names = paul
    out = prepared(expression, time)(jnp.asarray(expression), jnp.asarray(time))
    slope, score = np.asarray(out["k"]), np.asarray(out["switch_scores"])
    best = [names[i] for i in np.argsort(-score)[:8]]
    assert {"Prtn3", "Elane", "Mpo", "Ctsg"} <= set(best)
    assert all(slope[names.index(n)] > 0 for n in ("Prtn3", "Elane", "Mpo", "Ctsg"))
    assert all(slope[names.index(n)] < 0 for n in ("Apoe", "Car1", "Ermap"))


def test_simulated_switches_are_found_in_the_unit_of_the_pseudotime():
    expression, time = simulated()
    out = prepared(expression, time)(jnp.asarray(expression), jnp.asarray(time))
    np.testing.assert_allclose(out["switch_times"][:3], [11, 17, 15], atol=0.25)
    np.testing.assert_allclose(out["k"][:3], [12, 40, -20], rtol=0.15)
    assert np.all(np.asarray(out["p_values"], float)[:3] < 1e-30) and out["p_values"][3] > 1e-3
    assert out["switch_scores"][3] < 0.02 and np.all(out["switch_scores"][:3] > 0.5)


def test_many_cells_are_seen_in_groups_and_give_the_same_curve():
    expression, time = simulated(n=9000, seed=3)
    out = prepared(expression, time)(jnp.asarray(expression), jnp.asarray(time))
    np.testing.assert_allclose(out["switch_times"][:3], [11, 17, 15], atol=0.1)
    np.testing.assert_allclose(out["k"][:3], [12, 40, -20], rtol=0.05)
    left = np.mean(np.asarray(out["residual"], np.float64) ** 2, axis=0)
    np.testing.assert_allclose(left, 0.09, rtol=0.05)


def test_the_p_value_is_that_of_the_likelihood_ratio():
    expression, time = simulated()
    for with_base, freedom in ((False, 2), (True, 3)):
        block = prepared(expression, time, with_base=with_base)
        out = block(jnp.asarray(expression), jnp.asarray(time))
        left = np.sum(np.asarray(out["residual"], np.float64) ** 2, axis=0)
        spread = np.sum((expression - expression.mean(0, dtype=np.float64)) ** 2, axis=0)
        expected = chi2.sf(len(time) * np.log(spread / left), freedom)
        np.testing.assert_allclose(out["p_values"][3], expected[3], rtol=1e-3)
        np.testing.assert_allclose(out["switch_scores"], 1 - left / spread, atol=1e-5)


def test_p_values_of_genes_that_do_not_change_are_spread_evenly():
    random = np.random.default_rng(1)
    block = prepared(random.normal(2, 1, (400, 600)).astype(np.float32), random.uniform(size=400))
    p = np.asarray(block.unlikely[...])
    # A switch may also sit at its best place, so small values are more common than they should be
    # (the model is irregular where there is no switch); what matters is that they stay rare.
    assert np.mean(p < 0.05) < 0.2 and np.mean(p < 1e-4) < 0.01


def test_at_temperature_zero_the_expression_is_a_step_at_the_switch_time():
    expression, time = simulated()
    block = prepared(expression, time)
    block.dials["temperature"][...] = jnp.asarray(1e-5)
    out = block(jnp.asarray(expression), jnp.asarray(time))
    at, up = np.asarray(out["switch_times"]), np.asarray(out["k"]) > 0
    far = np.abs(time[:, None] - at) > 0.01
    step = np.where((time[:, None] > at) == up, np.asarray(block.amplitude[...]), 0)
    np.testing.assert_allclose(np.asarray(out["predicted_expression"])[far], step[far], atol=1e-5)


def test_a_refresh_judges_the_present_curves_and_leaves_them_alone():
    expression, time = simulated()
    block = prepared(expression, time)
    block.amplitude[...] = 0.5 * block.amplitude[...]
    before = np.asarray(block.amplitude[...])
    block.prepare_from({"counts": expression, "pseudotime": time}, KEY, first=False)
    np.testing.assert_array_equal(block.amplitude[...], before)
    out = block(jnp.asarray(expression), jnp.asarray(time))
    left = np.sum(np.asarray(out["residual"]) ** 2, axis=0)
    spread = np.sum((expression - expression.mean(0)) ** 2, axis=0)
    np.testing.assert_allclose(out["switch_scores"], np.maximum(1 - left / spread, 0), atol=1e-4)


def test_counts_are_taken_as_log_counts_per_ten_thousand():
    random = np.random.default_rng(4)
    counts, time = random.poisson(3, (300, 20)).astype(np.float32), random.uniform(size=300)
    counts[0] = 0  # an empty cell has no expression, and is no reason to fail
    total = np.maximum(counts.sum(1, keepdims=True), 1)
    logs = np.log1p(1e4 * counts / total)
    ours = prepared(counts, time, normalize=True)(jnp.asarray(counts), jnp.asarray(time))
    given = prepared(logs, time)(jnp.asarray(logs), jnp.asarray(time))
    np.testing.assert_allclose(ours["switch_scores"], given["switch_scores"], atol=1e-4)
    np.testing.assert_allclose(ours["residual"], given["residual"], atol=2e-2)


def test_a_pseudotime_that_orders_nothing_is_refused():
    with pytest.raises(DataError, match="pseudotime: is the same for all cells"):
        prepared(np.ones((5, 2), np.float32), np.zeros(5))


def test_what_was_found_of_genes_goes_into_var(tmp_path):
    data = anndata.AnnData(np.ones((3, 2), np.float32))
    written = write_result(
        data, tmp_path / "out.h5ad", {"var/switch_time_diffbio": np.array([0.1, 0.2])}, {}
    )
    assert written.keys["var/switch_time_diffbio"] == "var/switch_time_diffbio"
    back = anndata.read_h5ad(tmp_path / "out.h5ad")
    np.testing.assert_allclose(back.var["switch_time_diffbio"], [0.1, 0.2])
    other = write_result(data, tmp_path / "two.h5ad", {"var/x": np.zeros(7)}, {})
    assert "var/x was left out: it is of 7 genes, but the file has 2." in other.notes
