"""What is found before a run starts."""

import pytest

from diffbio_engine.bundles.genes_of_file import genes_trained_on
from diffbio_engine.data.fields import places
from diffbio_engine.errors import PipelineError, SettingError
from diffbio_engine.pipelines import PipelineSpec, presets
from diffbio_engine.runs.folder.run_spec import RunSpec
from diffbio_engine.runs.worker.open_run import check_run, open_run
from tests.command_line.small_run import cells, pipeline_document, run_of, write_inputs


def test_a_temperature_that_is_learned_is_not_turned_as_well(tmp_path):
    write_inputs(tmp_path)
    document = pipeline_document()
    document["blocks"][1]["config"]["learnable_temperature"] = True
    facts = run_of(tmp_path, pipeline=document)
    check_run(RunSpec(**facts))
    facts["dials"] = {"cluster.temperature": 0.5}
    with pytest.raises(SettingError, match=r"cluster.temperature is learned in this run"):
        check_run(RunSpec(**facts))


def test_a_run_trains_on_the_variable_genes_and_keeps_all(tmp_path):
    write_inputs(tmp_path)
    told = []
    facts = run_of(tmp_path, pipeline=pipeline_document(variable_genes=10))
    opened = open_run(RunSpec(**facts), lambda *words: told.append(words))
    assert opened.cells.n_genes == opened.pipeline.plan.data["counts"].shape[0] == 10
    assert opened.cells.of_all_genes.n_genes == opened.dataset.n_genes == 30
    assert genes_trained_on(opened.cells)["var/trained_on_diffbio"].sum() == 10
    assert ("data", "Choosing 10 variable genes of 30") in told


def test_a_pipeline_saved_before_there_was_a_choice_trains_on_all_genes(tmp_path):
    write_inputs(tmp_path)
    assert open_run(RunSpec(**run_of(tmp_path))).cells.n_genes == 30
    with pytest.raises(PipelineError, match="'many' is no number of variable genes"):
        PipelineSpec.from_json(pipeline_document(variable_genes="many"))


def test_a_check_does_not_sum_the_counts_of_all_genes_which_the_run_does(tmp_path, monkeypatch):
    path = tmp_path / "cells.h5ad"
    cells().write_h5ad(path)
    spec = presets()["annotation"].make({"counts": "X", "labels": "obs/kind", "total_counts": ""})
    assert any(w.source == "data.total_counts" for w in spec.wires)
    run = RunSpec(
        pipeline=spec.to_json(),
        dataset={"path": str(path), "fields": {"counts": "X", "labels": "obs/kind"}},
    )
    assert "total_counts" in open_run(run).cells.per_cell
    monkeypatch.setattr(places, "totals_of", None)
    check_run(run)
