"""Loom, h5mu, zarr and the variants of 10x h5 open; what is left out is said."""

import json
import shutil

import h5py
import numpy as np
import pytest
import zoo

from diffbio_engine.data import inspect, read, write_result
from diffbio_engine.errors import DataError


def x(dataset, place="X"):
    return dataset.matrix(place).toarray()


def loom(path, *, names=True):
    with h5py.File(path, "w") as f:
        f["matrix"] = zoo.COUNTS.T
        f["layers/spliced"], f["layers/unspliced"] = zoo.COUNTS.T, 2 * zoo.COUNTS.T
        f["col_attrs/Clusters"] = np.arange(40) % 3
        f["col_attrs/cell_type"] = np.array(zoo.TYPES, dtype=h5py.string_dtype())
        f["col_attrs/X_umap"] = zoo.COUNTS[:, :2]
        f["row_attrs/Accession"] = np.array([f"ENSG{g:011d}" for g in range(12)], dtype="S16")
        if names:
            f["col_attrs/CellID"] = np.array(zoo.CELLS, dtype="S8")
            f["row_attrs/Gene"] = np.array(zoo.GENES, dtype="S8")
    return path


def test_a_loom_of_velocyto_keeps_layers_columns_and_embeddings(tmp_path):
    preview, dataset = inspect(loom(tmp_path / "v.loom")), read(tmp_path / "v.loom")
    np.testing.assert_array_equal(x(dataset), zoo.COUNTS)
    np.testing.assert_array_equal(x(dataset, "layers/unspliced"), 2 * zoo.COUNTS)
    assert preview.kind == "loom" and preview.suggested["unspliced"] == "layers/unspliced"
    assert list(dataset.obs.index) == zoo.CELLS and list(dataset.var.index) == zoo.GENES
    assert dataset.var["gene_ids"].iloc[1] == "ENSG00000000001"
    assert dataset.obsm["X_umap"].shape == (40, 2) and "Clusters" in dataset.obs
    written = write_result(dataset, tmp_path / "out.h5ad", {"obsm/X_new": zoo.COUNTS[:, :2]}, {})
    again = read(written.path)
    np.testing.assert_array_equal(x(again, "layers/unspliced"), 2 * zoo.COUNTS)


def test_a_loom_without_names_numbers_them_and_says_so(tmp_path):
    dataset = read(loom(tmp_path / "plain.loom", names=False))
    assert list(dataset.obs.index[:2]) == ["cell_1", "cell_2"]
    assert any("cells have no names" in w for w in dataset.warnings)


def h5mu(path, names=("rna", "prot")):
    adata = zoo.new_anndata()
    adata.write_h5ad(path.with_suffix(".h5ad"))
    with h5py.File(path, "w") as f, h5py.File(path.with_suffix(".h5ad")) as whole:
        f.attrs["encoding-type"] = "MuData"
        for name in names:
            whole.copy(whole["/"], f.require_group("mod"), name)
        for table in ("obs", "var"):
            whole.copy(table, f)
    return path


def test_the_rna_of_an_h5mu_is_taken_and_the_others_are_named(tmp_path):
    preview, dataset = inspect(h5mu(tmp_path / "x.h5mu")), read(tmp_path / "x.h5mu")
    assert preview.warnings[0] == "The modality rna is used; prot left out."
    np.testing.assert_array_equal(x(dataset), zoo.COUNTS)
    np.testing.assert_array_equal(dataset.obsm["X_pca"], zoo.COUNTS[:, :3])
    written = write_result(dataset, tmp_path / "out.h5ad", {"obsm/X_new": zoo.COUNTS[:, :2]}, {})
    assert read(written.path).obsm["X_pca"].shape == (40, 3)
    with pytest.raises(DataError, match="holds atac, prot, and none of them is called rna"):
        inspect(h5mu(tmp_path / "y.h5mu", ("atac", "prot")))


