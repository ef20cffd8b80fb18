"""Each mistake on the command line: its sentence, exit code 1, and nothing half-written."""

import json

import h5py
import numpy as np
import pytest
import scipy.sparse as sp

from tests.command_line.small_run import cells, pipeline_document, said, write_inputs


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    write_inputs(folder)
    return folder


def refused(tmp_path, whole, *more, data=None, pipeline=None):
    """What is said where nothing must come of it."""
    out = tmp_path / "out"
    code, _, mistakes = said(
        "run",
        *("--pipeline", pipeline or whole / "pipeline.json"),
        *("--data", data or whole / "cells.h5ad", "--out", out, "--steps", 5, *more),
    )
    assert code == 1, mistakes
    assert not out.exists()
    assert mistakes.startswith("error: ")
    assert "Traceback" not in mistakes
    return mistakes


def changed_counts(tmp_path, change):
    data = cells()
    counts = data.X.toarray()
    data.X = sp.csr_matrix(change(counts))
    data.write_h5ad(tmp_path / "changed.h5ad")
    return tmp_path / "changed.h5ad"


def with_nan(x):
    x[3, 4] = np.nan
    return x


@pytest.mark.parametrize(
    "change, sentence",
    [
        (lambda x: np.log1p(x / x.sum(1, keepdims=True) * 1e4), "holds log-normalised values, but"),
        (lambda x: x / x.sum(1, keepdims=True) * 1e4, "holds normalised values, but"),
        (with_nan, "1 values that are not numbers (NaN)"),
        (lambda x: x - 1, "counts cannot be negative"),
        (lambda x: x * 0, "only zeros"),
    ],
    ids=["log-normalised", "normalised", "NaN", "negative", "zeros"],
)
def test_counts_that_are_none_are_refused(tmp_path, whole, change, sentence):
    assert sentence in refused(tmp_path, whole, data=changed_counts(tmp_path, change))


def cut_off(path, whole):
    data = (whole / "cells.h5ad").read_bytes()
    path.write_bytes(data[: len(data) // 2])


def a_picture(path, whole):
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200))


def empty(path, whole):
    path.write_bytes(b"")


def absent(path, whole):
    pass


