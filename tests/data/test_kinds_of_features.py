"""Only genes are taken for genes: antibodies and the like are left out, said, and had by choice."""

import anndata
import h5py
import layouts
import numpy as np
import pytest
import scipy.sparse as sp
import zoo

from diffbio_engine.data import inspect, read, write_result

KINDS = ["Gene Expression"] * 9 + ["Antibody Capture"] * 3


def with_antibodies(column="feature_types", kinds=KINDS, make=sp.csr_matrix):
    data = zoo.new_anndata()
    data.X = make(zoo.COUNTS)
    data.var[column] = kinds
    data.raw = data.copy()
    data.layers["counts"] = data.X.copy()
    data.varm["PCs"], data.varp["graph"] = zoo.COUNTS[:12, :2].copy(), sp.eye(12, format="csr")
    return data


def written(data, folder, form):
    if form == "zarr":
        data.write_zarr(folder / "x.zarr")
        return folder / "x.zarr"
    path = folder / "x.h5ad"
    data.write_h5ad(path)
    if form == "h5mu":
        with h5py.File(path) as source, h5py.File(folder / "x.h5mu", "w") as file:
            source.copy(source["/"], file, "mod/rna")
        return folder / "x.h5mu"
    return path


@pytest.mark.parametrize("form", ["h5ad", "zarr", "h5mu"])
@pytest.mark.parametrize("make", [sp.csr_matrix, sp.csc_matrix, np.asarray])
def test_antibodies_among_the_genes_of_a_file_are_left_out_and_said(tmp_path, form, make):
    path = written(with_antibodies(make=make), tmp_path, form)
    preview, dataset = inspect(path), read(path)
    assert preview.n_genes == dataset.n_genes == 9
    assert "3 of 12 features are of type Antibody Capture and were left out." in dataset.warnings
    for place in ("X", "layers/counts", "raw/X"):
        np.testing.assert_array_equal(dataset.matrix(place).toarray(), zoo.COUNTS[:, :9])
        assert list(dataset.genes(place).index) == zoo.GENES[:9]
    assert (choice := preview.choices[0]).name == "features"
    assert [v for v, _ in choice.possible] == ["Gene Expression", "Antibody Capture", "all"]
    assert read(path, features="all").n_genes == 12
    chosen = read(path, features="Antibody Capture")
    np.testing.assert_array_equal(chosen.matrix("X").toarray(), zoo.COUNTS[:, 9:])


def test_a_result_of_genes_only_agrees_with_itself(tmp_path):
    path = written(with_antibodies(), tmp_path, "h5ad")
    after = anndata.read_h5ad(write_result(path, tmp_path / "r.h5ad", {}, {}).path)
    assert after.shape == after.raw.shape == (40, 9)
    np.testing.assert_array_equal(after.varm["PCs"], zoo.COUNTS[:9, :2])
    np.testing.assert_array_equal(after.varp["graph"].toarray(), np.eye(9))


def test_kinds_are_known_by_their_words_whatever_the_column_is_called(tmp_path):
    kinds = ["GEX"] * 9 + ["ADT"] * 3
    path = written(with_antibodies("feature_type", kinds), tmp_path, "h5ad")
    assert read(path).n_genes == 9


def test_biotypes_are_no_kinds_of_features(tmp_path):
    biotypes = ["protein_coding"] * 5 + ["lncRNA"] * 4 + ["miRNA"] * 3
    path = written(with_antibodies("feature_type", biotypes), tmp_path, "h5ad")
    assert read(path).n_genes == 12
    assert [c.name for c in read(path).choices] == ["rows"]
    folder = layouts.tenx(tmp_path / "folder")
    rows = zip(layouts.IDS, zoo.GENES, biotypes, strict=True)
    layouts.write(folder / "features.tsv", layouts.lines("\t".join(r) for r in rows))
    dataset = read(folder)
    assert dataset.n_genes == 12 and [c.name for c in dataset.choices] == ["rows"]
    assert list(dataset.var["column_3"]) == biotypes
