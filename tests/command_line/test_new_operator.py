"""A new operator is one file and one test file: both are written, run, and keep every promise."""

import runpy
import sys

import numpy as np
import pytest

import diffbio_engine.operators
from diffbio_engine.command_line import main
from diffbio_engine.declare import find_operator, operators, registry
from diffbio_engine.errors import UserError
from diffbio_engine.pipelines import Block, DataPort, PipelineSpec, Wire, build
from tests.contracts import test_every_operator as promises


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A new operator in a new domain, in a folder that the registry walks besides its own."""
    assert main(["new", "toys.gene_switch", "--into", str(tmp_path)]) == 0
    package = diffbio_engine.operators
    here = [*package.__path__, str(tmp_path / "diffbio_engine/operators")]
    monkeypatch.setattr(package, "__path__", here)
    for known in (registry.operators, registry._ids, registry.domains):
        known.cache_clear()
    yield tmp_path
    monkeypatch.undo()
    for known in (registry.operators, registry._ids, registry.domains):
        known.cache_clear()
    for name in [name for name in sys.modules if name.startswith("diffbio_engine.operators.toys")]:
        del sys.modules[name]


def test_what_new_writes_is_an_operator_that_runs_in_a_pipeline(toy):
    spec = PipelineSpec(
        "Toy",
        (Block("switch", "toys.gene_switch", {}),),
        (Wire("data.expression", "switch.expression"),),
        outputs={"on": "switch.gene_switch_on"},
    )
    made = build(spec, {"expression": DataPort.named("expression", 3)})
    values, _, _ = made.apply({"expression": np.asarray([[0.0, 1.0, 9.0]], np.float32)}, {}, None)
    np.testing.assert_allclose(values["on"], [[0.0, 0.5, 1.0]], atol=1e-4)


def test_it_keeps_what_is_promised_of_all_operators(toy):
    declared = find_operator("toys.gene_switch")
    assert declared.domain == "toys" and "toys" in registry.domains()
    promises.test_outputs_have_the_declared_names_and_axes(declared)
    promises.test_help_says_formula_source_and_cost(declared)
    promises.test_help_names_the_discrete_operation_that_is_softened(declared)
    promises.test_turning_a_dial_does_not_recompile_and_does_something(declared)


def test_its_test_passes_and_its_script_writes_golden_numbers(toy):
    tests = runpy.run_path(str(toy / "tests/operators/toys/test_gene_switch.py"))
    promised = [test for name, test in tests.items() if name.startswith("test_")]
    assert len(promised) == 2
    for test in promised:
        test()
    script = toy / "tests/references/toys/make_gene_switch.py"
    runpy.run_path(str(script), run_name="__main__")
    assert script.with_name("gene_switch.npz").exists()


def test_a_name_that_is_taken_or_no_name_is_refused_and_nothing_is_written(tmp_path, capsys):
    assert main(["new", "singlecell.harmony", "--into", str(tmp_path)]) == 1
    assert "already" in capsys.readouterr().err
    assert main(["new", "../evil", "--into", str(tmp_path)]) == 1
    assert "small letters" in capsys.readouterr().err
    for name, said in (
        ("singlecell.class", "no name of an operator"),
        ("losses.mine", "beside those it is like"),
        ("singlecell.batch_correction", "'singlecell.harmony' was called"),
    ):
        assert main(["new", name, "--into", str(tmp_path)]) == 1
        assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_checking_an_unknown_operator_names_the_near_one():
    from diffbio_engine.command_line.new_operator import check_operator

    with pytest.raises(UserError, match="no operator"):
        check_operator("singlecell.soft_kmean")
    assert "singlecell.soft_kmeans" in operators()
