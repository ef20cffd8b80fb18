"""Stochastic gates: the published penalty, noise only while training, the right genes learned."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy.stats import norm

from diffbio_engine.operators.singlecell import (
    StochasticGateSelector,
    StochasticGateSelectorConfig,
)


def gates(n_genes=6, **settings):
    return StochasticGateSelector(StochasticGateSelectorConfig(n_genes=n_genes, **settings))


def test_the_penalty_is_the_expected_number_of_open_gates(key):
    block = gates(l0_lambda=2.0, sigma=0.5)
    mu = np.array([-1.0, -0.2, 0.0, 0.3, 0.9, 2.0])
    block.mu[...] = jnp.asarray(mu)
    x = jnp.ones((4, 6))
    penalty = float(block(x)["l0_penalty"])
    assert penalty == pytest.approx(2.0 * norm.cdf(mu / 0.5).sum(), rel=1e-5)
    drawn = jax.vmap(lambda k: block(x, key=k)["gate"])(jax.random.split(key, 4000))
    # Counted over 4000 draws: a standard error of 0.04 for the sum.
    assert float((drawn > 0).mean(0).sum()) == pytest.approx(penalty / 2, abs=0.1)
    assert float(drawn.min()) >= 0 and float(drawn.max()) <= 1


def test_gates_are_noisy_in_train_mode_and_still_in_eval_mode():
    block, x = gates(), {"features": jnp.ones((3, 6))}
    block.train_mode()
    a, b = (block.apply(x, {}, None)[0]["gate"] for _ in range(2))
    assert (a != b).any()
    block.eval_mode()
    c, d = (block.apply(x, {}, None)[0] for _ in range(2))
    np.testing.assert_array_equal(c["gate"], 0.5)
    np.testing.assert_array_equal(c["gated_features"], d["gated_features"])
    np.testing.assert_array_equal(c["features"], 1.0)


def test_the_genes_that_a_task_needs_are_found():
    import optax

    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(300, 20)))
    y = x[:, 2] - 2 * x[:, 7]
    block = gates(20, l0_lambda=0.05)
    weights = jnp.zeros(20)
    learn = optax.adam(0.03)
    state = learn.init((block.mu[...], weights))

    @jax.jit
    def step(mu, weights, state, key):
        def loss(both):
            state = nnx.state(block)
            state["mu"] = nnx.Param(both[0])
            out = nnx.merge(nnx.graphdef(block), state)(x, key=key)
            return jnp.mean((out["gated_features"] @ both[1] - y) ** 2) + out["l0_penalty"]

        slope = jax.grad(loss)((mu, weights))
        change, state = learn.update(slope, state)
        return *optax.apply_updates((mu, weights), change), state

    mu = block.mu[...]
    for i in range(600):
        mu, weights, state = step(mu, weights, state, jax.random.key(i))
    gate = np.clip(np.asarray(mu), 0, 1)
    assert set(np.flatnonzero(gate > 0.5)) == {2, 7}
    assert gate[[g for g in range(20) if g not in (2, 7)]].max() < 0.1


def test_raw_counts_are_recognised_and_logged(key):
    counts = np.random.default_rng(1).poisson(3.0, (30, 6)).astype(np.float32) + 0.0
    block = gates()
    block.prepare_from({"expression": counts}, key)
    logged = np.log1p(1e4 * counts / counts.sum(axis=1, keepdims=True))
    np.testing.assert_allclose(
        block(jnp.asarray(counts))["gated_features"], 0.5 * logged, rtol=1e-5
    )
    block.prepare_from({"expression": logged}, key, first=False)
    np.testing.assert_allclose(
        block(jnp.asarray(logged))["gated_features"], 0.5 * logged, rtol=1e-6
    )


def test_the_input_and_open_gates_have_gradients():
    block, x = gates(), jnp.ones((3, 6))
    block.mu[...] = jnp.array([-0.5, 0.2, 0.5, 0.8, 1.5, 0.9])
    slope = nnx.grad(lambda b: b(x)["gated_features"].sum())(block)["mu"][...]
    np.testing.assert_array_equal(slope, [0, 3, 3, 3, 0, 3])
