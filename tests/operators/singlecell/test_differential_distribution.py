"""Differential distributions: SciPy's two-sample test, known patterns, and the exact limit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import false_discovery_control, ks_2samp

from diffbio_engine.data.demos.simulated_time_course import simulate_time_course
from diffbio_engine.errors import DataError
from diffbio_engine.operators.singlecell import (
    DifferentiableDifferentialDistribution,
    DifferentialDistributionConfig,
)
from diffbio_engine.operators.singlecell.differential_distribution._distribution_distances import (
    differences,
    in_order,
    kolmogorov_p,
)
from diffbio_engine.operators.singlecell.differential_distribution._mode_patterns import PATTERNS

KEY = jax.random.key(0)


def block(n_genes, **settings):
    return DifferentiableDifferentialDistribution(
        DifferentialDistributionConfig(n_genes=n_genes, **settings)
    )


@pytest.fixture(scope="module")
def course():
    data = simulate_time_course()
    counts, conditions = data.X.toarray(), data.obs["condition"].cat.codes.to_numpy(np.int32)
    compared = block(400)
    compared.prepare_from({"counts": counts, "condition_labels": conditions}, KEY)
    found = compared(jnp.asarray(counts[:3]), jnp.asarray(conditions[:3]))
    logs = np.asarray(compared._expression(jnp.asarray(counts)))
    tests = [ks_2samp(logs[conditions == 0, g], logs[conditions == 1, g], method="asymp")
             for g in range(400)]  # fmt: skip
    statistic, p = np.array([(t.statistic, t.pvalue) for t in tests]).T
    truth = data.var["true_pattern"].to_numpy().astype(str)
    return {k: np.asarray(v) for k, v in found.items()}, logs, conditions, statistic, p, truth


def test_exact_statistics_are_those_of_scipy_with_all_their_zeros(course):
    _, logs, conditions, statistic, _, _ = course
    groups = jnp.asarray(conditions == 0), jnp.asarray(conditions == 1)
    apart = differences(in_order(jnp.asarray(logs.T), *groups))
    np.testing.assert_allclose(np.abs(apart).max(axis=1), statistic, atol=1e-6)


def test_p_and_q_values_are_those_of_scipy(course):
    found, _, _, _, p, _ = course
    np.testing.assert_allclose(found["p_values"], p, atol=0.01)
    small = (p < 0.05) & (p > 1e-30)
    # SciPy takes Kolmogorov's law for so many cells, here it is the limit with a correction.
    np.testing.assert_allclose(found["p_values"][small], p[small], rtol=0.03)
    again = false_discovery_control(found["p_values"].astype(float))
    np.testing.assert_allclose(found["q_values"], again, rtol=1e-4, atol=1e-30)


def test_the_exact_law_for_few_cells_is_near():
    for d in (0.2, 0.3, 0.4):
        exact = ks_2samp(np.arange(60.0), np.arange(60.0) + 60 * d - 0.5, method="exact")
        ours = kolmogorov_p(jnp.array([exact.statistic]), jnp.array([60.0]), jnp.array([60.0]))
        assert float(ours[0]) == pytest.approx(exact.pvalue, rel=0.3)


def test_the_soft_statistic_becomes_the_exact_one():
    random = np.random.default_rng(0)
    values = random.normal(size=(300, 6)).astype(np.float32)
    values[:, 3:] = np.floor(np.maximum(values[:, 3:], 0) * 4)  # ties, most of them at 0
    groups = (random.random(300) < 0.4).astype(np.int32)
    values[groups == 1] += np.linspace(0, 1, 6, dtype=np.float32) * (values[groups == 1] > 0)
    exact = [ks_2samp(values[groups == 0, g], values[groups == 1, g]).statistic for g in range(6)]
    errors = []
    for temperature in (5.0, 1.0, 1e-5):
        soft = block(6, normalize=False, temperature=temperature, maximum_temperature=1e-5)
        found = soft(jnp.asarray(values), jnp.asarray(groups))["ks_statistics"]
        errors.append(float(np.abs(found - np.array(exact)).max()))
    assert errors[0] > errors[1] > errors[2] and errors[2] < 1e-4


def test_soft_statistics_do_not_depend_on_the_unit():
    random = np.random.default_rng(1)
    values, groups = random.gamma(2.0, size=(200, 4)).astype(np.float32), np.arange(200) % 2
    one, ten = (
        block(4, normalize=False)(jnp.asarray(values * unit), jnp.asarray(groups))
        for unit in (1.0, 10.0)
    )
    np.testing.assert_allclose(one["ks_statistics"], ten["ks_statistics"], atol=1e-5)


def test_simulated_patterns_are_recognised(course):
    found, _, _, _, _, truth = course
    seen = np.array(PATTERNS)[found["categories"].astype(int)]
    differs = truth != "none"
    assert np.mean(seen[differs] != "none") == 1.0 and np.mean(seen[~differs] != "none") < 0.02
    # Modes of counts run into each other: DM is often seen as DE (6 of 15 are right).
    for pattern, least in (("DE", 0.8), ("DP", 0.9), ("DB", 0.8), ("DM", 0.3)):
        assert np.mean(seen[truth == pattern] == pattern) >= least, pattern


def test_the_head_starts_at_shift_scale_both_and_none():
    random = np.random.default_rng(2)
    first = random.normal(5, 1, (400, 4))
    second = np.column_stack(
        [random.normal(*how, 400) for how in ((6, 1), (5, 2), (6, 2), (5, 1))]
    )  # fmt: skip
    values, groups = np.vstack([first, second]).astype(np.float32), np.repeat([0, 1], 400)
    found = block(4, normalize=False)(jnp.asarray(values), jnp.asarray(groups))
    np.testing.assert_array_equal(found["pattern_labels"], [0, 1, 2, 3])
    np.testing.assert_allclose(found["mean_change"], [1, 0, 1, 0], atol=0.25)


def test_zeros_alone_are_a_pattern_of_their_own_and_other_conditions_take_no_part():
    random = np.random.default_rng(3)
    values = random.normal(4, 0.5, (900, 2)).astype(np.float32)
    groups = np.repeat([0, 1, 2], 300)
    values[(groups == 1) & (random.random(900) < 0.4), 0] = 0
    values[groups == 2] = 50.0
    found = block(2, normalize=False)(jnp.asarray(values), jnp.asarray(groups))
    np.testing.assert_array_equal(found["categories"], [PATTERNS.index("DZ"), 0])
    assert float(found["zero_change"][0]) == pytest.approx(0.4, abs=0.08)
    without = block(2, normalize=False)(jnp.asarray(values[:600]), jnp.asarray(groups[:600]))
    np.testing.assert_allclose(found["ks_statistics"], without["ks_statistics"], atol=2e-3)


def test_what_prepare_found_is_kept_whatever_cells_are_given(course):
    found, logs, conditions, statistic, _, _ = course
    few = block(400, normalize=False)
    few.prepare_from({"counts": logs, "condition_labels": conditions}, KEY)
    again = few(jnp.asarray(logs[7:9]), jnp.asarray(conditions[7:9]))
    for name in ("ks_statistics", "p_values", "categories", "pattern_logits"):
        np.testing.assert_allclose(again[name], found[name], rtol=1e-4, atol=1e-5)
    # The default temperature rounds the corners of the functions a little.
    np.testing.assert_allclose(found["ks_statistics"], statistic, atol=0.05)


def test_a_condition_without_cells_is_refused():
    values = np.ones((5, 2), np.float32)
    with pytest.raises(DataError, match="condition_labels: has 0 cells of condition 1"):
        block(2).prepare_from({"counts": values, "condition_labels": np.zeros(5, int)}, KEY)
