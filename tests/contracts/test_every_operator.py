"""Promises of every operator. None is listed here: the registry finds them."""

import functools
import inspect
import re
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from diffbio_engine.declare import DATA_PORTS, Kind, Loss, find_operator, operators, set_temperature
from tests.contracts.examples_of_operators import (
    differentiable,
    example_inputs,
    example_operator,
    example_settings,
    total,
)
from tests.gradients import check_gradients

each_operator = pytest.mark.parametrize("declared", operators().values(), ids=operators())


traced = []


@nnx.jit
def applied(block, data):
    """Every operator as one piece, by the contract of ``apply``: what most promises are about."""
    traced.append(block.config)
    if isinstance(block, Loss):  # is called, not applied
        return run(block, data)
    mine = {"note": "mine"}
    result, state, metadata = block.apply({**data, **mine}, {"s": 1}, None)
    assert state == {"s": 1} and metadata is None
    assert result.pop("note") == "mine"
    assert set(data) <= set(result)
    for port in block.outputs:
        assert port.name not in result or all(alias in result for alias in port.also)
    return {p.name: jnp.asarray(result[p.name]) for p in block.outputs if p.name in result}


def run(block, inputs):
    return {name: jnp.asarray(value) for name, value in block.run(inputs).items()}


@functools.cache
def example_outputs(declared):
    """Of the example as it is made: three promises are about these."""
    return applied(example_operator(declared), example_inputs(declared))


def config_of(declared, **settings):
    return declared.make.Config.from_dict(example_settings(declared) | settings)


@each_operator
def test_outputs_have_the_declared_names_and_axes(declared):
    inputs, outputs = example_inputs(declared), example_outputs(declared)
    declared_ports = {p.name: p for p in declared.outputs}
    assert set(outputs) <= set(declared_ports)
    assert {p.name for p in declared.outputs if not p.dense} - set(outputs) <= {
        p.name for p in declared.outputs if p.optional
    }
    lengths = {}
    ports = {p.name: p for p in declared.inputs} | declared_ports
    for name, array in {**inputs, **outputs}.items():
        names = ports[name].axis_names
        assert len(names) == array.ndim, name
        for axis, length in zip(names, array.shape, strict=True):
            assert lengths.setdefault(axis, length) == length, (name, axis)


@each_operator
def test_numbers_are_finite_and_shares_add_up_to_one(declared):
    outputs = example_outputs(declared)
    ports = {p.name: p for p in declared.outputs}
    for name, array in outputs.items():
        assert np.isfinite(np.asarray(array, dtype=float)).all(), name
        if ports[name].kind == Kind.SHARES:
            sums = np.asarray(array.sum(axis=-1))
            # Past the end of a sequence there is nothing to be shared.
            nothing = (sums == 0) & ("positions" in ports[name].axis_names)
            np.testing.assert_allclose(np.where(nothing, 1.0, sums), 1.0, atol=1e-5)


@each_operator
def test_apply_keeps_every_key_and_draws_nothing_without_a_random_one(declared):
    # What is kept is asserted while it is traced; without a key nothing is drawn.
    first = example_outputs(declared)
    again = applied(example_operator(declared), example_inputs(declared))
    for name, array in first.items():
        np.testing.assert_array_equal(array, again[name])


@pytest.mark.parametrize(
    "declared",
    [d for d in operators().values() if any(p.kind == Kind.LOSS for p in d.outputs)],
    ids=lambda declared: declared.id,
)
def test_losses_that_judge_held_out_cells_are_the_same_with_copies_of_them(declared):
    """Few held-out cells fill a batch twice and more: what compares cells would meet itself."""
    make = declared.make
    if make.compares_cells or make.learns_from_neighbours or make.reach != "cell":
        pytest.skip("it is no judge")
    inputs = example_inputs(declared)
    of_records = {p.name for p in declared.inputs if p.per_record}
    twice = {n: np.concatenate([x, x]) if n in of_records else x for n, x in inputs.items()}
    both = example_outputs(declared), applied(example_operator(declared), twice)
    for name in {p.name for p in declared.outputs if p.kind == Kind.LOSS} & set(both[0]):
        np.testing.assert_allclose(both[1][name], both[0][name], rtol=1e-4, atol=1e-5)


