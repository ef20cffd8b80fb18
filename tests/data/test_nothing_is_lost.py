"""Every part of a file is in its result, or a sentence names it."""

import anndata
import h5py
import numpy as np
import pandas as pd
import zoo

from diffbio_engine.data import Dataset, read, write_result


def test_what_a_result_lacks_of_its_source_is_named(tmp_path):
    path = zoo.of_anndata_07(tmp_path / "x.h5ad")
    with h5py.File(path, "a") as file:
        file["varm/PCs"] = zoo.COUNTS[:12, :2]
        file["varp/graph"] = np.eye(12)
        file["uns/known"] = 3
        file["uns/deep/more"] = np.arange(3)
        file["uns/deep/strange"] = np.zeros(2)
        file["uns/deep/strange"].attrs["encoding-type"] = "array"
        group = file.create_group("uns/deep/other")
        group.attrs["encoding-type"] = "awkward-array"
        group["data"] = 1
        file["obs/pairs"] = np.ones((40, 2))
        file["obs"].attrs["column-order"] = np.array(["cell_type", "pairs"], dtype=zoo.TEXT)
        file["layers/words"] = np.array([[b"a"] * 12] * 40)
        file["mine/table"] = np.arange(4)
    written = write_result(path, tmp_path / "r.h5ad", {}, {})
    notes = " ".join(written.notes)
    for part in ("/uns/deep/other", "/obs/pairs", "/layers/words", "/mine"):
        assert f"{part} could not be carried over" in notes, part
    assert len(written.notes) == 4
    after = anndata.read_h5ad(written.path)
    np.testing.assert_array_equal(after.varm["PCs"], zoo.COUNTS[:12, :2])
    np.testing.assert_array_equal(after.varp["graph"], np.eye(12))
    np.testing.assert_array_equal(after.uns["deep"]["more"], np.arange(3))


def test_columns_whose_names_collide_are_kept_under_names_that_are_said(tmp_path):
    data = zoo.new_anndata()
    data.obs["a/b"], data.obs["a_b"] = np.arange(40), np.arange(40) + 1
    dataset = Dataset.from_anndata(data)
    dataset.obs = pd.concat([dataset.obs, dataset.obs[["batch"]]], axis=1)
    written = write_result(dataset, tmp_path / "r.h5ad", {}, {})
    assert len(written.notes) == 2 and "The column 'a/b' of obs is called" in written.notes[0]
    after = read(tmp_path / "r.h5ad").obs
    assert list(after["a_b"]) == list(range(1, 41)) and list(after["batch_2"]) == ["a", "b"] * 20
    renamed = written.notes[0].split("'")[3]
    assert list(after[renamed]) == list(range(40))


def test_arrays_of_data_in_memory_go_home_too(tmp_path):
    data = zoo.new_anndata()
    data.varm["PCs"], data.varp["graph"] = zoo.COUNTS[:12, :2], np.eye(12)
    data.obsp["graph"] = np.eye(40)
    data.obsm["table"] = pd.DataFrame({"named": range(40)}, index=data.obs_names)
    after = anndata.read_h5ad(write_result(data, tmp_path / "r.h5ad", {}, {}).path)
    np.testing.assert_array_equal(after.obsp["graph"], np.eye(40))
    assert list(after.obsm["table"]["named"]) == list(range(40))
    assert set(after.varm) == {"PCs"} and set(after.varp) == {"graph"}
