"""A table about the cells beside their counts is joined to them by name, or it is said why not."""

import shutil

import layouts
import numpy as np
import pandas as pd
import pytest
import zoo

from diffbio_engine.command_line.look import in_words
from diffbio_engine.data import inspect, read, write_result
from diffbio_engine.data.readers import barcodes
from diffbio_engine.errors import DataError

LETTERS = np.array(list("ACGT"))
BARCODES = ["".join(LETTERS[[(i >> 2 * j) & 3 for j in range(12)]]) for i in range(1, 41)]


def folder(path, cells, *rows, name="metadata.csv", **how):
    layouts.tenx(path, zoo.COUNTS[: len(cells)], cells, **how)
    layouts.write(path / name, layouts.lines(rows))
    return path


def said(preview, begin):
    return next(w for w in preview.warnings if begin in w)


@pytest.mark.parametrize("zipped", [False, True])
def test_a_table_beside_the_counts_is_joined_by_names_whatever_its_order(tmp_path, zipped):
    rows = [f"{c},{i},T{i % 2},NA" for i, c in enumerate(zoo.CELLS[:38])][::-1]
    path = folder(tmp_path / "run", zoo.CELLS, "cell,n,cell_type,x", *rows, "other,9,T0,NA")
    if zipped:
        path = shutil.make_archive(str(path), "zip", path)
    preview, dataset = inspect(path), read(path)
    assert list(dataset.obs["n"][:38]) == list(range(38)) and dataset.obs["n"][38:].isna().all()
    told = "38 of 40 cells found in metadata.csv: its 3 columns (n, cell_type, x) are in the table"
    assert told in said(preview, "found in")
    assert "1 of its 39 lines are of no cell here" in said(preview, "found in")
    assert preview.suggested["labels"] == "obs/cell_type"
    out = tmp_path / "out.h5ad"
    write_result(dataset, out, {}, {})
    assert list(read(out).obs["cell_type"].dropna()) == [f"T{i % 2}" for i in range(38)]


def test_a_table_can_be_left_and_the_preview_says_how(tmp_path):
    rows = [f"{c}\t{i}" for i, c in enumerate(zoo.CELLS)]
    path = folder(tmp_path / "run", zoo.CELLS, "age", *rows, name="cell_metadata.tsv")
    preview = inspect(path)
    choice = next(c for c in preview.choices if c.name == "annotation")
    assert choice.taken == "cell_metadata.tsv"
    assert choice.possible[0][1] == "cell_metadata.tsv (40 of 40 cells)"
    assert any("--annotation 'none'" in line for line in in_words(preview.as_dict()))
    assert list(read(path).obs["age"]) == list(range(40))
    assert "age" not in read(path, annotation="none").obs
    with pytest.raises(DataError, match=r"no table about cells 'x' in run; there is cell_meta"):
        inspect(path, annotation="x")


@pytest.mark.parametrize(
    "here, there",
    [
        ("{}-1", "{}"),
        ("{}", "{}-1"),
        ("{}-1", "ctrl_{}-1"),
        ("{}-1", "run3#{}"),
        ("X.{}", "{}.1"),
        ("10X_{}-1", "X10X_{}.1"),
    ],
)
def test_barcodes_that_differ_by_an_ending_or_a_sample_are_joined_and_that_is_said(
    tmp_path, here, there
):
    cells = [here.format(b) for b in BARCODES]
    rows = [f"{there.format(b)},{i}" for i, b in enumerate(BARCODES)]
    path = folder(tmp_path / "run", cells, "barcode,age", *rows)
    preview = inspect(path)
    assert list(read(path).obs["age"]) == list(range(40))
    shown = f"{cells[0]} here is {there.format(BARCODES[0])} there"
    assert shown in said(preview, "40 of 40 cells found")


def test_one_table_of_several_samples_goes_to_each_by_what_stands_around_the_barcodes(tmp_path):
    """Both samples have the same barcodes; -1 and -2, or ctrl_ and stim_, tell them apart."""
    own = [BARCODES[:22], BARCODES[18:36]]
    for i, name in enumerate(("GSM1_ctrl_", "GSM2_stim_")):
        cells = [f"{b}-1" for b in own[i]]
        layouts.tenx(tmp_path / "geo", zoo.COUNTS[: len(cells)], cells, prefix=name)
    names = [f"{b}-{i + 1}" for i in (0, 1) for b in own[i]]
    rows = [f"{n},{i}" for i, n in enumerate(names)]
    layouts.write(tmp_path / "geo/GSE1_metadata.csv", layouts.lines(["cell,age", *rows[::-1]]))
    dataset = read(tmp_path / "geo")
    assert list(dataset.obs["age"]) == list(range(40))


