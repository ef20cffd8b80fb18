"""A result is opened by any anndata since 0.8; scanpy's plots find in it what they need."""

from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from diffbio_engine.data import CellSource, Dataset, Fields, open_source, read
from diffbio_engine.data import write_result as write
from diffbio_engine.runs.worker.marker_genes import Marked, marker_genes

# What the registry of anndata 0.8.0 reads.
OF_08 = {
    ("", ""), ("anndata", "0.1.0"), ("array", "0.2.0"), ("categorical", "0.2.0"),
    ("csc_matrix", "0.1.0"), ("csr_matrix", "0.1.0"), ("dataframe", "0.2.0"), ("dict", "0.1.0"),
    ("nullable-boolean", "0.1.0"), ("nullable-integer", "0.1.0"), ("numeric-scalar", "0.2.0"),
    ("raw", "0.1.0"), ("rec-array", "0.2.0"), ("string", "0.2.0"), ("string-array", "0.2.0"),
}  # fmt: skip
_PLOTS = ("dotplot", "matrixplot", "heatmap", "stacked_violin", "tracksplot")


def newer_than_08(path):
    found = set()

    def look(name, item):
        told = tuple(str(item.attrs.get(f"encoding-{what}", "")) for what in ("type", "version"))
        if told not in OF_08:
            found.add((name, *told))

    with h5py.File(path) as file:
        look("/", file)
        file.visititems(look)
    return found


def case(shared_data, name):
    path = shared_data.parent / "cases" / name
    if not path.exists():
        pytest.skip(f"the case {name} is not on this machine")
    return path


def some_cells(n=60, genes=60, raw=False):
    """Three groups, each with four genes of its own; Ensembl names with symbols in a column."""
    random = np.random.default_rng(0)
    counts = random.poisson(1.0, (n, genes)).astype(np.float32)
    groups = np.arange(n) % 3
    for g in range(3):
        counts[groups == g, 4 * g : 4 * g + 4] += 5
    names = [f"ENSG{i:011d}" for i in range(genes)]
    symbols = [f"SYM{i}" for i in range(genes - 1)] + ["SYM0"]
    var = pd.DataFrame({"feature_name": symbols}, index=names)
    data = anndata.AnnData(sp.csr_matrix(counts), var=var)
    data.obs_names = [f"c{i}" for i in range(n)]
    if raw:
        data.raw = data.copy()
        data = data[:, :52].copy()
    return data, np.eye(3, dtype=np.float32)[groups]


def result_of(source, out, shares, counts="X"):
    """What the end of a run does, without the run."""
    dataset = source if isinstance(source, Dataset) else read(source)
    cells = open_source(dataset, Fields({"counts": counts}), ("counts",))
    found = marker_genes(cells, shares.argmax(axis=1), shares.shape[1])
    place = "obsm/cluster_diffbio_prob"
    names = [f"Cluster {i}" for i in range(shares.shape[1])]
    marked = Marked(
        found, "cluster.assignments", "clusters", names, list(map(str, cells.var_names)), place,
        list(cells.gene_keys), counts == "raw/X",
    )  # fmt: skip
    umap = np.random.default_rng(1).normal(size=(len(shares), 2))
    arrays = {place: shares, "obsm/X_umap_diffbio": umap}
    told = marked.for_scanpy()
    return write(dataset, out, arrays, {}, marker_genes=told, main_map="obsm/X_umap_diffbio")


