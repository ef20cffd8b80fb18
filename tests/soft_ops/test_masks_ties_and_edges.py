"""Where soft orders usually break: masks, ties, tiny softness, nothing there, what is no number."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffbio_engine import soft_ops
from diffbio_engine.errors import DataError, SettingError

X = np.array([0.3, -1.2, 7.7, 0.7, 1.5, -9.0], np.float32)
COUNTS = np.array([1, 1, 0, 1, 1, 0], bool)
METHODS = ["softsort", "neuralsort", "sorting_network", "fast_soft_sort"]
each_method = pytest.mark.parametrize("method", METHODS)
each_with_places = pytest.mark.parametrize("method", METHODS[:3])
each_mode = pytest.mark.parametrize("mode", soft_ops.MODES)


@each_mode
@each_method
def test_what_does_not_count_is_as_if_it_were_not_there(method, mode):
    how = {"method": method, "mode": mode, "softness": 0.2}
    spoiled = np.where(COUNTS, X, [0, 0, np.nan, 0, 0, 1e10]).astype(np.float32)
    for x in (X, spoiled):
        np.testing.assert_allclose(
            soft_ops.sort(x, where=COUNTS, **how),
            np.append(soft_ops.sort(X[COUNTS], **how), [0, 0]), atol=1e-6,
        )  # fmt: skip
        np.testing.assert_allclose(
            soft_ops.rank(x, where=COUNTS, **how)[COUNTS], soft_ops.rank(X[COUNTS], **how),
            atol=1e-5,
        )  # fmt: skip
        for function in (soft_ops.max, soft_ops.min, soft_ops.median):
            np.testing.assert_allclose(
                function(x, where=COUNTS, **how), function(X[COUNTS], **how), atol=1e-6
            )
        if mode == "hard" or method != "fast_soft_sort":
            shares = soft_ops.argmax(x, where=COUNTS, **how)
            assert np.all(shares[~COUNTS] == 0) and abs(shares.sum() - 1) < 1e-6
        slope = jax.grad(lambda x: soft_ops.max(x, where=COUNTS, **how))(jnp.asarray(x))
        assert np.isfinite(slope).all() and np.all(slope[~COUNTS] == 0)


@each_mode
@each_with_places
def test_where_nothing_counts_there_is_nothing(method, mode):
    nothing = np.zeros(6, bool)
    how = {"method": method, "mode": mode, "where": nothing}
    np.testing.assert_array_equal(soft_ops.sort(X, **how), np.zeros(6))
    np.testing.assert_array_equal(soft_ops.argmax(X, **how), np.zeros(6))


@pytest.mark.parametrize("mode", soft_ops.SOFT_MODES)
@each_with_places
def test_ties_share_alike(method, mode):
    shares = soft_ops.argmax(np.array([1.0, 3, 3, 2]), method=method, mode=mode, softness=0.01)
    np.testing.assert_allclose(shares, [0, 0.5, 0.5, 0], atol=1e-5)
    same = soft_ops.argmax(np.full(4, 2.0), method=method, mode=mode)
    np.testing.assert_allclose(same, 0.25, atol=1e-6)


@pytest.mark.parametrize("mode", ["c0", "c1", "c2"])
def test_no_digits_are_lost_at_a_tiny_softness_in_float32(mode):
    # softjax's c0 is 7e-3 off at 1e-5.
    for softness in (1e-3, 1e-5, 1e-7):
        assert abs(soft_ops.max(X, softness=softness, mode=mode) - 7.7) < 1e-6


@pytest.mark.parametrize("mode", soft_ops.SOFT_MODES)
def test_projected_values_keep_their_digits_in_float32(mode):
    # softjax's c1 and c2 are 0.8 and 17 off at softness 1e-3. Two close values are pooled.
    x = np.array([0.3, -1.2, 2.1, 0.30001, 1.5], np.float32)
    for softness in (1e-2, 1e-3, 1e-5, 1e-7):
        found = soft_ops.sort(x, method="fast_soft_sort", mode=mode, softness=softness)
        np.testing.assert_allclose(found, np.sort(x), atol=2e-5)
        wide = soft_ops.sort(x, method="fast_soft_sort", mode=mode, softness=1.0)
        with jax.enable_x64(True):
            exact = soft_ops.sort(
                x.astype(np.float64), method="fast_soft_sort", mode=mode, softness=1.0
            )
        np.testing.assert_allclose(wide, exact, atol=2e-5)


@each_method
def test_an_outlier_comes_back_as_what_it_was(method):
    # Standardized it is 1 to the last digit of a float32.
    x = np.append(np.random.default_rng(0).normal(size=900), 60.0).astype(np.float32)
    found = soft_ops.sort(x, method=method, softness=1e-5)
    np.testing.assert_allclose(found, np.sort(x), atol=1e-3)


def test_isclose_is_never_above_one():
    for softness in (1e-3, 1e-5, 1e-6, 1e-8):
        assert abs(soft_ops.isclose(1.0, 1.0, softness=softness) - 1) < 1e-6


def test_what_is_no_number_makes_its_row_so_and_no_other():
    x = np.stack([X, X])
    x[0, 2] = np.nan
    for method in METHODS:
        found = soft_ops.sort(x, axis=1, method=method)
        assert np.isnan(found[0]).all() and np.isfinite(found[1]).all()


def test_no_values_are_refused_in_words():
    with pytest.raises(DataError, match="x: has no values"):
        soft_ops.max(np.empty((0,)))
    with pytest.raises(SettingError, match=r"k: 9 values are asked where there are 6. Use 1 to 6"):
        soft_ops.top_k(X, 9)
    with pytest.raises(SettingError, match=r"mode: 'smoth' is not known here. Did you mean"):
        soft_ops.abs(X, mode="smoth")
    with pytest.raises(SettingError, match="q: 30 is outside 0 to 1"):
        soft_ops.quantile(X, 30)


def test_the_mask_of_the_largest_adds_up_to_their_number():
    x = np.random.default_rng(0).normal(size=(5, 40)).astype(np.float32)
    for softness in (1e-6, 0.01, 0.3, 5.0):
        mask = soft_ops.top_k_mask(x, 7, softness=softness)
        np.testing.assert_allclose(mask.sum(1), 7, rtol=1e-5)
        assert np.all(mask >= 0) and np.all(mask <= 1)
    hard = soft_ops.top_k_mask(x, 7, mode="hard")
    np.testing.assert_array_equal(soft_ops.top_k_mask(x, 7, softness=1e-6), hard)
    some = np.arange(40) < 5
    np.testing.assert_array_equal(soft_ops.top_k_mask(x, 7, where=some), np.tile(some, (5, 1)))


def test_the_maximum_of_dynamic_programs_lies_above_and_the_mean_below():
    soft, mean = soft_ops.logsumexp_max(X, softness=0.5), soft_ops.max(X, softness=0.5)
    assert 7.7 <= soft <= 7.7 + 0.5 * np.log(6) and mean < 7.7


def test_a_softness_for_many_values_sees_as_sharp_as_for_ten():
    rng = np.random.default_rng(0)
    far = {
        n: np.abs(soft_ops.sort(x := rng.normal(size=n), softness=soft_ops.softness_for(n))
                  - np.sort(x)).mean()
        for n in (10, 300)
    }  # fmt: skip
    assert far[300] < far[10]


def test_values_at_sure_places_are_those_of_numpy():
    x = np.arange(12.0).reshape(3, 4)
    index = np.eye(4)[[2, 0]]
    np.testing.assert_array_equal(soft_ops.take(x, index, axis=1), x[:, [2, 0]])
    order = np.argsort(-x, axis=1)
    along = soft_ops.take_along_axis(x, np.eye(4)[order], axis=1)
    np.testing.assert_array_equal(along, np.take_along_axis(x, order, 1))
    np.testing.assert_array_equal(soft_ops.dynamic_index_in_dim(x, np.eye(3)[1]), x[1:2])
    window = soft_ops.dynamic_slice(x, [np.eye(3)[1], np.eye(4)[2]], [2, 2])
    np.testing.assert_array_equal(window, x[1:3, 2:4])
    np.testing.assert_array_equal(soft_ops.choose(np.eye(3)[1], x), x[1])
    with pytest.raises(DataError, match="soft_index: has shares of 4 positions where there are 3"):
        soft_ops.choose(np.eye(4)[1], x)


def test_edges_of_domains_have_values_and_gradients():
    edge = jnp.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    for function, value in {
        soft_ops.sqrt: [0, 0, 0, 1, np.sqrt(2)],
        soft_ops.log: [0, 0, 0, 0, np.log(2)],
        soft_ops.arcsin: [-np.pi / 2, -np.pi / 2, 0, np.pi / 2, np.pi / 2],
        soft_ops.arccos: [np.pi, np.pi, np.pi / 2, 0, 0],
    }.items():
        np.testing.assert_allclose(function(edge), value, atol=1e-6)
        assert np.isfinite(jax.grad(lambda x, f=function: f(x).sum())(edge)).all()
    assert soft_ops.div(1.0, 0.0) == 0 and soft_ops.norm(jnp.zeros(3)) == 0
    assert np.all(jax.grad(soft_ops.norm)(jnp.zeros(3)) == 0)


def test_a_large_sort_keeps_its_memory():
    # 12 000 values: the square alone would be 576 MB.
    x = jnp.asarray(np.random.default_rng(0).permutation(12_000), jnp.float32)
    run = jax.jit(lambda x: soft_ops.sort(x, softness=1e-5, method="softsort"))
    used = run.lower(x).compile().memory_analysis()
    assert used.temp_size_in_bytes < 100e6