def test_a_table_of_each_sample_fills_one_column(tmp_path):
    for i, name in enumerate(("GSM1_a_", "GSM2_b_")):
        cells = [f"{b}-1" for b in BARCODES[20 * i : 20 * i + 20]]
        layouts.tenx(tmp_path / "geo", zoo.COUNTS[:20], cells, prefix=name)
        rows = [f"{c},{name}{k}" for k, c in enumerate(cells)]
        layouts.write(tmp_path / f"geo/{name}annotation.csv", layouts.lines(["cell,label", *rows]))
    obs = read(tmp_path / "geo").obs
    assert list(obs["label"]) == [f"{s}_{k}" for s in ("GSM1_a", "GSM2_b") for k in range(20)]


@pytest.mark.parametrize(
    "rows, why",
    [
        ([f"other{i},{i}" for i in range(9)], "none of its 9 names (other0, ...) is found among"),
        ([f"cell{i // 2},{i}" for i in range(40)], "names 20 cells in 40 lines"),
        ([f"{'cell' * (i < 2)}{i},{i}" for i in range(9)], "only 2 of its 9 names"),
    ],
)
def test_a_table_of_other_cells_is_not_joined_and_the_reason_is_said(tmp_path, rows, why):
    path = folder(tmp_path / "run", zoo.CELLS, "cell,age", *rows)
    preview = inspect(path)
    assert why in said(preview, "metadata.csv was not joined: ")
    assert "age" not in [c.name for c in preview.obs]
    assert not [c for c in preview.choices if c.name == "annotation"]


def test_a_table_beside_a_10x_h5_or_a_table_of_counts_is_joined_too(tmp_path):
    zoo.tenx_v3((tmp_path / "h5").mkdir() or tmp_path / "h5/filtered_feature_bc_matrix.h5")
    table = pd.DataFrame(zoo.COUNTS, zoo.CELLS, zoo.GENES).astype(int)
    table.to_csv((tmp_path / "csv").mkdir() or tmp_path / "csv/counts.csv")
    for place in ("h5", "csv"):
        rows = [f"{c},{i}" for i, c in enumerate(zoo.CELLS)]
        layouts.write(tmp_path / place / "metadata.csv", layouts.lines(["cell,age", *rows]))
        assert list(read(tmp_path / place).obs["age"]) == list(range(40))
        assert not any("Not opened" in w for w in inspect(tmp_path / place).warnings)


def test_a_list_of_barcodes_names_the_cells_before_a_table_about_them_does(tmp_path):
    """Of two lists of the right length, the one in the order of the matrix."""
    path = layouts.tenx(tmp_path / "run")
    (path / "barcodes.tsv").rename(path / "my_barcodes.tsv")
    rows = [f"{c},{i}" for i, c in enumerate(zoo.CELLS)][::-1]
    layouts.write(path / "cell_metadata.csv", layouts.lines(["cell,age", *rows]))
    dataset = read(path)
    assert list(dataset.obs.index) == zoo.CELLS and list(dataset.obs["age"]) == list(range(40))


def test_names_are_matched_one_to_one_or_not_at_all():
    assert barcodes.match(["a", "b", "b"], ["b", "a"]).lines.tolist() == [1, -1, -1]
    assert barcodes.match(["a", "b"], ["b", "b", "a"]).lines.tolist() == [2, -1]


