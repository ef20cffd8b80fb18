"""Files that are nearly what they seem: rounded or huge counts, names of two things in one."""

import anndata
import h5py
import layouts
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import zoo

from diffbio_engine.data import (
    Fields,
    align_genes,
    inspect,
    names_and_ids,
    open_source,
    read,
)
from diffbio_engine.errors import DataError

SYMBOLS = ["CD3E", "MS4A1", "NKG7", "LYZ", *zoo.GENES[4:]]
IDS = [f"ENSG{g:011d}" for g in range(12)]


def saved(path, matrix, genes=SYMBOLS, **obs):
    table = pd.DataFrame(obs, index=zoo.CELLS)
    data = anndata.AnnData(matrix, obs=table, var=pd.DataFrame(index=genes))
    data.write_h5ad(path)
    return path


@pytest.mark.parametrize("form", [np.asarray, sp.csr_matrix, sp.csc_matrix])
def test_counts_that_were_rounded_on_their_way_are_counts_and_whole_again(tmp_path, form):
    noise = np.random.default_rng(0).uniform(-1e-6, 1e-6, zoo.COUNTS.shape)
    path = saved(tmp_path / "x.h5ad", form(zoo.COUNTS.astype(float) + noise))
    preview = inspect(path)
    assert preview.matrices[0].holds == "raw counts" and preview.suggested["counts"] == "X"
    assert "whole numbers but for rounding, by 1e-06 at most" in preview.matrices[0].sentence
    fields = Fields({"counts": "X"})
    cells = open_source(read(path), fields, fields)
    np.testing.assert_array_equal(cells.rows("counts", np.arange(40)), zoo.COUNTS)


def test_fractions_that_are_more_than_rounding_are_no_counts(tmp_path):
    path = saved(tmp_path / "x.h5ad", zoo.COUNTS + np.float32(0.01))
    assert inspect(path).matrices[0].holds != "raw counts"
    fields = Fields({"counts": "X"})
    with pytest.raises(DataError, match="needs raw counts"):
        open_source(read(path), fields, fields)


def test_numbers_that_no_count_reaches_are_said(tmp_path):
    path = saved(tmp_path / "x.h5ad", zoo.COUNTS.astype(np.int64) * 3_000_000_019)
    assert any("more than any count of molecules" in w for w in inspect(path).warnings)


@pytest.mark.parametrize(
    "written, has_ids",
    [("{id}_{name}", 1), ("{name}|{id}.3", 1), ("{id}.3; {name}", 1), ("GRCh38_{name}", 0)],
)
def test_names_that_hold_ids_or_a_genome_are_taken_apart(tmp_path, written, has_ids):
    genes = [written.format(id=i, name=n) for i, n in zip(IDS, SYMBOLS, strict=True)]
    var = read(saved(tmp_path / "x.h5ad", zoo.COUNTS, genes)).var
    names, ids = names_and_ids(var)
    assert list(names) == SYMBOLS and list(var.index) == genes
    assert [i.partition(".")[0] for i in ids] == IDS if has_ids else ids is None
    # A pipeline that was trained on names as they are finds them in other data, and the reverse.
    assert align_genes(SYMBOLS, None, genes).share == 1
    assert align_genes(names, ids, SYMBOLS).share == align_genes(names, ids, genes).share == 1


def test_groups_that_differ_by_blanks_or_large_letters_are_said(tmp_path):
    path = saved(tmp_path / "x.h5ad", zoo.COUNTS, batch=["S1", "S1 ", "S2", "s2"] * 10)
    said = [w for w in inspect(path).warnings if "count as two groups" in w]
    assert said and said[0].startswith("obs/batch has '")
    path = saved(tmp_path / "y.h5ad", zoo.COUNTS, batch=["S1", "S2"] * 20)
    assert not any("count as two groups" in w for w in inspect(path).warnings)


def test_a_table_with_groups_in_its_first_header_takes_the_names_from_the_second(tmp_path):
    rows = [
        ["sample", *("ctrl" if i < 20 else "stim" for i in range(40))],
        ["gene", *zoo.CELLS],
        *([g, *map(str, zoo.COUNTS[:, i].astype(int))] for i, g in enumerate(SYMBOLS)),
    ]
    (tmp_path / "x.csv").write_text("\n".join(",".join(row) for row in rows))
    dataset = read(tmp_path / "x.csv")
    assert list(dataset.obs.index) == zoo.CELLS and list(dataset.var.index) == SYMBOLS
    assert list(dataset.obs["sample"]) == ["ctrl"] * 20 + ["stim"] * 20
    np.testing.assert_array_equal(dataset.matrix("X").toarray(), zoo.COUNTS)
    assert any("the row 'gene' below it names them" in w for w in dataset.warnings)