@pytest.mark.parametrize(
    "make, sentence",
    [
        (cut_off, "was cut off"),
        (a_picture, "looks like a PNG"),
        (empty, "is empty (0 bytes)"),
        (absent, "There is no file"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(tmp_path, whole, make, sentence):
    make(tmp_path / "bad.h5ad", whole)
    assert sentence in refused(tmp_path, whole, data=tmp_path / "bad.h5ad")


def external_link(file, secret):
    file["layers/stolen"] = h5py.ExternalLink(str(secret), "/counts")


def external_storage(file, secret):
    file["layers"].create_dataset("stolen", (120, 30), "f4", external=[(str(secret), 0, 14400)])


def virtual_dataset(file, secret):
    layout = h5py.VirtualLayout((120, 30), "f4")
    layout[:] = h5py.VirtualSource(str(secret), "counts", (120, 30))
    file["layers"].create_virtual_dataset("stolen", layout)


@pytest.mark.parametrize("reach_out", [external_link, external_storage, virtual_dataset])
def test_a_file_that_reaches_into_others_is_refused(tmp_path, whole, reach_out):
    with h5py.File(tmp_path / "secret.h5", "w") as secret:
        secret["counts"] = np.ones((120, 30), np.float32)
    (tmp_path / "bad.h5ad").write_bytes((whole / "cells.h5ad").read_bytes())
    with h5py.File(tmp_path / "bad.h5ad", "r+") as file:
        reach_out(file, tmp_path / "secret.h5")
    assert "layers/stolen" in refused(tmp_path, whole, data=tmp_path / "bad.h5ad")


CORRECTED = pipeline_document(
    blocks=[
        *pipeline_document()["blocks"],
        {"id": "harmony", "operator": "singlecell.harmony", "config": {"n_clusters": 3}},
    ],
    wires=[
        *pipeline_document()["wires"],
        {"source": "vae.latent_mean", "target": "harmony.embeddings"},
        {"source": "data.batch_labels", "target": "harmony.batch_labels"},
    ],
)


@pytest.mark.parametrize(
    "field, sentence",
    [
        ("batch_labels=obs/only", "has one value ('one')"),
        ("batch_labels=obs/bach", "Did you mean 'batch'?"),
        ("batch_lables=obs/batch", "Did you mean 'batch_labels'?"),
        ("batch_labels", "does not say which port lies where"),
        ("batch_labels=", "not known where to find 'batch_labels'"),
        ("counts=layers/raw", "There is no matrix 'layers/raw'"),
    ],
)
def test_a_field_that_is_not_right_is_named(tmp_path, whole, field, sentence):
    (tmp_path / "p.json").write_text(json.dumps(CORRECTED))
    assert sentence in refused(tmp_path, whole, "--field", field, pipeline=tmp_path / "p.json")


CIRCLE = {
    "blocks": [{"id": name, "operator": "singlecell.harmony"} for name in ("one", "two")],
    "wires": [
        {"source": "data.batch_labels", "target": "one.batch_labels"},
        {"source": "data.batch_labels", "target": "two.batch_labels"},
        {"source": "one.corrected_embeddings", "target": "two.embeddings"},
        {"source": "two.corrected_embeddings", "target": "one.embeddings"},
    ],
}


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"schema": 3}, "has schema 3; this workbench reads up to 2"),
        ({"format": "other"}, "not a pipeline file"),
        ({"blocks": [{"id": "a", "operator": "singlecell.soft_kmean"}]}, "Did you mean"),
        (CIRCLE, "run in a circle: one -> two -> one"),
        ({"blocks": []}, "no blocks"),
        ({"wires": []}, "is not wired"),
        ({"training": {"stages": [{"name": "s", "steps": 5, "learns": ["vea"]}]}}, "'vea'"),
        (
            {"training": {"schedules": {"cluster.temprature": {"kind": "linear"}}}},
            "Did you mean 'cluster.temperature'?",
        ),
        ({"training": {"batch_size": "many"}}, "training: what the pipeline says"),
    ],
)
def test_a_pipeline_that_cannot_be_is_refused(tmp_path, whole, changes, sentence):
    (tmp_path / "p.json").write_text(json.dumps(pipeline_document(**changes)))
    assert sentence in refused(tmp_path, whole, pipeline=tmp_path / "p.json")


@pytest.mark.parametrize(
    "setting, sentence",
    [
        ("cluster.n_cluster=4", "cluster: there is no setting 'n_cluster'"),
        ("clusters.n_clusters=4", "Did you mean 'cluster'?"),
        ("cluster.n_clusters=many", "cluster.n_clusters:"),
        ("cluster.temperature=1e9", "cluster.temperature:"),
        ("n_clusters=4", "Write it as block.setting=value."),
    ],
)
def test_a_setting_that_cannot_be_is_refused(tmp_path, whole, setting, sentence):
    assert sentence in refused(tmp_path, whole, "--set", setting)


def test_a_folder_in_use_is_left_alone(tmp_path, whole):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/note.txt").write_text("mine")
    code, _, mistakes = said(
        *("run", "--pipeline", whole / "pipeline.json", "--data", whole / "cells.h5ad"),
        *("--out", tmp_path / "mine"),
    )
    assert code == 1
    assert "exists already" in mistakes
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["note.txt"]


@pytest.mark.parametrize("number", ["-1", "many", "1.5", "99999999999"])
def test_steps_are_a_whole_number(tmp_path, number):
    with pytest.raises(SystemExit) as ended:
        said("run", "--data", "x.h5ad", "--out", tmp_path / "o", "--steps", number)
    assert ended.value.code == 2