@pytest.mark.parametrize("zipped", [False, True])
def test_a_zarr_store_opens_as_a_folder_and_in_a_zip(tmp_path, zipped):
    adata = zoo.new_anndata()
    adata.layers["counts"] = adata.X.copy()
    path = tmp_path / "x.zarr"
    adata.write_zarr(path)
    if zipped:
        path = shutil.make_archive(str(tmp_path / "x"), "zip", tmp_path, "x.zarr")
    preview, dataset = inspect(path), read(path)
    np.testing.assert_array_equal(x(dataset, "layers/counts"), zoo.COUNTS)
    assert (preview.kind, preview.n_cells, preview.n_genes) == ("zarr", 40, 12)
    assert preview.suggested["labels"] == "obs/cell_type"


def test_a_zarr_store_that_would_unpickle_is_refused(tmp_path):
    store = tmp_path / "evil.zarr"
    zoo.new_anndata().write_zarr(store)
    here = store / "obs" / "_index"
    (here / "zarr.json").unlink(missing_ok=True)
    words = {"zarr_format": 2, "shape": [40], "chunks": [40], "dtype": "|O", "order": "C",
             "fill_value": None, "compressor": None, "filters": [{"id": "pickle"}]}  # fmt: skip
    (here / ".zarray").write_text(json.dumps(words))
    with pytest.raises(DataError, match="packed with 'pickle', which is not opened here"):
        inspect(store)


@pytest.mark.parametrize("gone", ["feature_type", "id", "name"])
def test_a_tenx_h5_lacking_a_list_opens_by_the_others(tmp_path, gone):
    path = zoo.tenx_v3(tmp_path / "x.h5")
    with h5py.File(path, "a") as f:
        del f[f"matrix/features/{gone}"]
    dataset = read(path)
    assert dataset.n_genes == (12 if gone == "feature_type" else 10)


def test_the_kind_of_features_is_a_choice_and_genes_come_first(tmp_path):
    path = zoo.tenx_v3(tmp_path / "x.h5")
    choice = inspect(path).choices[0]
    assert (choice.name, choice.taken) == ("features", "Gene Expression")
    assert [v for v, _ in choice.possible] == ["Gene Expression", "Antibody Capture", "all"]
    for how, n in (("Antibody Capture", 2), ("all", 12)):
        assert inspect(path, features=how).n_genes == read(path, features=how).n_genes == n
    with pytest.raises(DataError, match="no features of type 'Peaks'; there are 10 Gene Exp"):
        inspect(path, features="Peaks")


def test_genomes_in_one_matrix_are_all_kept_and_one_can_be_chosen(tmp_path):
    path = zoo.tenx_v3(tmp_path / "x.h5")
    with h5py.File(path, "a") as f:
        f["matrix/features/genome"] = np.array([b"GRCh38"] * 7 + [b"mm10"] * 5)
    assert inspect(path).n_genes == 10
    preview, dataset = inspect(path, genome="mm10"), read(path, genome="mm10")
    assert preview.n_genes == dataset.n_genes == 3
    np.testing.assert_array_equal(x(dataset), zoo.COUNTS[:, 7:10])


@pytest.mark.parametrize("form", ["h5ad", "10x h5", "table", "folder", "loom"])
def test_cells_without_counts_are_said(tmp_path, form, monkeypatch):
    counts = zoo.COUNTS.copy()
    counts[[3, 17]] = 0
    monkeypatch.setattr(zoo, "COUNTS", counts)
    if form == "h5ad":
        path = tmp_path / "x.h5ad"
        zoo.new_anndata().write_h5ad(path)
    elif form == "10x h5":
        path = zoo.tenx_v2(tmp_path / "x.h5")
    elif form == "table":
        path = tmp_path / "x.csv"
        path.write_text(zoo.new_anndata().to_df().to_csv())
    elif form == "folder":
        path = zoo.tenx_folder(tmp_path / "x")
    else:
        path = loom(tmp_path / "x.loom")
    said = [w for w in inspect(path).warnings if "hold no counts" in w]
    assert said == ["2 of 40 cells hold no counts (X): they belong to no cluster."]
