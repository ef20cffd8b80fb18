"""Temperatures: turned all at once without recompiling, learned without leaving their range."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from diffbio_engine.data import CellSource
from diffbio_engine.declare import Kind, operators
from diffbio_engine.errors import SettingError
from diffbio_engine.pipelines import (
    Block,
    PipelineSpec,
    Wire,
    build,
    create_single_cell_pipeline,
    ports_of,
)
from diffbio_engine.training import (
    LinearTemperature,
    Stage,
    Training,
    set_temperature,
    temperature_schedule,
)
from tests.contracts.examples_of_operators import example_inputs, example_operator, total

SOFT_KMEANS = operators()["singlecell.soft_kmeans"]
POINTS = np.random.default_rng(0).normal(scale=2.0, size=(40, 4)).astype(np.float32)


def two_clusterings(**second):
    spec = PipelineSpec(
        name="Two clusterings",
        blocks=(
            Block("one", "singlecell.soft_kmeans", {"n_clusters": 3}),
            Block("two", "singlecell.soft_kmeans", {"n_clusters": 3, **second}),
        ),
        wires=(
            Wire("data.embeddings", "one.embeddings"),
            Wire("data.embeddings", "two.embeddings"),
        ),
    )
    cells = CellSource(per_cell={"embeddings": POINTS})
    return build(spec, ports_of(cells, {})), cells


def test_every_temperature_of_a_pipeline_is_turned_and_no_other_dial():
    pipeline = create_single_cell_pipeline(n_genes=20, latent_dim=3, hidden_dims=(8,), n_clusters=3)
    before = pipeline.dials
    turned = set_temperature(pipeline, 0.3)
    after = pipeline.dials
    assert set(turned) == {name for name in before if name.endswith(".temperature")}
    assert len(turned) == 3  # ambient removal, Harmony, clusters
    for name, value in after.items():
        assert value == pytest.approx(0.3 if name in turned else before[name])


def test_turning_compiles_nothing_anew_and_moves_the_result():
    pipeline, _ = two_clusterings(learnable_temperature=True)
    traced = []

    @nnx.jit
    def shares(pipeline, cells):
        traced.append(1)
        values = pipeline({"embeddings": cells})
        return values["one.cluster_assignments"], values["two.cluster_assignments"]

    seen = []
    for step in (0, 2500, 5000, 10000):  # 10, 3.16, 1, 0.1
        turned = set_temperature(pipeline, temperature_schedule(step))
        assert set(turned) == {"one.temperature", "two.temperature"}
        seen.append([float(jnp.mean(jnp.max(s, axis=1))) for s in shares(pipeline, POINTS)])
    assert len(traced) == 1
    # The colder, the surer: both the dial and the learned one.
    assert np.all(np.diff(np.array(seen), axis=0) > 0.02)


def test_a_pure_function_compiled_by_jax_is_not_compiled_anew_either():
    block, inputs = example_operator(SOFT_KMEANS), example_inputs(SOFT_KMEANS)
    traced = []

    @jax.jit
    def loss(state):
        traced.append(1)
        return nnx.merge(graph, state)(**inputs)["clustering_loss"]

    found = []
    for value in (2.0, 0.5):
        set_temperature(block, value)
        graph, state = nnx.split(block)
        found.append(float(loss(state)))
    assert len(traced) == 1 and found[0] < found[1]


def test_one_number_for_all_is_held_where_a_block_goes_no_further():
    pipeline = create_single_cell_pipeline(n_genes=20, latent_dim=3, hidden_dims=(8,), n_clusters=3)
    turned = set_temperature(pipeline, 5.0)
    assert sorted(turned.values()) == [1.0, 5.0, 5.0]
    assert {name: pipeline.dials[name] for name in turned} == turned
    assert set(set_temperature(pipeline, 1e-6).values()) == {0.01}


def test_a_block_can_be_turned_by_its_name():
    pipeline, _ = two_clusterings()
    assert set_temperature(pipeline, {"two": 0.5}) == {"two.temperature": 0.5}
    assert pipeline.dials == {"one.temperature": 1.0, "two.temperature": 0.5}
    assert set_temperature(example_operator(SOFT_KMEANS), {"temperature": 2}) == {"temperature": 2}


@pytest.mark.parametrize(
    "value, sentence",
    [
        (0.0, "temperature: 0 is not a temperature. Use a number above 0."),
        (float("nan"), "nan is not a temperature"),
        ({"one": -1.0}, "one.temperature: -1 is not a temperature"),
        ({"one": 0.5, "two": 99.0}, "two.temperature: 99 is outside 0.01 to 10"),
        ({"tow": 0.5}, "Did you mean 'two'?"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_turned(value, sentence):
    pipeline, _ = two_clusterings()
    with pytest.raises(SettingError) as refused:
        set_temperature(pipeline, value)
    assert sentence in str(refused.value)
    assert set(pipeline.dials.values()) == {1.0}


def test_a_module_without_temperature_says_so():
    with pytest.raises(SettingError, match="DifferentiablePHATE has no temperature"):
        set_temperature(example_operator(operators()["normalization.phate"]), 0.5)


def test_a_schedule_that_leaves_the_range_of_its_dial_is_refused():
    pipeline, cells = two_clusterings()
    with pytest.raises(SettingError, match=r"one\.temperature: 50 is outside 0\.01 to 10"):
        Training(
            pipeline,
            cells,
            (Stage(steps=1),),
            schedules={"one.temperature": LinearTemperature(50.0, 1.0)},
        )


# -- learned ----------------------------------------------------------------------------------

LEARNED = [
    d for d in operators().values() if "learnable_temperature" in {s.name for s in d.settings}
]
each_learned = pytest.mark.parametrize("declared", LEARNED, ids=lambda d: d.id)


@cache
def sharing(declared):
    """How shared out the cells are, and its slope, by the stored logarithm; in float64.

    Of an operator that gives no shares, or all to one class: a sum that feels every output.
    """
    shared = [p.name for p in declared.outputs if p.kind == Kind.SHARES]
    with jax.enable_x64(True):
        block = example_operator(declared, learnable_temperature=True)
        inputs = example_inputs(declared)
        # Behind weights that begin at 0 nothing is felt of a temperature.
        weights, random = nnx.state(block, nnx.Param), np.random.default_rng(0)
        for _, weight in nnx.to_flat_state(weights):
            if not np.asarray(weight[...]).any():
                weight[...] = jnp.asarray(random.normal(0, 0.3, weight.shape))
        nnx.update(block, weights)

    @nnx.jit
    def entropy_and_slope(block):
        def entropy(block):
            outputs = block.run(inputs)
            if not shared or outputs[shared[0]].shape[-1] == 1:
                return total(outputs)
            shares = outputs[shared[0]]
            return -jnp.sum(shares * jnp.log(shares + 1e-6))

        found, slopes = nnx.value_and_grad(entropy)(block)
        return found, slopes.log_temperature[...]

    def at(log_temperature):
        with jax.enable_x64(True):
            block.log_temperature[...] = jnp.asarray(float(log_temperature))
            found, slope = entropy_and_slope(block)
            return float(found), float(slope), float(block.dial("temperature"))

    return at


@each_learned
@pytest.mark.parametrize("sign", [1.0, -1.0], ids=["colder", "warmer"])
@pytest.mark.parametrize("rule", [optax.sgd(1e8), optax.adam(1e3)], ids=["sgd", "adam"])
def test_a_temperature_learned_in_huge_steps_stays_within_its_range(declared, sign, rule):
    low, high = next((s.low, s.high) for s in declared.settings if s.name == "temperature")
    log_temperature = jnp.zeros(())
    state = rule.init(log_temperature)
    for _ in range(5):
        _, slope, _ = sharing(declared)(log_temperature)
        move, state = rule.update(sign * jnp.asarray(slope), state)
        log_temperature = log_temperature + move
        found, slope, temperature = sharing(declared)(log_temperature)
        assert np.isfinite([log_temperature, found, slope]).all()
        assert low * 0.9999 <= temperature <= high * 1.0001
    assert abs(float(log_temperature)) > 200  # the steps were huge, exp(-200) is 0 in float32


@each_learned
def test_the_gradient_of_a_learned_temperature_agrees_with_finite_differences(declared):
    low, high = next((s.low, s.high) for s in declared.settings if s.name == "temperature")
    slopes = []
    for share in (0.3, 0.5, 0.7):
        log_temperature = np.log(low) + share * np.log(high / low)
        _, slope, _ = sharing(declared)(log_temperature)
        above, below = (sharing(declared)(log_temperature + shift)[0] for shift in (1e-5, -1e-5))
        assert slope == pytest.approx((above - below) / 2e-5, rel=1e-5, abs=1e-8)
        slopes.append(abs(slope))
    assert max(slopes) > 1e-3


@each_learned
def test_set_temperature_moves_a_learned_temperature_and_training_goes_on_from_there(declared):
    block = example_operator(declared, learnable_temperature=True)
    assert set_temperature(block, 0.05) == {"temperature": 0.05}
    assert float(block.dial("temperature")) == pytest.approx(0.05, rel=1e-6)
    assert float(block.log_temperature[...]) == pytest.approx(np.log(0.05), rel=1e-6)


def test_outside_its_range_a_learned_temperature_feels_only_what_leads_back():
    block = example_operator(SOFT_KMEANS, learnable_temperature=True)

    def slope(log_temperature, sign):
        block.log_temperature[...] = jnp.asarray(log_temperature)
        moved = nnx.grad(lambda b: sign * b.dial("temperature"))(block)
        return float(moved.log_temperature[...])

    assert slope(-200.0, 1.0) == 0.0  # colder still: no
    assert slope(-200.0, -1.0) == pytest.approx(-0.01)  # warmer: by d exp(l) / dl at the edge
    assert slope(200.0, 1.0) == pytest.approx(10.0)
    assert slope(200.0, -1.0) == 0.0


def test_a_run_that_learns_the_temperature_keeps_it_positive_at_any_learning_rate():
    pipeline, cells = two_clusterings(learnable_temperature=True)
    run = Training(pipeline, cells, (Stage(steps=12),), learning_rate=100.0)
    reports = list(run)
    two = run.sync().blocks["two"]
    assert all(np.isfinite(report.total) for report in reports)
    assert 0.0099 < float(two.dial("temperature")) < 10.001 and run.compilations == 1