def looks_whether_it_is_traced(declared):
    """Its code, or that of a class it stands on, goes another way where numbers are at hand."""
    own = [c for c in declared.make.__mro__ if c.__module__.startswith("diffbio_engine.operators")]
    return any("core.Tracer" in inspect.getsource(sys.modules[c.__module__]) for c in own)


@pytest.mark.parametrize(
    "declared",
    [d for d in operators().values() if looks_whether_it_is_traced(d)],
    ids=lambda declared: declared.id,
)
def test_step_by_step_it_gives_what_it_gives_compiled(declared):
    eager = run(example_operator(declared), example_inputs(declared))
    for name, array in example_outputs(declared).items():
        np.testing.assert_allclose(eager[name], array, rtol=2e-3, atol=2e-4)


@each_operator
def test_gradients_agree_with_finite_differences(declared):
    with jax.enable_x64(True):
        block, inputs = example_operator(declared), example_inputs(declared)
        # One that needs no real numbers has its gradients where it is given some.
        if not differentiable(declared, inputs):
            inputs = example_inputs(declared, optional=True)
        varied = differentiable(declared, inputs)
        fixed = {n: x for n, x in inputs.items() if n not in varied}
        names = sorted(varied)
        # Where letters are all that is read, its weights alone are varied.
        graph, weights, rest = nnx.split(block, nnx.Param, ...)
        leaves, form = jax.tree.flatten(weights)
        # Layers of Flax have weights of 32 bits, which such small steps would not move.
        arrays = [varied[name] for name in names] or [jnp.asarray(x, float) for x in leaves]

        def value(*arrays):
            if varied:
                return total(run(block, {**dict(zip(names, arrays, strict=True)), **fixed}))
            made = nnx.merge(graph, jax.tree.unflatten(form, arrays), rest)
            return total(run(made, inputs))

        check_gradients(value, arrays, eps=1e-7, rtol=2e-4, atol=1e-5)


@each_operator
def test_turning_a_dial_does_not_recompile_and_does_something(declared):
    block, inputs = example_operator(declared), example_inputs(declared)
    if not block.dials:
        pytest.skip("it has no dial")
    before = applied(block, inputs)
    n_traced = len(traced)
    settings = {s.name: s for s in declared.settings}
    for name, dial in block.dials.items():
        setting, old = settings[name], dial[...]
        dial[...] = jnp.asarray(0.3 * setting.low + 0.7 * setting.high, old.dtype)
        after = applied(block, inputs)
        moved = [n for n in before if not np.allclose(before[n], after[n], atol=1e-7)]
        assert moved or name in declared.make.dials_of_prepared, f"{name} is wired to nothing"
        dial[...] = old
    assert len(traced) == n_traced


@pytest.mark.parametrize(
    "declared, setting",
    [(d, s) for d in operators().values() for s in d.settings if s.learnable],
    ids=lambda value: getattr(value, "id", None) or value.name,
)
def test_a_learned_dial_stays_within_its_range(declared, setting):
    switch = next(s for s in declared.settings if s.name == f"learnable_{setting.name}")
    assert switch.type == "bool" and not switch.default and switch.advanced
    block = example_operator(declared, **{switch.name: True})
    stored = getattr(block, f"log_{setting.name}")
    for step, edge in ((-20.0, setting.low), (40.0, setting.high)):
        stored[...] = stored[...] + step
        assert float(block.dial(setting.name)) == pytest.approx(edge, rel=1e-5)


@each_operator
def test_settings_go_through_json_and_back(declared):
    config = config_of(declared)
    assert type(config).from_dict(config.to_dict()) == config
    assert hash(config) == hash(type(config).from_dict(config.to_dict()))


