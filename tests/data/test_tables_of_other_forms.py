"""Tables of counts in other forms than genes by cells: a line for each count, empty for nought."""

import numpy as np
import pandas as pd
import pytest
import zoo

from diffbio_engine.data import inspect, read
from diffbio_engine.errors import DataError

SYMBOLS = ["CD3E", "MS4A1", "NKG7", "LYZ", *zoo.GENES[4:]]
TABLE = pd.DataFrame(zoo.COUNTS.astype(int), zoo.CELLS, SYMBOLS)


@pytest.mark.parametrize("order", [["gene", "cell", "count"], ["cell", "gene", "count"]])
@pytest.mark.parametrize("numbered", [False, True])
@pytest.mark.parametrize("ending", [".tsv", ".csv"])
def test_a_line_for_each_count_is_read_as_umi_tools_writes_it(tmp_path, order, numbered, ending):
    lines = TABLE.stack().rename_axis(["cell", "gene"]).rename("count").reset_index()
    lines = lines[lines["count"] > 0].sample(frac=1, random_state=0)
    path = tmp_path / f"x{ending}"
    lines[order].reset_index(drop=True).to_csv(
        path, sep="\t" if ending == ".tsv" else ",", index=numbered
    )
    dataset = read(path)
    found = pd.DataFrame(dataset.matrix("X").toarray(), dataset.obs.index, dataset.var.index)
    np.testing.assert_array_equal(found.loc[zoo.CELLS, SYMBOLS], zoo.COUNTS)
    preview = inspect(path)
    assert any(w.startswith("Each line is a gene") for w in preview.warnings)


def test_without_titles_the_first_line_is_a_count_too(tmp_path):
    lines = TABLE.stack().reset_index()
    lines = lines[lines[0] > 0]
    lines.to_csv(tmp_path / "x.tsv", sep="\t", header=False, index=False)
    dataset = read(tmp_path / "x.tsv")
    assert dataset.matrix("X").sum() == zoo.COUNTS.sum()
    assert any(w.startswith("Each line is a gene, a cell and a count: ") for w in dataset.warnings)


def test_a_table_of_one_cell_with_a_column_of_words_is_no_list_of_counts(tmp_path):
    lines = pd.DataFrame({"gene": SYMBOLS, "kind": ["a", "b"] * 6, "cell1": range(1, 13)})
    lines.to_csv(tmp_path / "x.csv", index=False)
    assert inspect(tmp_path / "x.csv").n_genes == 12


@pytest.mark.parametrize("nothing", ["", "NA", "-", "."])
def test_empty_fields_are_nought_where_nothing_else_is_and_that_is_said(tmp_path, nothing):
    TABLE.astype(object).where(TABLE > 0, nothing).to_csv(tmp_path / "x.csv")
    dataset = read(tmp_path / "x.csv")
    np.testing.assert_array_equal(dataset.matrix("X").toarray(), zoo.COUNTS)
    empty = int((zoo.COUNTS == 0).sum())
    assert f"{empty} of 480 fields are empty and none is 0: empty ones are 0." in dataset.warnings


def test_some_empty_fields_among_noughts_are_missing_values(tmp_path):
    table = TABLE.astype(object)
    table.iloc[3, 4] = "NA"
    table.to_csv(tmp_path / "x.csv")
    assert "1 values that are not numbers" in inspect(tmp_path / "x.csv").matrices[0].sentence


def test_a_strand_stays_a_strand(tmp_path):
    table = TABLE.T
    table.insert(0, "Strand", ["+", "-"] * 6)
    table.to_csv(tmp_path / "x.csv", index_label="gene")
    assert list(read(tmp_path / "x.csv").var["Strand"]) == ["+", "-"] * 6


def test_samples_whose_ids_have_other_versions_are_joined_and_that_is_said(tmp_path):
    for name, rows, version in (("a", slice(0, 15), 1), ("b", slice(15, 40), 2)):
        part = TABLE[rows].set_axis([f"ENSG{g:011d}.{version}" for g in range(12)], axis=1)
        part.T.to_csv(tmp_path / f"{name}.csv")
    dataset = read(tmp_path)
    np.testing.assert_array_equal(dataset.matrix("X").toarray(), zoo.COUNTS)
    assert any("versions of gene ids differ" in w for w in dataset.warnings)


@pytest.mark.parametrize(
    "text, sentence",
    [("<!DOCTYPE html><html>Sign in</html>\n", "is a web page, not a table"),
     ("version https://git-lfs.github.com/spec/v1\noid sha256:a\n", "a note of Git LFS")],
)  # fmt: skip
def test_what_came_instead_of_the_table_is_named(tmp_path, text, sentence):
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(DataError, match=sentence):
        inspect(tmp_path / "x.csv")


@pytest.mark.parametrize("turned", [False, True])
def test_genes_and_cells_without_any_count_stay_where_empty_is_nought(tmp_path, turned):
    table = TABLE.copy()
    table["LYZ"] = 0
    table.iloc[7] = 0
    words = table.astype(object).where(table > 0, "")
    (words.T if turned else words).to_csv(tmp_path / "x.csv")
    dataset = read(tmp_path / "x.csv")
    assert list(dataset.var.index) == SYMBOLS and list(dataset.obs.index) == zoo.CELLS
    np.testing.assert_array_equal(dataset.matrix("X").toarray(), table)
    table.assign(note="").to_csv(tmp_path / "y.csv")
    dataset = read(tmp_path / "y.csv")
    assert list(dataset.var.index) == SYMBOLS, "among noughts an empty column is no gene"
    assert any("'note' (it holds no number)" in w for w in dataset.warnings)


def test_a_table_of_markers_is_not_taken_for_counts(tmp_path):
    lines = TABLE.iloc[:6].stack().rename_axis(["cluster", "gene"]).rename("n").reset_index()
    lines.to_csv(tmp_path / "x.csv", index=False)
    told = "Each line is a gene ('gene'), a cell ('cluster') and a count ('n')"
    assert any(told in w for w in inspect(tmp_path / "x.csv").warnings)
    lines.assign(n=np.log2((lines["n"] + 1) / 3)).to_csv(tmp_path / "y.csv", index=False)
    with pytest.raises(DataError, match=r"below 0 in \d+ of 72 lines \('n'\): they are no counts"):
        inspect(tmp_path / "y.csv")


@pytest.mark.parametrize("row", ["CELL3 1 2 3", "CELL3 1 2 3 4 5 6 7 8 9 a a"])
def test_between_blanks_a_row_that_lacks_a_value_is_refused_and_moves_nothing_up(tmp_path, row):
    lines = TABLE.to_csv(sep=" ").splitlines()
    lines[0], lines[3] = lines[0].strip(), row
    (tmp_path / "x.txt").write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match=r"row 3 \('CELL3'\) has \d+ columns, others have 13"):
        inspect(tmp_path / "x.txt")


def test_infinity_in_the_first_line_is_no_reason_to_break_down(tmp_path):
    lines = TABLE.to_csv(header=False).splitlines()
    lines[0] = f"{zoo.CELLS[0]},inf{',1' * 11}"
    (tmp_path / "x.csv").write_text("\n".join(lines) + "\n")
    assert inspect(tmp_path / "x.csv").n_cells in (40, 12)
