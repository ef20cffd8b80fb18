"""What a person keeps on the server stays theirs, and stays whole."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from diffbio_engine.errors import DataError, UnknownNameError
from diffbio_engine.workspace import Store
from diffbio_engine.workspace.store import folder_name


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def test_a_pipeline_is_saved_in_versions_and_the_same_again_is_none(store):
    assert store.save_pipeline("ada", "Mine", {"blocks": [1]}) == 1
    assert store.save_pipeline("ada", "Mine", {"blocks": [1]}) == 1
    assert store.save_pipeline("ada", "Mine", {"blocks": [1, 2]}) == 2
    assert store.load_pipeline("ada", "Mine") == {"blocks": [1, 2]}
    assert store.load_pipeline("ada", "Mine", version=1) == {"blocks": [1]}
    (entry,) = store.pipelines("ada")
    assert (entry.name, entry.version, entry.n_versions) == ("Mine", 2, 2)


def test_the_last_fifty_versions_are_kept(store):
    for i in range(60):
        store.save_pipeline("ada", "Mine", {"i": i})
    assert store.pipeline_versions("ada", "Mine") == list(range(11, 61))


def test_tabs_that_save_at_once_lose_nothing(store):
    with ThreadPoolExecutor(4) as tabs:
        list(tabs.map(lambda i: store.save_pipeline("ada", "Mine", {"i": i}), range(40)))
    versions = store.pipeline_versions("ada", "Mine")
    saved = {store.load_pipeline("ada", "Mine", version)["i"] for version in versions}
    assert versions == list(range(1, 41)) and saved == set(range(40))


def test_a_pipeline_is_renamed_with_its_versions_and_deleted(store):
    store.save_pipeline("ada", "Old", {"a": 1})
    store.save_pipeline("ada", "Old", {"a": 2})
    store.save_pipeline("ada", "Taken", {"a": 3})
    with pytest.raises(DataError, match="already"):
        store.rename_pipeline("ada", "Old", "Taken")
    store.rename_pipeline("ada", "Old", "New")
    assert {entry.name for entry in store.pipelines("ada")} == {"New", "Taken"}
    assert store.load_pipeline("ada", "New", 1) == {"a": 1}
    store.delete_pipeline("ada", "New")
    with pytest.raises(UnknownNameError, match="no saved pipeline 'New'"):
        store.load_pipeline("ada", "New")


@pytest.mark.parametrize("owner", ["../../etc", "a/b", "..", "", "Ada ", "ada", "\0x", "é" * 300])
def test_no_owner_is_a_path_or_another_owner(store, tmp_path, owner):
    store.save_pipeline(owner, "../../../Mine", {"of": owner})
    assert store.load_pipeline(owner, "../../../Mine") == {"of": owner}
    assert store.pipelines("ADA") == []
    files = list(tmp_path.rglob("*.json"))
    assert len(files) == 1 and files[0].parents[3] == tmp_path / "owners"
    assert "/" not in folder_name(owner) and len(folder_name(owner)) <= 64


def test_an_upload_is_a_data_set_once_it_has_arrived(store, tmp_path):
    upload = store.new_upload("ada", r"C:\fakepath\..\my cells.h5ad")
    assert upload.name == "my cells.h5ad" and tmp_path in upload.path.parents
    assert store.datasets("ada") == []
    with pytest.raises(DataError, match="did not arrive"):
        store.finish_upload("ada", upload.id)
    upload.partial_path.write_bytes(b"cells")
    store.finish_upload("ada", upload.id)
    (dataset,) = store.datasets("ada")
    assert (dataset.id, dataset.size, dataset.path.suffix) == (upload.id, 5, ".h5ad")
    assert store.sha256("ada", dataset.id) == hashlib.sha256(b"cells").hexdigest()
    store.delete_dataset("ada", dataset.id)
    assert store.datasets("ada") == [] and not dataset.path.exists()


def test_a_preview_is_made_once_and_again_when_the_file_changes(store, tmp_path):
    file = tmp_path / "cells.csv"
    file.write_text("one")
    dataset = store.register("ada", file)
    assert store.register("ada", file).id == dataset.id
    made = []

    def make(path):
        made.append(1)
        return {"text": path.read_text()}

    assert store.preview("ada", dataset.id, make) == store.preview("ada", dataset.id, make)
    assert len(made) == 1
    file.write_text("another")
    assert store.preview("ada", dataset.id, make) == {"text": "another"}
    store.delete_dataset("ada", dataset.id)
    assert file.exists()


def test_nobody_reaches_the_data_of_another(store, tmp_path):
    file = tmp_path / "cells.csv"
    file.write_text("secret")
    dataset = store.register("ada", file)
    for dataset_id in (dataset.id, "../" + dataset.id, "..", ""):
        with pytest.raises(UnknownNameError):
            store.dataset("bob", dataset_id)
    assert len(dataset.id) == 24  # 96 bits: it cannot be guessed


def test_pipelines_and_data_sets_of_a_person_are_no_more_than_a_list_can_hold(
    tmp_path, monkeypatch
):
    store = Store(tmp_path)
    monkeypatch.setattr("diffbio_engine.workspace.store._MOST_PIPELINES", 2)
    monkeypatch.setattr("diffbio_engine.workspace.store._MOST_DATASETS", 2)
    for name in ("one", "two"):
        store.save_pipeline("ada", name, {"name": name})
        store.new_upload("ada", name)
    store.save_pipeline("ada", "one", {"name": "one", "more": 1})  # one that is there goes on
    with pytest.raises(DataError, match="You have 2 pipelines, and no more can be kept"):
        store.save_pipeline("ada", "three", {"name": "three"})
    with pytest.raises(DataError, match="You have 2 data sets, and no more can be kept"):
        store.new_upload("ada", "three")
    assert store.save_pipeline("bob", "three", {"name": "three"}) == 1
