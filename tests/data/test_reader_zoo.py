"""Files of every kind and age that people bring open, and show the same numbers."""

import gzip
import json
import shutil

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import zoo

from diffbio_engine.data import Dataset, inspect, read


def as_h5ad(tmp_path, change=lambda adata: None):
    adata = zoo.new_anndata()
    change(adata)
    adata.write_h5ad(tmp_path / "x.h5ad")
    return tmp_path / "x.h5ad"


def dense(adata):
    adata.X = zoo.COUNTS


def csc(adata):
    adata.X = sp.csc_matrix(zoo.COUNTS)


def unmarked_cells(adata):
    adata.obs["cell_type"] = adata.obs["cell_type"].where(np.arange(40) > 5)


@pytest.mark.parametrize("change", [lambda a: None, dense, csc, unmarked_cells])
def test_every_way_to_store_x_shows_the_same_counts(tmp_path, change):
    path = as_h5ad(tmp_path, change)
    preview, dataset = inspect(path), read(path)
    assert (preview.n_cells, preview.n_genes) == (40, 12)
    assert preview.matrices[0].holds == "raw counts"
    np.testing.assert_array_equal(dataset.matrix("X").toarray(), zoo.COUNTS)
    assert preview.suggested["batch_labels"] == "obs/batch"
    assert preview.suggested["labels"] == "obs/cell_type"
    assert preview.suggested["embeddings"] == "obsm/X_pca"
    json.dumps(preview.as_dict())


@pytest.mark.parametrize("make", [zoo.of_anndata_07, zoo.of_anndata_06])
def test_files_of_old_anndata_open(tmp_path, make):
    dataset = read(make(tmp_path / "old.h5ad"))
    assert list(dataset.obs.index[:2]) == ["cell0", "cell1"]
    assert list(dataset.var.index) == zoo.GENES
    assert list(dataset.obs["cell_type"].astype(str)) == list(zoo.TYPES)
    np.testing.assert_array_equal(dataset.obsm["X_pca"], zoo.COUNTS[:, :3])
    counts = "raw/X" if "raw/X" in dataset.places else "X"
    np.testing.assert_array_equal(dataset.matrix(counts).toarray(), zoo.COUNTS)
    assert inspect(tmp_path / "old.h5ad").suggested["counts"] == counts


def test_an_empty_value_in_uns_does_not_stop_the_reader(tmp_path):
    path = as_h5ad(tmp_path)
    with h5py.File(path, "a") as f:
        group = f["uns"].create_group("log1p")
        group.attrs.update({"encoding-type": "dict", "encoding-version": "0.1.0"})
        group["base"] = h5py.Empty("f4")
        group["base"].attrs.update({"encoding-type": "null", "encoding-version": "0.1.0"})
        odd = f["uns"].create_group("from_the_future")
        odd.attrs["encoding-type"] = "never-heard-of"
        odd["x"] = 1
    dataset = read(path)
    assert dataset.uns["log1p"] == {}
    assert "from_the_future" in dataset.warnings[0]
    assert inspect(path).n_cells == 40


def test_new_scanpy_keys_and_byte_strings_are_understood(tmp_path):
    def change(adata):
        adata.obsm["pca"] = adata.obsm.pop("X_pca")

    path = as_h5ad(tmp_path, change)
    with h5py.File(path, "a") as f:
        del f["obs/cell_type/categories"]
        f["obs/cell_type/categories"] = np.array([b"B", b"NK", b"T"])
    assert inspect(path).suggested["embeddings"] == "obsm/pca"
    assert set(read(path).obs["cell_type"]) == {"B", "NK", "T"}


def test_counts_are_found_in_a_layer_and_in_raw(tmp_path):
    def change(adata):
        adata.raw = adata.copy()
        adata.layers["counts"] = adata.X.copy()
        adata.X = sp.csr_matrix(np.log1p(zoo.COUNTS / zoo.COUNTS.sum(1, keepdims=True) * 1e4))

    preview = inspect(as_h5ad(tmp_path, change))
    holds = {m.place: m.holds for m in preview.matrices}
    assert holds == {"X": "log-normalised", "layers/counts": "raw counts", "raw/X": "raw counts"}
    assert preview.suggested["counts"] == "layers/counts"


@pytest.mark.parametrize(
    "matrix, holds",
    [
        (zoo.COUNTS / zoo.COUNTS.sum(1, keepdims=True) * 1e4, "normalised"),
        (zoo.COUNTS - zoo.COUNTS.mean(0) + 0.01, "scaled"),
        (np.where(zoo.COUNTS > 3, np.nan, zoo.COUNTS), "unknown"),
        (-zoo.COUNTS, "unknown"),
    ],
)
def test_what_a_matrix_holds_is_said(matrix, holds):
    import anndata

    from diffbio_engine.data.inspection.preview import preview_of

    preview = preview_of(Dataset.from_anndata(anndata.AnnData(matrix.astype(np.float32))))
    assert preview.matrices[0].holds == holds
    assert any("No raw counts" in w for w in preview.warnings)


