"""Marker genes are those of scanpy, and go where its plots look for them."""

import anndata
import numpy as np
import pytest
import scipy.sparse as sp

from diffbio_engine.data import CellSource, write_result
from diffbio_engine.runs import RunFolder, RunReader
from diffbio_engine.runs.worker.marker_genes import Marked, marker_genes
from diffbio_engine.runs.worker.train import work
from tests.command_line.small_run import run_of, write_inputs


@pytest.fixture(scope="module")
def blood(shared_data):
    adata = anndata.read_h5ad(shared_data / "pbmc3k_hvg2000_counts.h5ad")
    adata.obs["cell_type"] = adata.obs["cell_type"].astype("category")
    return adata


def markers_of(adata):
    types = adata.obs["cell_type"].cat
    found = marker_genes(CellSource(adata.X), types.codes.to_numpy(), types.categories.size)
    names = [str(c) for c in types.categories]
    return Marked(
        found, "annotate.types", "classes", names, list(adata.var_names), "obsm/cell_type_prob"
    )


def test_they_are_those_of_scanpy(blood):
    import scanpy

    marked, plain = markers_of(blood), blood.copy()
    scanpy.pp.normalize_total(plain, target_sum=1e4)
    scanpy.pp.log1p(plain)
    scanpy.tl.rank_genes_groups(plain, "cell_type", pts=True)
    ours = blood.copy()
    ours.uns["rank_genes_groups"] = marked.for_scanpy()
    for i, name in enumerate(marked.names):
        theirs = scanpy.get.rank_genes_groups_df(plain, name).set_index("names")
        theirs, m = theirs.loc[blood.var_names], marked.markers
        # scanpy works in float32, we in float64.
        np.testing.assert_allclose(m.scores[i], theirs.scores, atol=1e-4)
        np.testing.assert_allclose(m.log2_fold_changes[i], theirs.logfoldchanges, atol=1e-5)
        np.testing.assert_allclose(m.adjusted_p_values[i], theirs.pvals_adj, atol=1e-6)
        np.testing.assert_allclose(m.fraction_in[i], theirs.pct_nz_group, atol=1e-7)
        np.testing.assert_allclose(m.fraction_out[i], theirs.pct_nz_reference, atol=1e-7)
        read = scanpy.get.rank_genes_groups_df(ours, name)
        assert read.names[:20].tolist() == theirs.sort_values(
            "scores", ascending=False, kind="stable"
        ).index[:20].tolist()  # fmt: skip


def test_a_result_file_has_them_where_scanpy_looks(blood, tmp_path):
    import scanpy

    marked = markers_of(blood)
    written = write_result(blood, tmp_path / "r.h5ad", {}, {}, marker_genes=marked.for_scanpy())
    assert written.keys["uns/rank_genes_groups"] == "uns/rank_genes_groups"
    back = scanpy.get.rank_genes_groups_df(anndata.read_h5ad(tmp_path / "r.h5ad"), "B")
    assert back.names[0] == marked.genes[marked.markers.scores[marked.names.index("B")].argmax()]
    # A file that has some already keeps them.
    again = write_result(
        tmp_path / "r.h5ad", tmp_path / "s.h5ad", {}, {}, marker_genes=marked.for_scanpy()
    )
    assert again.keys["uns/rank_genes_groups"] == "uns/rank_genes_groups_2"


def test_types_with_a_slash_in_their_name_are_written_too(blood, tmp_path):
    import scanpy

    named = blood.copy()
    named.obs["cell_type"] = named.obs["cell_type"].cat.rename_categories({"B": "B/plasma"})
    told = markers_of(named).for_scanpy()
    write_result(named, tmp_path / "r.h5ad", {}, {}, marker_genes=told)
    back = scanpy.get.rank_genes_groups_df(anndata.read_h5ad(tmp_path / "r.h5ad"), "B/plasma")
    assert back.names[0] == told["names"]["B/plasma"][0]


def test_groups_of_fewer_than_three_cells_and_silent_genes_are_no_markers():
    counts = np.array([[3, 0, 0], [4, 1, 0], [5, 1, 0], [0, 6, 0], [1, 7, 0], [0, 5, 0], [9, 9, 0]])
    found = marker_genes(CellSource(sp.csr_matrix(counts)), np.array([0, 0, 0, 1, 1, 1, 2]), 4)
    assert np.isnan(found.scores[2:]).all()  # one cell, and none
    assert found.scores[0, 0] > 2 and found.scores[1, 0] < -2
    assert (found.scores[:2, 2] == 0).all() and (found.p_values[:2, 2] == 1).all()
    drawn = marker_genes(
        CellSource(sp.csr_matrix(counts[::-1])),
        np.array([0, 0, 0, 1, 1, 1]),
        2,
        np.arange(6, 0, -1),
    )
    alone = marker_genes(CellSource(sp.csr_matrix(counts[:6])), np.array([0, 0, 0, 1, 1, 1]), 2)
    np.testing.assert_array_equal(drawn.scores, alone.scores)


def test_a_run_ends_with_the_markers_of_its_clusters(tmp_path):
    write_inputs(tmp_path)
    folder = RunFolder.create(tmp_path / "run", run_of(tmp_path, steps=3))
    assert work(folder.path) == 0
    found = [f for f in RunReader(folder.path).findings().found if "marker" in f.port]
    assert [f.port for f in found][:2] == [
        "cluster.marker_score",
        "cluster.marker_log2_fold_change",
    ]
    assert found[0].axes == ("clusters", "genes") and found[0].values.shape == (3, 30)
    result = anndata.read_h5ad(folder.result)
    told = result.uns["rank_genes_groups"]
    assert told["params"]["groupby"] == "cluster_diffbio"
    assert set(told["names"].dtype.names) <= set(result.obs["cluster_diffbio"].cat.categories)