def plotted(path, key="rank_genes_groups", plots=("dotplot",)):
    """Draws marker genes and the map; gives the table of the former, and the file."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt
    import scanpy

    data = anndata.read_h5ad(path)
    # For the order of the groups, which scanpy computes from components.
    data.obsm["X_pca"] = np.random.default_rng(2).normal(size=(data.n_obs, 50))
    column = data.uns[key]["params"]["groupby"]
    for plot in plots:
        draw = getattr(scanpy.pl, f"rank_genes_groups_{plot}")
        draw(data, key=key, n_genes=2, show=False)
        plt.close("all")
    scanpy.pl.umap(data, color=column, show=False)
    plt.close("all")
    return scanpy.get.rank_genes_groups_df(data, None, key=key), data


def test_a_result_holds_nothing_that_anndata_08_does_not_know(tmp_path):
    data, shares = some_cells(raw=True)
    data.obs["words"] = pd.array(["a", None] * 30, dtype="string")
    data.obs["whole"] = pd.array([1, None] * 30, dtype="Int64")
    data.obs["mood"] = pd.Categorical(["x", "y"] * 30)
    data.obs[1] = np.arange(60)
    data.obsm["table"] = pd.DataFrame({"w": ["p", "q"] * 30}, index=data.obs_names)
    data.varm["words"] = pd.DataFrame({"v": list("ab" * 26)}, index=data.var_names)
    data.uns["deep"] = {
        "frame": pd.DataFrame({"w": ["a"]}, index=["i"]), "series": pd.Series(["u"]),
        "list": ["a", "b"], "mixed": [1, "b"], "text": "t", "index": pd.Index(["k"]), "n": 3,
        "none": None, "kinds": pd.Categorical(["z"]), "numbers": [1.0, 2.0],
    }  # fmt: skip
    source = Dataset.from_anndata(data)
    written = result_of(source, tmp_path / "r.h5ad", shares)
    assert newer_than_08(written.path) == set()
    # Also of a file in today's words, and of a result of a result.
    for unknown in ("none", "series", "index", "mixed"):
        data.uns["deep"].pop(unknown)
    data.obs.columns = data.obs.columns.astype(str)
    anndata.settings.allow_write_nullable_strings = True
    data.write_h5ad(tmp_path / "today.h5ad")
    again = result_of(tmp_path / "today.h5ad", tmp_path / "s.h5ad", shares)
    more = result_of(again.path, tmp_path / "t.h5ad", shares)
    assert newer_than_08(again.path) == newer_than_08(more.path) == set()
    back = anndata.read_h5ad(more.path)
    assert list(back.uns["deep"]["list"]) == ["a", "b"]
    assert back.uns["deep"]["frame"].loc["i", "w"] == "a"
    assert list(back.varm["words"]["v"]) == list("ab" * 26)


def test_the_plots_of_scanpy_find_marker_genes_by_the_names_of_the_file(tmp_path):
    data, shares = some_cells()
    path = result_of(Dataset.from_anndata(data), tmp_path / "r.h5ad", shares).path
    told, after = plotted(path, plots=_PLOTS)
    assert set(told.names) == set(data.var_names)
    first = told[told.group == "0"].names.iloc[0]
    assert first in data.var_names[:4]
    # The symbols stand beside, also as scanpy's own way to name them.
    symbol = after.uns["rank_genes_groups"]["symbols"]["0"][0]
    assert symbol == data.var.loc[first, "feature_name"]


def test_marker_genes_group_by_the_column_that_was_written(tmp_path):
    data, shares = some_cells()
    data.obs["cluster_diffbio"] = "mine"
    first = result_of(Dataset.from_anndata(data), tmp_path / "1.h5ad", shares)
    second = result_of(first.path, tmp_path / "2.h5ad", shares[:, ::-1])
    for key, column in (("rank_genes_groups", "_2"), ("rank_genes_groups_2", "_3")):
        _, after = plotted(second.path, key)
        params = after.uns[key]["params"]
        assert params["groupby"] == f"cluster_diffbio{column}"
        assert set(after.uns[key]["names"].dtype.names) == set(after.obs[params["groupby"]])
    assert set(after.obs["cluster_diffbio"]) == {"mine"}


def test_markers_of_raw_counts_are_plotted_too(tmp_path):
    data, shares = some_cells(raw=True)
    path = result_of(Dataset.from_anndata(data), tmp_path / "raw.h5ad", shares, "raw/X").path
    told, _ = plotted(path)
    assert len(set(told.names)) == 60


def test_the_map_of_the_run_is_also_the_files_map_if_it_has_none(tmp_path):
    data, shares = some_cells()
    written = result_of(Dataset.from_anndata(data), tmp_path / "1.h5ad", shares)
    assert any("obsm/X_umap is this run's map" in note for note in written.notes)
    after = anndata.read_h5ad(written.path)
    np.testing.assert_array_equal(after.obsm["X_umap"], after.obsm["X_umap_diffbio"])
    data.obsm["X_umap"] = np.ones((60, 2), np.float32)
    written = result_of(Dataset.from_anndata(data), tmp_path / "2.h5ad", shares)
    np.testing.assert_array_equal(anndata.read_h5ad(written.path).obsm["X_umap"], 1)


def test_cells_without_counts_are_in_no_cluster_and_no_marker(tmp_path):
    data, shares = some_cells()
    data.X[[0, 7]] = 0
    cells = CellSource(data.X)
    assert np.flatnonzero(cells.empty).tolist() == [0, 7]
    shares[[0, 7]] = np.nan
    write(data, tmp_path / "r.h5ad", {"obsm/cluster_diffbio_prob": shares}, {})
    found = anndata.read_h5ad(tmp_path / "r.h5ad").obs["cluster_diffbio"]
    assert np.flatnonzero(found.isna()).tolist() == [0, 7]


@pytest.mark.parametrize("name", ["c_cellxgene_like.h5ad", "n_result_names_taken.h5ad"])
def test_the_files_of_people_give_results_that_open_and_plot(shared_data, tmp_path, name):
    source: Path = case(shared_data, name)
    data = read(source)
    counts = "raw/X" if "raw/X" in data.places else "X"
    shares = np.eye(3, dtype=np.float32)[np.arange(data.n_cells) % 3]
    written = result_of(data, tmp_path / "r.h5ad", shares, counts)
    assert newer_than_08(written.path) == set()
    told, after = plotted(written.path)
    genes = after.raw.var_names if counts == "raw/X" else after.var_names
    assert set(told.names) <= set(genes)
    column = after.uns["rank_genes_groups"]["params"]["groupby"]
    assert column == written.keys["obs/cluster_diffbio"].removeprefix("obs/")