def test_tenx_h5_of_both_versions_opens_with_genes_only(tmp_path):
    dataset = read(zoo.tenx_v3(tmp_path / "v3.h5"))
    np.testing.assert_array_equal(dataset.matrix("X").toarray(), zoo.COUNTS[:, :10])
    assert dataset.warnings == ["2 of 12 features are of type Antibody Capture and were left out."]
    assert list(dataset.var["gene_ids"])[:1] == ["ENSG00000000000"]
    everything = read(tmp_path / "v3.h5", features=None)
    np.testing.assert_array_equal(everything.matrix("X", backed=True).rows([3, 1]).toarray(),
                                  zoo.COUNTS[[3, 1]])  # fmt: skip
    np.testing.assert_array_equal(
        read(zoo.tenx_v2(tmp_path / "v2.h5")).matrix("X").toarray(), zoo.COUNTS
    )
    assert inspect(tmp_path / "v3.h5").kind == "10x h5"


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("archive", [True, False])
def test_a_tenx_folder_opens_gzipped_or_not_and_in_a_zip(tmp_path, zipped, archive):
    features = "features.tsv" if zipped else "genes.tsv"
    path = zoo.tenx_folder(tmp_path / "sample", zipped=zipped, features=features)
    if archive:
        path = shutil.make_archive(str(tmp_path / "sample"), "zip", tmp_path, "sample")
    preview, dataset = inspect(path), read(path)
    np.testing.assert_array_equal(dataset.matrix("X").toarray(), zoo.COUNTS)
    assert (preview.n_cells, preview.n_genes) == (40, 12)
    assert preview.matrices[0].zeros == pytest.approx((zoo.COUNTS == 0).mean())


@pytest.mark.parametrize("separator, suffix", [(",", ".csv"), ("\t", ".tsv"), (",", ".csv.gz")])
@pytest.mark.parametrize("turned", [True, False])
def test_tables_are_read_either_way_round_and_say_so(tmp_path, separator, suffix, turned):
    genes = ["ACTB", "CD3D", "MT-CO1", "RPL3", *zoo.GENES[4:]]
    table = pd.DataFrame(zoo.COUNTS.astype(int), index=zoo.CELLS, columns=genes)
    text = (table.T if turned else table).to_csv(sep=separator)
    path = tmp_path / f"x{suffix}"
    path.write_bytes(gzip.compress(text.encode()) if suffix.endswith("gz") else text.encode())
    preview, dataset = inspect(path), read(path)
    assert (preview.n_cells, preview.n_genes) == (40, 12)
    np.testing.assert_array_equal(dataset.matrix("X").toarray(), zoo.COUNTS)
    way = "genes in rows" if turned else "cells in rows"
    assert preview.warnings[0].startswith(f"Read with {way}, because ")
    turned_by_hand = read(path, orientation="cells in rows" if turned else "genes in rows")
    assert turned_by_hand.n_cells == 12


def test_words_in_a_table_become_labels_and_r_headers_are_understood(tmp_path):
    table = pd.DataFrame(zoo.COUNTS.astype(int), index=zoo.CELLS, columns=zoo.GENES)
    table["cell_type"] = zoo.TYPES
    lines = table.to_csv(sep="\t").split("\n")
    lines[0] = lines[0].removeprefix("\t")
    (tmp_path / "r.tsv").write_text("\n".join(lines))
    dataset = read(tmp_path / "r.tsv")
    np.testing.assert_array_equal(dataset.matrix("X").toarray(), zoo.COUNTS)
    assert list(dataset.obs["cell_type"]) == list(zoo.TYPES)
    assert inspect(tmp_path / "r.tsv").suggested["labels"] == "obs/cell_type"


def test_repeated_names_are_made_unique_and_told(tmp_path):
    def change(adata):
        adata.var_names = ["A", "A", "A-1", *zoo.GENES[3:]]
        adata.obs_names = ["c0", "c0", *zoo.CELLS[2:]]

    dataset = read(as_h5ad(tmp_path, change))
    assert list(dataset.var.index[:3]) == ["A", "A-2", "A-1"]
    assert list(dataset.var["original_name"][:3]) == ["A", "A", "A-1"]
    assert [w.split(" were")[0] for w in dataset.warnings] == [
        "1 duplicated cell names",
        "1 duplicated gene names",
    ]
