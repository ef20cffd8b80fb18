"""Results open everywhere, nothing that came with the file is lost, nothing is half-written."""

import json
import os
import resource
import signal

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import zoo

from diffbio_engine.data import Dataset, category_colors, examples, inspect, read, write_result
from diffbio_engine.data.demos.examples import recovered_counts
from diffbio_engine.errors import DataError, RunError

SHARES = np.random.default_rng(1).dirichlet(np.ones(3), 40).astype(np.float32)
ARRAYS = {
    "obsm/X_latent": zoo.COUNTS[:, :4],
    "obsm/X_umap_diffbio": zoo.COUNTS[:, :2].astype(np.float64),
    "obsm/cluster_diffbio_prob": SHARES,
}


def opened(path):
    import anndata

    return anndata.read_h5ad(path)


def rich_file(tmp_path):
    adata = zoo.new_anndata()
    adata.raw = adata.copy()
    adata.layers["log"] = sp.csc_matrix(np.log1p(zoo.COUNTS))
    adata.obsp["distances"] = sp.csr_matrix(np.eye(40, dtype=np.float32))
    adata.varm["PCs"] = zoo.COUNTS[:12, :2]
    adata.obsm["table"] = pd.DataFrame({"a": range(40)}, index=adata.obs_names)
    adata.uns["batch_colors"] = np.array(["#111111", "#222222"])
    adata.uns["nested"] = {"params": {"n": 3, "words": np.array(["x", "y"])}}
    adata.obs["part"] = pd.Categorical(["x", None] * 20)
    adata.obs["flag"] = [True, False] * 20
    adata.write_h5ad(tmp_path / "rich.h5ad", compression="gzip")
    return tmp_path / "rich.h5ad", adata


def test_a_table_of_cells_keeps_the_names_of_its_columns(tmp_path):
    scores = pd.DataFrame(zoo.COUNTS[:, :2], columns=["CCL5_CCR5", "TNF_TNFRSF1A"])
    path, before = rich_file(tmp_path)
    written = write_result(path, tmp_path / "r.h5ad", {"obsm/lr_scores_diffbio": scores}, {})
    after = opened(written.path).obsm["lr_scores_diffbio"]
    assert list(after.index) == list(before.obs_names)
    np.testing.assert_array_equal(after["TNF_TNFRSF1A"], zoo.COUNTS[:, 1])


def test_everything_that_came_with_the_file_is_kept_and_results_lie_beside_it(tmp_path):
    path, before = rich_file(tmp_path)
    written = write_result(path, tmp_path / "r.h5ad", ARRAYS, {"seed": 3, "config": {"a": [1]}})
    after = opened(written.path)
    np.testing.assert_array_equal(after.X.toarray(), zoo.COUNTS)
    np.testing.assert_array_equal(after.raw.X.toarray(), zoo.COUNTS)
    np.testing.assert_array_equal(after.layers["log"].toarray(), np.log1p(zoo.COUNTS))
    np.testing.assert_array_equal(after.obsp["distances"].toarray(), np.eye(40))
    np.testing.assert_array_equal(after.varm["PCs"], zoo.COUNTS[:12, :2])
    assert list(after.obsm["table"].columns) == ["a"]
    assert after.uns["nested"]["params"]["n"] == 3
    assert list(after.uns["batch_colors"]) == ["#111111", "#222222"]
    for column in before.obs:
        assert list(after.obs[column].astype(str)) == list(before.obs[column].astype(str)), column
    np.testing.assert_array_equal(after.obsm["X_latent"], zoo.COUNTS[:, :4])
    assert after.obsm["X_umap_diffbio"].dtype == np.float32
    clusters = after.obs["cluster_diffbio"]
    assert list(clusters.cat.categories) == ["0", "1", "2"]
    np.testing.assert_array_equal(clusters.cat.codes, SHARES.argmax(1))
    np.testing.assert_allclose(after.obs["cluster_diffbio_certainty"], SHARES.max(1))
    assert list(after.uns["cluster_diffbio_colors"]) == category_colors(3)
    assert after.uns["diffbio"]["seed"] == "3"
    assert json.loads(after.uns["diffbio"]["config"]) == {"a": [1]}
    assert written.notes == ()


def test_nothing_in_the_result_is_of_a_kind_that_old_readers_do_not_know(tmp_path):
    path, _ = rich_file(tmp_path)
    write_result(path, tmp_path / "r.h5ad", ARRAYS, {"nothing": None, "a": "b"})
    known = {"anndata", "dict", "dataframe", "csr_matrix", "csc_matrix", "array", "string",
             "string-array", "numeric-scalar", "categorical", "raw", ""}  # fmt: skip
    with h5py.File(tmp_path / "r.h5ad") as f:
        kinds = set()
        f.visititems(lambda name, item: kinds.add(str(item.attrs.get("encoding-type", ""))))
        assert kinds <= known
        assert list(f["uns/diffbio"]) == ["a"]


def test_names_that_are_taken_get_a_number_and_the_old_ones_stay(tmp_path):
    path, _ = rich_file(tmp_path)
    first = write_result(path, tmp_path / "1.h5ad", ARRAYS, {"seed": 1}, cluster_names=list("xyz"))
    changed = ARRAYS | {"obsm/X_latent": zoo.COUNTS[:, :4] + 1}
    second = write_result(first.path, tmp_path / "2.h5ad", changed, {"seed": 2})
    third = write_result(second.path, tmp_path / "3.h5ad", changed, {"seed": 3})
    assert third.keys["obsm/X_latent"] == "obsm/X_latent_3"
    assert any("obs/cluster_diffbio was in the file already" in note for note in second.notes)
    after = opened(tmp_path / "3.h5ad")
    np.testing.assert_array_equal(after.obsm["X_latent"], zoo.COUNTS[:, :4])
    np.testing.assert_array_equal(after.obsm["X_latent_2"], zoo.COUNTS[:, :4] + 1)
    assert set(after.obs["cluster_diffbio"]) <= set("xyz")
    assert {"cluster_diffbio_colors", "cluster_diffbio_2_colors"} <= set(after.uns)
    assert [after.uns[k]["seed"] for k in ("diffbio", "diffbio_2", "diffbio_3")] == list("123")