@pytest.mark.parametrize("form", [sp.csr_matrix, sp.csc_matrix])
def test_a_value_that_stands_in_parts_in_a_sparse_matrix_is_their_sum(tmp_path, form):
    path = saved(tmp_path / "x.h5ad", form(zoo.COUNTS))
    with h5py.File(path, "a") as file:
        x = file["X"]
        for part, made in (("data", x["data"][()] / 2), ("indices", x["indices"][()])):
            del x[part]
            x[part] = np.repeat(made, 2)
        x["indptr"][...] = 2 * x["indptr"][()]
    assert inspect(path).matrices[0].holds == "raw counts"
    np.testing.assert_array_equal(read(path).matrix("X").toarray(), zoo.COUNTS)


def test_a_header_that_is_repeated_is_left_out_and_that_is_said(tmp_path):
    table = pd.DataFrame(zoo.COUNTS.astype(int), zoo.CELLS, SYMBOLS)
    (tmp_path / "x.csv").write_text(table[:15].to_csv() + table[15:].to_csv())
    dataset = read(tmp_path / "x.csv")
    assert list(dataset.obs.index) == zoo.CELLS and list(dataset.var.columns) == []
    assert "1 row repeats the header and was left out." in dataset.warnings


@pytest.mark.parametrize("sign", [",", "\t"])
def test_lists_of_r_with_numbers_and_quotes_name_genes_and_cells(tmp_path, sign):
    ending = ".csv" if sign == "," else ".tsv"
    layouts.mtx(tmp_path / "run/counts.mtx", zoo.COUNTS.T)
    for what, names in (("genes", SYMBOLS), ("barcodes", zoo.CELLS)):
        rows = ['"x"', *(f'"{i + 1}"{sign}"{n}"' for i, n in enumerate(names))]
        layouts.write(tmp_path / f"run/{what}{ending}", layouts.lines(rows))
    dataset = read(tmp_path / "run")
    assert list(dataset.obs.index) == zoo.CELLS and list(dataset.var.index) == SYMBOLS


@pytest.mark.parametrize("titles", ["gene_id,gene_name,chromosome", "id,x,chromosome"])
def test_a_table_about_genes_names_them_and_is_kept_whatever_its_order(tmp_path, titles):
    """A list of ids alone, and a table whose last column is no name."""
    folder = layouts.tenx(tmp_path / "run")
    layouts.write(folder / "features.tsv", layouts.lines(IDS))
    rows = [f"{i},{n},chr{k % 2}" for k, (i, n) in enumerate(zip(IDS, SYMBOLS, strict=True))]
    layouts.write(folder / "gene_annotation.csv", layouts.lines([titles, *rows[::-1]]))
    var = read(folder).var
    assert list(var.index) == SYMBOLS and list(var["gene_ids"]) == IDS
    assert list(var["chromosome"]) == ["chr0", "chr1"] * 6


@pytest.mark.parametrize("name", ["features.tsv", "genes.tsv"])
def test_a_table_about_genes_beside_their_list_is_kept_and_gives_no_order(tmp_path, name):
    folder = layouts.tenx(tmp_path / "run")
    (folder / "features.tsv").rename(folder / name)
    rows = [f"{n},{k}" for k, n in enumerate(zoo.GENES)][::-1]
    layouts.write(folder / "gene_annotation.csv", layouts.lines(["gene,length", *rows]))
    var = read(folder).var
    assert list(var.index) == zoo.GENES and list(var["length"]) == [str(k) for k in range(12)]


def test_peaks_are_said_to_be_no_genes(tmp_path):
    peaks = [f"chr1:{g}0109-{g}0357" for g in range(10, 22)]
    preview = inspect(saved(tmp_path / "x.h5ad", zoo.COUNTS, peaks))
    assert preview.gene_names == "genomic regions"
    assert any("not genes: what is looked up by" in w for w in preview.warnings)
