"""The whole output of Cell Ranger and Space Ranger opens, with what lies beside the matrices."""

import h5py
import layouts
import numpy as np
import pandas as pd
import pytest
import zoo

from diffbio_engine.data import inspect, read
from diffbio_engine.errors import DataError


def outs(path, *, clusters=3):
    """The folder ``outs``, without its folders of Matrix Market files."""
    path.mkdir(parents=True)
    for name in ("filtered", "raw"):
        zoo.tenx_v3(path / f"{name}_feature_bc_matrix.h5")
    with h5py.File(path / "molecule_info.h5", "w") as file:
        file["barcode_idx"], file["barcodes"] = np.arange(5), np.array([b"A"])
    (path / "metrics_summary.csv").write_text('Cells,Reads\n"1,222",3%\n')
    rows = [f"{c},{i % clusters + 1}" for i, c in enumerate(zoo.CELLS)]
    place = path / "analysis/clustering/graphclust/clusters.csv"
    layouts.write(place, layouts.lines(["Barcode,Cluster", *rows]))
    return path


def test_outs_is_its_filtered_matrix_with_its_clusters(tmp_path):
    dataset = read(outs(tmp_path / "run/outs").parent)
    assert (dataset.n_cells, dataset.n_genes) == (40, 10)
    assert list(dataset.obs["Cluster"][:4]) == [1, 2, 3, 1]
    assert any("no matrix of cells: molecule_info.h5" in w for w in dataset.warnings)


def test_a_folder_of_files_of_no_known_kind_is_refused(tmp_path):
    for name in "ab":
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["x"] = 1
    with pytest.raises(DataError, match="is neither an h5ad nor a 10x file; it holds x"):
        read(tmp_path)


def test_clusters_of_single_samples_are_not_taken_for_clusters_of_all(tmp_path):
    """Cluster 1 of one sample is no cluster 1 of another, though the cells are called the same."""
    for name in ("s1", "s2"):
        outs(tmp_path / "runs" / name / "outs")
        rows = [f"{c},{name}-{i}" for i, c in enumerate(zoo.CELLS)]
        layouts.write(tmp_path / f"runs/{name}/cell_types.csv", layouts.lines(["cell,type", *rows]))
    dataset = read(tmp_path / "runs")
    assert "Cluster" not in dataset.obs
    assert any("its clusters are of s1 alone" in w for w in dataset.warnings)
    assert list(dataset.obs["type"]) == [f"{s}-{i}" for s in ("s1", "s2") for i in range(40)]
    asked = read(
        tmp_path / "runs", annotation="s2/outs/analysis/clustering/graphclust/clusters.csv"
    )
    assert asked.obs["Cluster"].notna().sum() == 40 and "type" not in asked.obs


def test_a_table_with_a_line_for_each_sample_goes_to_their_cells(tmp_path):
    for name in ("GSM1_ctrl_", "GSM2_stim_"):
        layouts.tenx(tmp_path / "geo", prefix=name, cells=[f"{name}{c}" for c in zoo.CELLS])
    rows = ["title,age,batch", "stim,40,b2", "ctrl,30,b1", "other,50,b3"]
    layouts.write(tmp_path / "geo/GSE1_sample_metadata.csv", layouts.lines(rows))
    preview, dataset = inspect(tmp_path / "geo"), read(tmp_path / "geo")
    assert list(dataset.obs["age"]) == [30] * 40 + [40] * 40
    said = next(w for w in preview.warnings if "samples found in GSE1_sample_metadata.csv" in w)
    assert said.startswith("2 of 2 samples") and "GSM1_ctrl here is ctrl there" in said


@pytest.mark.parametrize("header", [True, False])
def test_a_visium_slide_has_its_spots_in_their_places(tmp_path, header):
    path = outs(tmp_path / "slide")
    table = pd.DataFrame({"barcode": zoo.CELLS, "in_tissue": 1})
    table["array_row"], table["array_col"] = range(40), range(1, 41)
    table["pxl_row_in_fullres"], table["pxl_col_in_fullres"] = np.arange(40) * 9, np.arange(40) + 7
    (path / "spatial").mkdir()
    name = f"tissue_positions{'' if header else '_list'}.csv"
    table[::-1].to_csv(path / "spatial" / name, index=False, header=header)
    preview, dataset = inspect(path), read(path)
    across_down = np.stack([np.arange(40) + 7, np.arange(40) * 9], axis=1)
    np.testing.assert_array_equal(dataset.obsm["spatial"], across_down)
    assert preview.suggested["spatial_coords"] == "obsm/spatial"