def test_layers_can_be_written_block_by_block_and_wrong_ones_are_left_out(tmp_path):
    path, _ = rich_file(tmp_path)
    layers = {
        "normalized_diffbio": lambda: (zoo.COUNTS[i : i + 16] for i in range(0, 40, 16)),
        "sparse_diffbio": sp.csr_matrix(zoo.COUNTS),
        "narrow_diffbio": zoo.COUNTS[:, :5],
    }
    written = write_result(path, tmp_path / "r.h5ad", {}, {}, layers=layers)
    after = opened(tmp_path / "r.h5ad")
    np.testing.assert_array_equal(after.layers["normalized_diffbio"], zoo.COUNTS)
    np.testing.assert_array_equal(after.layers["sparse_diffbio"].toarray(), zoo.COUNTS)
    assert written.notes == ("narrow_diffbio was left out: it has 5 genes, but the file 12.",)


@pytest.mark.parametrize("make", ["06", "07", "10x h5", "10x folder", "csv", "AnnData"])
def test_results_of_every_kind_of_source_open(tmp_path, make):
    source = {
        "06": lambda: zoo.of_anndata_06(tmp_path / "x.h5ad"),
        "07": lambda: zoo.of_anndata_07(tmp_path / "x.h5ad"),
        "10x h5": lambda: zoo.tenx_v2(tmp_path / "x.h5"),
        "10x folder": lambda: zoo.tenx_folder(tmp_path / "x"),
        "csv": lambda: _csv(tmp_path / "x.csv"),
        "AnnData": zoo.new_anndata,
    }[make]()
    after = opened(write_result(source, tmp_path / "r.h5ad", ARRAYS, {}).path)
    expected = np.log1p(zoo.COUNTS) if make == "06" else zoo.COUNTS
    np.testing.assert_array_equal(after.X.toarray(), expected)
    if make == "06":
        np.testing.assert_array_equal(after.raw.X.toarray(), zoo.COUNTS)
        assert list(after.obs["cell_type"]) == list(zoo.TYPES)
    assert inspect(tmp_path / "r.h5ad").n_cells == 40


def _csv(path):
    pd.DataFrame(zoo.COUNTS, index=zoo.CELLS, columns=zoo.GENES).to_csv(path)
    return path


def test_arrays_of_other_cells_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"obsm/X_latent has 3 rows, but data has 40 cells"):
        write_result(zoo.new_anndata(), tmp_path / "r.h5ad", {"obsm/X_latent": np.eye(3)}, {})
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_and_leaves_the_earlier_result_whole(tmp_path):
    out = tmp_path / "r.h5ad"
    write_result(zoo.new_anndata(), out, ARRAYS, {"seed": 1})
    before = out.read_bytes()
    # The limit on the size of a file stands for a disk without space: the same error path.
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    big = np.random.default_rng(0).random((40, 50_000), np.float32)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, limits[1]))
        with pytest.raises(
            RunError, match=r"r\.h5ad could not be written: the disk is full\. Free"
        ):
            write_result(zoo.new_anndata(), out, {"obsm/X_latent": big}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert out.read_bytes() == before
    assert os.listdir(tmp_path) == ["r.h5ad"]


def test_each_example_holds_raw_counts_at_the_places_it_says(tmp_path):
    for example in examples():
        path = example.make(tmp_path)
        preview = inspect(path)
        if "counts" in example.fields:  # those of sequences have none
            assert preview.matrices[0].holds == "raw counts"
        made = path.stat().st_mtime_ns
        assert example.make(tmp_path).stat().st_mtime_ns == made
        suggested = dict(preview.suggested)
        if not example.fields:  # whatever is found without help is taken
            continue
        # What is found without help is right where the example says the same port.
        for port in ("counts", "spatial_coords", "slice_labels", "time_points"):
            assert suggested.get(port) == example.fields.get(port), (example.id, port)


def test_recovered_counts_are_the_true_ones_or_nothing():
    totals = zoo.COUNTS.sum(1).astype(np.float64) * 30
    logged = np.round(np.log1p(1e4 * zoo.COUNTS / totals[:, None]), 3).astype(np.float32)
    again = recovered_counts(sp.csr_matrix(logged), totals)
    np.testing.assert_array_equal(again.toarray(), zoo.COUNTS)
    with pytest.raises(DataError, match="cannot be recovered"):
        recovered_counts(sp.csr_matrix(logged), totals * 1.37)


def test_the_simulated_batches_carry_their_truth(tmp_path):
    example = next(e for e in examples() if e.id == "three_batches")
    dataset = read(example.make(tmp_path))
    assert isinstance(dataset, Dataset) and (dataset.n_cells, dataset.n_genes) == (1500, 500)
    assert dataset.obs["cell_type"].nunique() == 6
    # Mean of a Beta(2, 23) is 0.08, its standard deviation 0.053: four standard errors are 0.006.
    assert dataset.obs["true_ambient_share"].mean() == pytest.approx(0.08, abs=0.006)
