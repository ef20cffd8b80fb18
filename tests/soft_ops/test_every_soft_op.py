"""What every soft operation promises. The operations are found in the namespace, none by hand."""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffbio_engine import soft_ops

X = np.array([0.31, -1.24, 2.13, 0.78, -0.52, 1.57])  # no ties, no halves, uneven gaps
Y = np.array([0.44, 0.95, 1.2, -0.31, -0.6, 0.02])
MORE = {"clip": (-0.7, 1.1), "top_k": (2,), "top_k_mask": (2,)}
SOFTNESS = [1e-4, 1e-2, 0.1, 1.0, 10.0]

METHODS = ["softsort", "neuralsort", "sorting_network", "fast_soft_sort"]
VALUES_ONLY = ["fast_soft_sort"]

MODED = {
    name: function
    for name in soft_ops.__all__
    if inspect.isfunction(function := getattr(soft_ops, name))
    and "mode" in inspect.signature(function).parameters
}
SOFT = {name: function for name, function in MODED.items() if not name.endswith("_st")}
STRAIGHT_THROUGH = {name: f for name, f in MODED.items() if name.endswith("_st")}


def others(name):
    """The arguments beside the array, softness and mode."""
    name = name.removesuffix("_st")
    parameters = inspect.signature(MODED[name]).parameters
    if name in MORE:
        return MORE[name]
    if "y" in parameters:
        return (Y,)
    return (0.3,) if "q" in parameters else (30.0,) if "p" in parameters else ()


def modes_of(name):
    hard = inspect.signature(MODED[name.removesuffix("_st")]).parameters["mode"].annotation
    soft = ["smooth"] if name.startswith("top_k_mask") else list(soft_ops.SOFT_MODES)
    return soft, hard is not soft_ops.SoftMode


def first(answer):
    return answer[0] if isinstance(answer, tuple) else answer


def hard_answer(name):
    """By NumPy alone."""
    order = np.argsort(X)
    one = np.eye(len(X))
    at = {"below": order[1], "above": order[2]}  # 0.3 of 5 steps: halfway between places 1 and 2
    answers = {
        "abs": np.abs(X), "sign": np.sign(X), "heaviside": np.heaviside(X, 0.5),
        "relu": np.maximum(X, 0), "clip": np.clip(X, -0.7, 1.1), "round": np.round(X),
        "softrelu": np.maximum(X, 0), "sigmoidal": np.heaviside(X, 0.5),
        "greater": X > Y, "greater_equal": X >= Y, "less": X < Y, "less_equal": X <= Y,
        "equal": X == Y, "not_equal": X != Y, "isclose": np.isclose(X, Y),
        "max": X.max(), "min": X.min(), "argmax": one[X.argmax()], "argmin": one[X.argmin()],
        "sort": np.sort(X), "argsort": one[order], "rank": np.argsort(order) + 1,
        "top_k": np.sort(X)[::-1][:2], "top_k_mask": np.argsort(order) >= 4,
        "quantile": np.quantile(X, 0.3), "percentile": np.percentile(X, 30),
        "median": np.median(X),
        "argquantile": 0.5 * (one[at["below"]] + one[at["above"]]),
        "argmedian": 0.5 * (one[order[2]] + one[order[3]]),
    }  # fmt: skip
    answers["argpercentile"] = answers["argquantile"]
    return np.asarray(answers[name.removesuffix("_st")], float)


each = pytest.mark.parametrize("name", SOFT)
each_straight = pytest.mark.parametrize("name", STRAIGHT_THROUGH)


def test_all_the_names_are_there():
    assert len(SOFT) == 29 + 1 and len(STRAIGHT_THROUGH) == 28
    public = [n for n in soft_ops.__all__ if callable(getattr(soft_ops, n)) and n[0].islower()]
    extra = {"logsumexp_max", "softness_for"}  # ours, beyond the 77 and the two masks
    assert len(set(public) - extra) == 79


@each
def test_hard_mode_is_the_hard_operation_and_low_softness_comes_near_it(name):
    _, has_hard = modes_of(name)
    if has_hard:
        got = jax.jit(lambda x: first(SOFT[name](x, *others(name), mode="hard")))(X)
        np.testing.assert_allclose(got, hard_answer(name), atol=1e-6)
    # In float32 a hundredth is what rounding leaves of some ranks at this softness.
    with jax.enable_x64(True):
        for said, (_, got, _) in in_every_way(name)(jnp.asarray(X, float), 1e-4).items():
            np.testing.assert_allclose(got, hard_answer(name), atol=1e-2, err_msg=said)


