"""What lies beside the counts is kept or named."""

import anndata
import h5py
import layouts
import numpy as np
import pandas as pd
import zoo

from diffbio_engine.data import read, write_result


def test_a_second_column_of_barcodes_is_kept_and_a_table_beside_is_named(tmp_path):
    folder = layouts.tenx(tmp_path / "run")
    rows = zip(zoo.CELLS, zoo.TYPES, [str(i) for i in range(40)], strict=True)
    layouts.write(folder / "barcodes.tsv", layouts.lines("\t".join(r) for r in rows))
    layouts.write(folder / "metadata.csv", "cell,age\nother,3\n")
    dataset = read(folder)
    assert list(dataset.obs["column_2"]) == list(zoo.TYPES)
    assert list(dataset.obs["column_3"]) == list(range(40))
    assert any(w.startswith("metadata.csv was not joined: none") for w in dataset.warnings)


def h5mu(path):
    """The RNA of ``zoo``, with what mudata writes beside it."""
    rna = zoo.new_anndata()
    rna.varm["PCs"], rna.obsp["graph"], rna.varp["genes"] = np.ones((12, 2)), np.eye(40), np.eye(12)
    rna.uns["made"] = {"by": "us"}
    rna.write_h5ad(path.with_suffix(".h5ad"))
    both = zoo.new_anndata()
    both.obs = pd.DataFrame(
        {"donor": ["a", "b"] * 20, "rna:batch": list(rna.obs["batch"])}, index=zoo.CELLS
    )
    both.obsm = {"X_umap": np.ones((40, 2)), "rna": np.ones(40, bool)}
    both.varm["LFs"] = np.ones((12, 2))
    both.uns["wnn"] = 3
    both.write_h5ad(path.with_suffix(".all"))
    with h5py.File(path, "w") as file:
        with h5py.File(path.with_suffix(".h5ad")) as source:
            source.copy(source["/"], file, "mod/rna")
        with h5py.File(path.with_suffix(".all")) as source:
            for part in ("obs", "obsm", "var", "varm", "uns"):
                source.copy(part, file)
        file["obsmap/rna"] = np.arange(40)
        file["history"] = "made by hand"
    return path


def test_what_an_h5mu_holds_of_all_modalities_is_named_and_copies_are_not(tmp_path):
    said = (
        "of all modalities together was left out: obs/donor, obsm/X_umap, varm/LFs, uns/wnn, "
        "/history."
    )
    assert any(said in w for w in read(h5mu(tmp_path / "x.h5mu")).warnings)


def test_all_that_the_rna_of_an_h5mu_holds_goes_into_the_result(tmp_path):
    written = write_result(h5mu(tmp_path / "x.h5mu"), tmp_path / "r.h5ad", {}, {})
    after = anndata.read_h5ad(written.path)
    np.testing.assert_array_equal(after.obsp["graph"], np.eye(40))
    np.testing.assert_array_equal(after.varm["PCs"], np.ones((12, 2)))
    np.testing.assert_array_equal(after.varp["genes"], np.eye(12))
    assert after.uns["made"]["by"] == "us" and not written.notes


def test_what_a_loom_holds_beside_tables_and_matrices_is_named(tmp_path):
    with h5py.File(tmp_path / "x.loom", "w") as file:
        file["matrix"] = zoo.COUNTS.T
        file["col_attrs/CellID"] = np.array(zoo.CELLS, dtype=zoo.TEXT)
        file["col_attrs/UMAP"] = zoo.COUNTS[:, :2]
        file["row_attrs/Gene"] = np.array(zoo.GENES, dtype=zoo.TEXT)
        file["row_attrs/loadings"] = np.ones((12, 3))
        file["col_graphs/KNN/a"] = np.arange(3)
    dataset = read(tmp_path / "x.loom")
    assert "Left out of the file: row_attrs/loadings, col_graphs/KNN." in dataset.warnings
    assert list(dataset.obsm) == ["UMAP"]