@pytest.mark.parametrize(
    "declared",
    [d for d in operators().values() if d.make.prepares()],
    ids=lambda declared: declared.id,
)
def test_what_looks_at_the_data_names_its_inputs_as_the_mathematics_does(declared):
    wanted = inspect.signature(declared.make.prepare).parameters
    if any(p.kind == p.VAR_KEYWORD for p in wanted.values()):
        pytest.skip("it hands all of them on")
    ports = {p.name: p for p in declared.inputs}
    assert set(wanted) <= {"self", "seed", "key", "first"} | set(ports)
    for name in set(wanted) & set(ports):
        assert (wanted[name].default is None) == ports[name].optional, name


@pytest.mark.parametrize(
    "declared",
    [d for d in operators().values() if d.make.prepares()],
    ids=lambda declared: declared.id,
)
def test_a_refresh_leaves_what_was_learned_alone(declared):
    # Which needs types that are known, or as many slices as its size says.
    inputs = example_inputs(declared, optional=declared.id == "singlecell.cell_annotator")
    if "slice_labels" in inputs:
        inputs["slice_labels"] = jnp.arange(8) % declared.make.example.get("n_slices", 3)
    block = example_operator(declared)
    block.prepare_from(inputs, jax.random.key(3))
    learned = jax.tree.map(lambda x: x + 0.25, nnx.state(block, nnx.Param))
    nnx.update(block, learned)
    block.prepare_from(inputs, jax.random.key(3), first=False)
    jax.tree.map(np.testing.assert_array_equal, nnx.state(block, nnx.Param), learned)


@each_operator
def test_help_says_formula_source_and_cost(declared):
    assert declared.summary.endswith("."), "the first line is a sentence"
    for word in ("Hard limit", "Gradients", "Cost", "References"):
        assert word in declared.doc, f"the docstring does not speak of: {word}"
    for setting in declared.settings:
        assert setting.doc, setting.name
    for port in (*declared.inputs, *declared.outputs):
        assert port.doc, port.name


@each_operator
def test_help_names_the_discrete_operation_that_is_softened(declared):
    (said,) = re.findall(r"^Softens: (.+?)\nHard limit: ", declared.doc, re.MULTILINE | re.DOTALL)
    assert said.endswith("."), "a sentence, right above the hard limit"
    if said.startswith("nothing"):
        assert re.match(r"nothing; \w+", said), "it says why there is nothing to soften"
        assert "temperature" not in {s.name for s in declared.settings}, "what is it for?"
    assert said in declared.as_data()["doc"], "and so it reaches the page and the listing"


@each_operator
def test_a_temperature_can_be_turned_and_is_above_zero_in_its_whole_range(declared):
    setting = next((s for s in declared.settings if s.name == "temperature"), None)
    if setting is None:
        pytest.skip("it has no temperature")
    assert setting.live and 0 < setting.low < setting.high
    block = example_operator(declared)
    assert set_temperature(block, setting.low) == {"temperature": setting.low}
    assert float(block.dial("temperature")) == pytest.approx(setting.low)


@each_operator
def test_it_is_found_under_its_former_names(declared):
    for name in (declared.id, *declared.formerly):
        assert find_operator(name) is declared


@each_operator
def test_a_wrong_value_is_refused_in_words(declared):
    for setting in declared.settings:
        if setting.shown and setting.type in ("int", "float") and setting.high is not None:
            with pytest.raises(ValueError, match=setting.name):
                config_of(declared, **{setting.name: setting.high * 2 + 1})


def test_a_data_port_means_the_same_wherever_it_stands():
    for declared in operators().values():
        for port in declared.inputs:
            shared = DATA_PORTS.get(port.name)
            if shared is not None and not issubclass(declared.make, Loss):
                assert port.kind == shared.kind, f"{declared.id}.{port.name}"