def ways(name):
    """Modes and methods to try: each mode with the function's own method and with one other.

    The others take turns, so that every function meets every method.
    """
    soft, _ = modes_of(name)
    if "method" not in inspect.signature(SOFT[name]).parameters:
        return [(mode, {}) for mode in soft]
    own = inspect.signature(SOFT[name]).parameters["method"].default
    further = [m for m in METHODS if m != own and not (m in VALUES_ONLY and "arg" in name)]
    turns = range(list(SOFT).index(name), 99)
    return [
        (mode, {"method": method})
        for mode, turn in zip(soft, turns, strict=False)
        for method in (own, further[turn % len(further)])
    ]


@functools.cache
def in_every_way(name):
    """Compiled as one: by mode and method a weighted sum of the answer, the answer, and the
    gradients of the sum by ``x`` and by the softness."""

    def weighted(x, softness, how):
        answer = first(SOFT[name](x, *others(name), softness=softness, **how))
        weights = jnp.arange(1.0, answer.size + 1).reshape(answer.shape)
        return jnp.sum(answer * weights), answer

    def one(x, softness, **how):
        by_both = jax.value_and_grad(weighted, argnums=(0, 1), has_aux=True)
        (value, answer), slopes = by_both(x, softness, how)
        return value, answer, slopes

    return jax.jit(
        lambda x, softness: {
            str((mode, how)): one(x, softness, mode=mode, **how) for mode, how in ways(name)
        }
    )


@each
def test_values_and_gradients_are_finite_and_those_of_finite_differences(name):
    f = in_every_way(name)
    for wide in (False, True):
        with jax.enable_x64(wide):
            x = jnp.asarray(X, float)
            f(x, 0.5)
            n_compiled = f._cache_size()
            for softness in SOFTNESS:
                for said, (_, answer, slopes) in f(x, softness).items():
                    assert answer.dtype == x.dtype, (said, wide)
                    assert np.isfinite(answer).all(), (said, wide, softness)
                    assert all(np.isfinite(s).all() for s in slopes), (said, wide, softness)
            # A softness that is a traced number moves without a new compilation.
            assert f._cache_size() == n_compiled
    with jax.enable_x64(True):
        x = jnp.asarray(X, float)
        found = {said: np.append(*slopes) for said, (_, _, slopes) in f(x, 0.37).items()}
        steps = 1e-6 * np.eye(len(X) + 1)
        ends = [[f(x + z * s[:-1], 0.37 + z * s[-1]) for z in (1, -1)] for s in steps]
        for said, slope in found.items():
            far = [(ahead[said][0] - behind[said][0]) / 2e-6 for ahead, behind in ends]
            np.testing.assert_allclose(slope, far, atol=2e-5, rtol=1e-5, err_msg=said)


@each
def test_vmap_and_jit_give_the_same(name):
    rows = np.stack([X, X[::-1] * 1.7])

    def f(x):
        return first(SOFT[name](x, *others(name), softness=0.2, mode=modes_of(name)[0][0]))

    alone = np.stack([f(row) for row in rows])
    np.testing.assert_allclose(jax.jit(jax.vmap(f))(rows), alone, atol=2e-6)


@each_straight
def test_straight_through_is_the_hard_value_with_the_soft_gradient(name):
    plain = SOFT[name.removesuffix("_st")]

    def total(function):
        def f(x):
            answer = first(function(x, *others(name), softness=0.3))
            return jnp.sum(answer * jnp.arange(1.0, answer.size + 1).reshape(answer.shape))

        return f

    hard = jax.jit(lambda x: first(plain(x, *others(name), mode="hard")))(X)
    straight = jax.jit(lambda x: first(STRAIGHT_THROUGH[name](x, *others(name))))(X)
    np.testing.assert_array_equal(straight, hard)
    x = jnp.asarray(X, float)
    np.testing.assert_allclose(
        jax.jit(jax.grad(total(STRAIGHT_THROUGH[name])))(x),
        jax.jit(jax.grad(total(plain)))(x),
        rtol=1e-6,
    )


@each
def test_a_softness_of_zero_is_refused_in_words(name):
    with pytest.raises(ValueError, match=r"softness: 0.* Use a number above 0"):
        SOFT[name](X, *others(name), softness=0.0, mode="smooth")
