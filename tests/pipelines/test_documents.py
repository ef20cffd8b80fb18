"""Pipeline documents: what opens, what does not, and the sentence for each."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from diffbio_engine.errors import PipelineError
from diffbio_engine.pipelines import Block, PipelineSpec, Wire, load_pipeline, save_pipeline
from diffbio_engine.pipelines.spec import document_from
from diffbio_engine.ports.quality_control import Limit, QualityControl


def clusters(**changes):
    spec = PipelineSpec(
        name="Clusters",
        blocks=(Block("cluster", "singlecell.soft_kmeans", {"n_clusters": 4}),),
        wires=(Wire("data.embeddings", "cluster.embeddings", stop_gradient=True),),
        outputs={"clusters": "cluster.cluster_assignments"},
        weights={"cluster.clustering_loss": 0.5},
        layout={"cluster": (10.0, 20.0)},
    )
    return {**spec.to_json(), **changes}


def test_a_document_goes_through_json_and_back():
    spec = PipelineSpec.from_json(clusters())
    again = PipelineSpec.from_json(json.loads(json.dumps(spec.to_json())))
    assert again == spec
    assert again.layout == {"cluster": (10.0, 20.0)}


def test_every_setting_is_written_so_that_new_defaults_change_nothing():
    assert clusters()["blocks"][0]["config"]["temperature"] == 1.0


def test_a_document_opens_under_the_former_name_of_an_operator():
    document = clusters()
    document["blocks"][0]["operator"] = "singlecell.soft_clustering"
    assert PipelineSpec.from_json(document).blocks[0].operator == "singlecell.soft_kmeans"


def test_places_on_the_canvas_are_no_difference_between_pipelines():
    assert PipelineSpec.from_json(clusters()) == PipelineSpec.from_json(clusters(layout={}))


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"schema": 3}, "has schema 3; this workbench reads up to 2. Open it with a newer"),
        ({"schema": "1"}, "no valid schema number"),
        ({"format": "other"}, "not a pipeline file of the workbench"),
        ({"blocks": [{"id": "x", "operator": "nothing.here"}]}, "There is no operator"),
        ({"blocks": [{"id": "data", "operator": "singlecell.soft_kmeans"}]}, "cannot name a block"),
        (
            {"blocks": [{"id": "a", "operator": "singlecell.soft_kmeans", "version": 99}]},
            "has version 99 in the file",
        ),
        ({"wires": [{"source": "data.counts"}]}, "is not complete"),
    ],
)
def test_a_wrong_document_is_refused_in_words(changes, sentence):
    with pytest.raises(PipelineError, match=sentence):
        PipelineSpec.from_json(clusters(**changes))


def test_a_file_that_is_not_json_is_refused_in_words(tmp_path):
    path = tmp_path / "p.json"
    path.write_bytes(b"\x89PNG")
    with pytest.raises(PipelineError, match=r"p.json cannot be read as JSON"):
        load_pipeline(path)


def test_a_saved_file_opens(tmp_path):
    spec = PipelineSpec.from_json(clusters())
    save_pipeline(spec, tmp_path / "p.json")
    assert load_pipeline(tmp_path / "p.json") == spec


def test_limits_of_quality_control_are_part_of_a_document_and_older_ones_have_none():
    limits = QualityControl((Limit("pct_counts_mt", None, 12.5, "B"),), samples="obs/sample")
    spec = replace(PipelineSpec.from_json(clusters()), quality_control=limits)
    assert PipelineSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec
    assert spec != PipelineSpec.from_json(clusters())
    # Schema 1 knew of none: what such a file says beside is not obeyed.
    old = {**spec.to_json(), "schema": 1}
    assert not PipelineSpec.from_json(old).quality_control.removes


SAVED = sorted((Path(__file__).parents[1] / "references/pipelines").glob("*.json"))


@pytest.mark.parametrize("path", SAVED, ids=[p.stem for p in SAVED])
def test_every_file_ever_saved_still_opens(path):
    assert load_pipeline(path).blocks


@pytest.mark.parametrize("text", ["[" * 200_000, '{"a":' * 5_000 + "1" + "}" * 5_000])
def test_a_text_nested_without_end_is_refused_in_words(text):
    with pytest.raises(PipelineError, match=r"nested more than|not a pipeline file"):
        PipelineSpec.from_json(document_from(text))


@pytest.mark.parametrize("deep", [50, 900, 50_000])
def test_a_document_with_deeply_nested_settings_is_refused_in_words(deep, tmp_path):
    nested = "[" * deep + "]" * deep
    text = json.dumps(clusters(training={"steps": "HERE"})).replace('"HERE"', nested)
    (tmp_path / "deep.json").write_text(text)
    with pytest.raises(PipelineError, match="nested more than 32 levels deep"):
        load_pipeline(tmp_path / "deep.json")


@pytest.mark.parametrize("odd", [{"weights": {"a.b": 1e999}}, {"layout": {"a": [0, float("nan")]}}])
def test_a_number_without_end_is_no_number_of_a_document(odd):
    with pytest.raises(PipelineError, match="no finite number"):
        PipelineSpec.from_json(clusters(**odd))


def test_a_document_of_thousands_of_blocks_is_refused_in_words():
    with pytest.raises(PipelineError, match=r"has 20,000 blocks, and a pipeline has at most 500"):
        PipelineSpec.from_json(clusters(blocks=clusters()["blocks"] * 20_000))