def test_a_workbook_with_the_table_is_joined_and_tables_of_one_name_are_told_by_their_folders(
    tmp_path,
):
    path = layouts.tenx(tmp_path / "run/outs/filtered")
    about = pd.DataFrame({"Barcode": zoo.CELLS, "Cluster": [i % 3 for i in range(40)]})
    about.assign(Cluster=zoo.TYPES).to_excel(path / "metadata.xlsx", index=False)
    for name in ("graphclust", "kmeans_2"):
        place = tmp_path / "run/outs/analysis" / name
        place.mkdir(parents=True)
        about.to_csv(place / "clusters.csv", index=False)
    dataset = read(tmp_path / "run")
    assert set(dataset.obs) == {"Cluster", "kmeans_2_Cluster", "filtered_Cluster"}
    assert list(dataset.obs["filtered_Cluster"]) == list(zoo.TYPES)
    assert not any("Not opened" in w for w in dataset.warnings)


def test_lines_that_name_a_cell_twice_are_counted_apart(tmp_path):
    rows = [f"{c},a" for c in zoo.CELLS] + [f"{c},b" for c in zoo.CELLS[:3]]
    preview = inspect(folder(tmp_path / "run", zoo.CELLS, "cell,kind", *rows))
    assert "37 of 40 cells" in said(preview, "found in")
    assert "6 of its 43 lines have a name that other lines have too" in said(preview, "found in")
    assert "of no cell here" not in said(preview, "found in")


def test_the_line_of_kinds_that_single_cell_portal_wants_is_no_cell(tmp_path):
    rows = ["NAME\tage\tkind", "TYPE\tnumeric\tgroup"]
    rows += [f"{c}\t{i}\tT{i % 2}" for i, c in enumerate(zoo.CELLS)]
    path = folder(tmp_path / "run", zoo.CELLS, *rows, name="metadata.tsv")
    assert list(read(path).obs["age"]) == list(range(40))
    assert "no cell here" not in said(inspect(path), "found in")


@pytest.mark.parametrize("name", ["metadata.csv", "samples.csv"])
def test_samples_are_found_by_the_column_that_names_them_not_by_their_replicates(tmp_path, name):
    for i, sample in enumerate(["1", "2", "3"]):
        layouts.tenx(tmp_path / "run" / sample, cells=[f"{b}-{i}" for b in BARCODES])
    table = "replicate,sample,condition\n2,1,A\n1,2,B\n3,3,C\n"
    layouts.write(tmp_path / "run" / name, table)
    obs = read(tmp_path / "run").obs
    assert list(obs["condition"][::40]) == ["A", "B", "C"]
    assert list(obs["replicate"][::40]) == [2, 1, 3]


def test_numbers_of_clusters_of_one_sample_are_not_mixed_with_those_of_another(tmp_path):
    for i, sample in enumerate(["ctrl", "stim"]):
        cells = [f"{b}-{i}" for b in BARCODES]
        rows = [f"{c},{j},{j % 3},T{j % 2}" for j, c in enumerate(cells)]
        folder(tmp_path / "run" / sample, cells, "cell,n,seurat_clusters,cluster_name", *rows)
    dataset = read(tmp_path / "run")
    assert {"n", "cluster_name"} <= set(dataset.obs) and "seurat_clusters" not in dataset.obs
    assert any(
        "seurat_clusters was left out: its numbers are of ctrl" in w for w in dataset.warnings
    )


def test_names_that_are_each_in_a_sample_of_their_own_are_no_table_of_all_pairs():
    barcode = "".join(LETTERS[[0, 1, 2, 3] * 2])
    names = [f"{i}_{barcode}{LETTERS[i % 4]}" for i in range(4)]
    assert barcodes.match(names, [f"x{n}" for n in names]).n_cells == 4
    cells = [f"{'ACGT'[i % 4]}{i:016b}".replace("0", "A").replace("1", "C") for i in range(60_000)]
    here, there = ([f"{end}{i}|{c}" for i, c in enumerate(cells)] for end in ("a", "b"))
    assert barcodes.match(here, there).n_cells == len(cells)


def test_a_table_of_titles_or_of_words_for_places_keeps_nobody_from_the_counts(tmp_path):
    preview = inspect(folder(tmp_path / "run", zoo.CELLS, "cell,kind"))
    assert "metadata.csv was not joined: it has no lines below its titles." in preview.warnings
    rows = [f"{c},1,0,0,left,{i}" for i, c in enumerate(zoo.CELLS)]
    path = folder(tmp_path / "spots", zoo.CELLS, *rows, name="tissue_positions_list.csv")
    assert not inspect(path).obsm and "pxl_row_in_fullres" in read(path).obs
