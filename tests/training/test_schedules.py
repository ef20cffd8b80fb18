"""Schedules: each formula by numbers, plain and traced, and what cannot be."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from diffbio_engine.errors import SettingError
from diffbio_engine.training import (
    ConstantTemperature,
    CosineTemperature,
    ExponentialTemperature,
    LinearTemperature,
    schedule_from,
    temperature_schedule,
)

STEPS = [0, 250, 500, 750, 1000, 2000]
# Worked out by hand: 10 to 0.1 in 1000 steps; a quarter of the way is 10^-0.5 of the start.
BY_HAND = {
    ExponentialTemperature: [10.0, 3.1622777, 1.0, 0.31622777, 0.1, 0.1],
    LinearTemperature: [10.0, 7.525, 5.05, 2.575, 0.1, 0.1],
    CosineTemperature: [10.0, 8.5501786, 5.05, 1.5498214, 0.1, 0.1],
    ConstantTemperature: [10.0] * 6,
}
each_kind = pytest.mark.parametrize(
    "kind, expected", BY_HAND.items(), ids=[k.kind for k in BY_HAND]
)


@each_kind
def test_a_schedule_is_its_formula_and_stays_at_its_end(kind, expected):
    schedule = kind(10.0, 0.1, steps=1000)
    np.testing.assert_allclose([schedule(step) for step in STEPS], expected, rtol=1e-7)
    assert all(isinstance(schedule(step), float) for step in STEPS)


@each_kind
def test_a_traced_step_gives_the_same(kind, expected):
    schedule = jax.jit(kind(10.0, 0.1, steps=1000))
    # In float32 the difference of ends loses digits where a hundredth of the start is left.
    np.testing.assert_allclose([schedule(step) for step in STEPS], expected, rtol=1e-5)
    np.testing.assert_allclose(jax.vmap(schedule)(jnp.asarray(STEPS)), expected, rtol=1e-5)


@each_kind
def test_a_schedule_goes_through_plain_data_and_waits_for_its_start(kind, expected):
    late = schedule_from(kind(10.0, 0.1, steps=1000, start=300).to_dict())
    assert isinstance(late, kind) and late(0) == late(300) == 10.0
    np.testing.assert_allclose([late(step + 300) for step in STEPS], expected, rtol=1e-7)


def test_they_agree_with_those_of_optax():
    peers = {
        LinearTemperature: optax.linear_schedule(10.0, 0.1, 1000),
        CosineTemperature: optax.cosine_decay_schedule(10.0, 1000, alpha=0.01),
        ExponentialTemperature: optax.exponential_decay(10.0, 1000, 0.01, end_value=0.1),
    }
    for kind, peer in peers.items():
        ours = kind(10.0, 0.1, steps=1000)
        for step in (*STEPS, 123):
            assert ours(step) == pytest.approx(float(peer(step)), rel=1e-5)


def test_an_optimizer_of_optax_takes_a_schedule_as_its_learning_rate():
    rule = optax.sgd(LinearTemperature(1.0, 0.0, steps=2))
    state, moved = rule.init(0.0), []
    for _ in range(3):
        step, state = jax.jit(rule.update)(1.0, state)
        moved.append(float(step))
    assert moved == [-1.0, -0.5, 0.0]


def test_the_formula_of_the_field_goes_on_falling():
    expected = [10.0, 1.0, 0.1, 0.001]
    steps = [0, 5000, 10000, 20000]
    np.testing.assert_allclose([temperature_schedule(s) for s in steps], expected)
    np.testing.assert_allclose(jax.vmap(temperature_schedule)(jnp.asarray(steps)), expected, 1e-5)
    assert temperature_schedule(50, initial=1.0, final=0.25, decay_steps=100) == 0.5


@pytest.mark.parametrize(
    "facts, sentence",
    [
        ({"kind": "exponential", "initial": 0, "final": 1}, "cannot go from 0 to 1"),
        ({"kind": "cosin", "initial": 1, "final": 0}, "Did you mean 'cosine'?"),
        ({"kind": "linear", "from": 1}, "initial, final, steps and start; this one has from"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused_as_it_is_made(facts, sentence):
    with pytest.raises(SettingError, match=sentence.replace("?", r"\?")):
        schedule_from(facts)


@pytest.mark.parametrize("options", [{"initial": -1.0}, {"final": 0.0}, {"decay_steps": 0}])
def test_the_formula_of_the_field_refuses_what_has_no_ratio(options):
    with pytest.raises(SettingError):
        temperature_schedule(3, **options)
