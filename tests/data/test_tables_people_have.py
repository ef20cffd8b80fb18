"""Tables as people export them: every cell and gene is one, and nothing else is."""

import bz2
import gzip
import lzma

import numpy as np
import pandas as pd
import pytest

from diffbio_engine.data import inspect, read
from diffbio_engine.errors import DataError

RNG = np.random.default_rng(5)
# Genes spread over orders of magnitude, cells hardly.
COUNTS = RNG.poisson(RNG.gamma(0.3, 8, 40)[None] * RNG.uniform(0.6, 1.6, 25)[:, None])
COUNTS[:, 0] += 1
HUMAN = ["ACTB", "CD3D", "MT-CO1", "RPL3", "LYZ", *(f"ZNF{i}" for i in range(35))]
BARCODES = ["".join(RNG.choice(list("ACGT"), 14)) + "-1" for _ in range(25)]
PLAIN_CELLS = [f"P{i}x" for i in range(25)]


def table(genes=HUMAN, cells=BARCODES):
    return pd.DataFrame(COUNTS, index=cells, columns=genes)


def opened(tmp_path, text, name="x.csv", **how):
    """Preview and data set of a text; they agree to the number."""
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    preview, dataset = inspect(path, **how), read(path, **how)
    assert (preview.n_cells, preview.n_genes) == (dataset.n_cells, dataset.n_genes)
    assert dataset.matrix("X").shape == (preview.n_cells, preview.n_genes)
    assert [c.name for c in preview.obs] == list(dataset.obs.columns)
    return preview, dataset


def right(preview, dataset, genes=None, cells=None):
    np.testing.assert_array_equal(dataset.matrix("X").toarray(), COUNTS)
    if genes is not None:
        assert list(dataset.var.index) == list(genes)
    if cells is not None:
        assert list(dataset.obs.index) == list(cells)
    assert preview.suggested["counts"] == "X"


def of_cells(frame):
    frame.insert(0, "nCount_RNA", COUNTS.sum(1) + 3)
    frame.insert(1, "nFeature_RNA", (COUNTS > 0).sum(1))
    frame["seurat_clusters"] = np.arange(25) % 4
    frame["percent.mt"] = np.linspace(0, 9.5, 25)
    frame["orig.ident"] = ["a"] * 12 + ["b"] * 13
    return ["nCount_RNA", "nFeature_RNA", "seurat_clusters", "percent.mt", "orig.ident"]


def unnamed(frame):
    """Told by content alone."""
    frame["depth"] = COUNTS.sum(1)
    frame["breadth"] = (COUNTS > 0).sum(1)
    frame["q"] = np.linspace(-1, 1.5, 25)
    return ["depth", "breadth", "q"]


def of_scanpy(frame):
    frame["n_genes_by_counts"] = (COUNTS > 0).sum(1)
    frame["total_counts"] = 2 * COUNTS.sum(1)
    frame["leiden"] = np.arange(25) % 3
    frame["X_umap-0"] = np.linspace(0, 1, 25)
    frame["Sample"] = np.arange(25) % 2
    return ["n_genes_by_counts", "total_counts", "leiden", "X_umap-0", "Sample"]


@pytest.mark.parametrize("add", [of_cells, unnamed, of_scanpy])
@pytest.mark.parametrize("turned", [False, True])
def test_what_is_known_of_cells_goes_to_obs_either_way_round_and_is_said(tmp_path, add, turned):
    frame = table()
    added = add(frame)
    preview, dataset = opened(tmp_path, (frame.T if turned else frame).to_csv())
    right(preview, dataset, HUMAN, BARCODES)
    assert set(dataset.obs.columns) == set(added)
    assert dataset.obs[added[0]].astype(float).tolist() == list(frame[added[0]].astype(float))
    said = " ".join(preview.warnings)
    line = "rows" if turned else "columns"
    assert f"{len(added)} of {40 + len(added)} {line} are no genes" in said and added[0] in said


FEATURE_COUNTS = {
    "Chr": ["chr1;chr1"] * 40, "Start": ["11;90"] * 40, "End": ["20;99"] * 40,
    "Strand": ["+;+"] * 40, "Length": list(range(900, 940)),
}  # fmt: skip


@pytest.mark.parametrize("columns", [FEATURE_COUNTS, {"Length": range(900, 940)},
                                     {"gene_name": HUMAN, "total": COUNTS.sum(0)},
                                     {"start": range(40), "chromosome": [1] * 40}])  # fmt: skip
@pytest.mark.parametrize("comment", ["", '# Program:featureCounts v2.0.1; Command:"x"\n'])
def test_what_is_known_of_genes_goes_to_var_and_is_said(tmp_path, columns, comment):
    genes = [f"ENSG{i:011d}" for i in range(40)]
    frame = table(genes, [f"run/{i}.bam" for i in range(25)]).T
    for i, (name, values) in enumerate(columns.items()):
        frame.insert(i, name, list(values))
    text = comment + frame.to_csv(sep="\t", index_label="Geneid")
    preview, dataset = opened(tmp_path, text, "counts.txt")
    right(preview, dataset, genes)
    assert list(dataset.var.columns) == list(columns)
    assert "and were moved to the table of genes (var)" in " ".join(preview.warnings) or (
        len(columns) == 1
    )


@pytest.mark.parametrize(
    "rows",
    [
        ["__no_feature", "__ambiguous", "__too_low_aQual", "__not_aligned"],
        ["N_unmapped", "N_multimapping", "N_noFeature", "N_ambiguous"],
        ["Total"],
    ],
)
def test_reads_of_no_gene_are_no_genes(tmp_path, rows):
    frame = table([f"YAL{i:03d}C" for i in range(40)], PLAIN_CELLS).T
    for i, name in enumerate(rows):
        frame.loc[name] = 1000 + i
    preview, dataset = opened(tmp_path, frame.to_csv(sep="\t"), "htseq.tsv")
    right(preview, dataset, frame.index[:40], PLAIN_CELLS)
    assert list(dataset.obs.columns) == rows
    assert f"{len(rows)} of {40 + len(rows)} rows" in " ".join(preview.warnings)


def test_a_column_like_a_length_without_its_name_is_no_cell(tmp_path):
    frame = table().T
    frame.insert(0, "bp", RNG.integers(800, 9000, 40))
    preview, dataset = opened(tmp_path, frame.to_csv())
    right(preview, dataset, HUMAN, BARCODES)
    assert "'bp'" in " ".join(preview.warnings)


ORGANISMS = {
    "Arabidopsis": [f"AT{1 + i % 5}G{1010 + 10 * i:05d}" for i in range(40)],
    "fly": [f"FBgn{i:07d}" for i in range(40)],
    "worm": [f"WBGene{i:08d}" for i in range(40)],
    "yeast": [f"Y{'AB'[i % 2]}L{i:03d}{'CW'[i % 2]}" for i in range(40)],
    "rice": [f"Os{1 + i % 12:02d}g{100000 + i:07d}" for i in range(40)],
    "malaria": [f"PF3D7_{100000 + i:07d}" for i in range(40)],
    "bacterium": [f"SAOUHSC_{i:05d}" for i in range(40)],
    "predicted": [f"LOC{100000 + i}" for i in range(40)],
    "mouse": ["Actb", "Cd3d", "mt-Co1", "Rpl3", *(f"Gm{1000 + i}" for i in range(36))],
    "zebrafish": [f"ENSDARG{i:011d}" for i in range(40)],
    "two species": [f"GRCh38_{g}" for g in HUMAN],
}


@pytest.mark.parametrize("organism", ORGANISMS)
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("cells", [BARCODES, PLAIN_CELLS], ids=["barcodes", "plain"])
def test_genes_of_any_organism_are_told_from_cells(tmp_path, organism, turned, cells):
    frame = table(ORGANISMS[organism], cells)
    preview, dataset = opened(tmp_path, (frame.T if turned else frame).to_csv())
    right(preview, dataset, ORGANISMS[organism], cells)
    assert preview.choices[0].taken == ("genes in rows" if turned else "cells in rows")


@pytest.mark.parametrize("turned", [False, True])
def test_where_names_do_not_tell_the_spread_of_the_totals_does(tmp_path, turned):
    frame = table([f"a{chr(97 + i % 26)}{i}q" for i in range(40)], PLAIN_CELLS)
    frame = frame.T if turned else frame
    frame = frame.set_axis([f"r{i % 7}k{i}w" for i in range(len(frame))])
    frame.columns = [f"u{i % 5}k{i}w" for i in range(frame.shape[1])]
    preview, _ = opened(tmp_path, frame.to_csv())
    assert (preview.n_cells, preview.n_genes) == (25, 40)
    assert "spread as those of genes do" in preview.warnings[0]


def semicolons(frame):
    return frame.to_csv(sep=";")


def excel_windows(frame):
    return ("sep=;\r\n" + frame.to_csv(sep=";", lineterminator="\r\n")).encode("utf-16")


def old_mac(frame):
    return frame.to_csv(lineterminator="\r").encode("utf-8-sig")


def quoted_r(frame):
    lines = frame.to_csv(sep=" ", quoting=2).split("\n")
    return "\n".join([lines[0].removeprefix('"" '), *lines[1:]])


def bars(frame):
    return frame.to_csv(sep="|")


def titled(frame):
    return "Table S3: counts\n\n" + frame.to_csv(sep="\t")


def marked_header(frame):
    return "# made by a pipeline\n#" + frame.to_csv(sep="\t", index_label="gene")


def gct(frame):
    frame = frame.T
    frame.insert(0, "Description", "na")
    return f"#1.2\n40\t25\n{frame.to_csv(sep=chr(9), index_label='Name')}"


@pytest.mark.parametrize("write", [semicolons, excel_windows, old_mac, quoted_r, bars, titled,
                                   marked_header, gct])  # fmt: skip
@pytest.mark.parametrize("pack", [lambda b: b, gzip.compress, bz2.compress, lzma.compress])
def test_every_way_to_write_a_table_gives_the_same_numbers(tmp_path, write, pack):
    text = write(table())
    data = pack(text if isinstance(text, bytes) else text.encode())
    ending = {b"\x1f\x8b": ".gz", b"BZ": ".bz2", b"\xfd7": ".xz"}.get(data[:2], "")
    right(*opened(tmp_path, data, f"x.txt{ending}"), HUMAN, BARCODES)


def test_letters_of_windows_and_decimal_commas_are_understood(tmp_path):
    frame = table().astype(float) + 0.5
    frame["Gewebe"] = "Dünndarm"
    text = frame.to_csv(sep=";", decimal=",").encode("cp1252")
    preview, dataset = opened(tmp_path, text)
    np.testing.assert_allclose(dataset.matrix("X").toarray(), COUNTS + 0.5)
    assert set(dataset.obs["Gewebe"]) == {"Dünndarm"}
    assert any("decimal comma" in w for w in preview.warnings)


def test_thousands_with_commas_are_no_fractions(tmp_path):
    frame = (table() * 1000 + 1000).map(lambda n: f"{n:,}")
    preview, dataset = opened(tmp_path, frame.to_csv(sep="\t"), "x.tsv")
    np.testing.assert_array_equal(dataset.matrix("X").toarray(), COUNTS * 1000 + 1000)
    assert any("thousands" in w for w in preview.warnings)


@pytest.mark.parametrize("turned", [False, True])
def test_a_table_without_names_of_rows_keeps_its_first_column(tmp_path, turned):
    frame = table().T if turned else table()
    preview, dataset = opened(tmp_path, frame.to_csv(index=False))
    np.testing.assert_array_equal(dataset.matrix("X").toarray(), COUNTS)
    assert any("have no names" in w and "numbered" in w for w in preview.warnings)
    counted, _ = opened(tmp_path, frame.reset_index(drop=True).to_csv())
    assert (counted.n_cells, counted.n_genes) == (25, 40)


def test_a_table_of_numbers_alone_is_numbered_on_both_sides(tmp_path):
    text = table().to_csv(index=False, header=False)
    preview, dataset = opened(tmp_path, text)
    assert (preview.n_cells, preview.n_genes) == (25, 40)
    assert any("no header" in w for w in preview.warnings)
    assert dataset.matrix("X").sum() == COUNTS.sum()


def test_orientation_and_separator_are_options_and_choices(tmp_path):
    text = table().to_csv(sep="|")
    assert opened(tmp_path, text, orientation="genes in rows")[0].n_cells == 40
    assert opened(tmp_path, text, separator="bar")[0].n_genes == 40
    names = [c.name for c in opened(tmp_path, text)[0].choices]
    assert names == ["orientation", "separator", "rows"]
    with pytest.raises(DataError, match=r"columns besides the names|holds words|cannot be read"):
        inspect(tmp_path / "x.csv", separator="tab")


@pytest.mark.parametrize(
    "at, sentence", [(7, r"row 7 .* has 38 columns, others have 41"), (0, "line before its body")]
)
def test_a_row_or_a_header_that_is_too_short_is_named(tmp_path, at, sentence):
    lines = table().to_csv().split("\n")
    lines[at] = lines[at].rsplit(",", 3)[0]
    with pytest.raises(DataError, match=sentence):
        opened(tmp_path, "\n".join(lines))


def test_tables_of_several_samples_are_joined(tmp_path):
    folder = tmp_path / "geo"
    folder.mkdir()
    table().T.iloc[:, :10].to_csv(folder / "GSM1_ctrl_counts.csv.gz")
    table().T.iloc[:38, 10:].to_csv(folder / "GSM2_stim_counts.csv.gz")
    preview, dataset = inspect(folder), read(folder)
    assert preview.samples == (("GSM1_ctrl", 10), ("GSM2_stim", 15))
    assert (preview.n_cells, preview.n_genes) == (25, 38) == dataset.matrix("X").shape


@pytest.mark.parametrize("turned", [False, True])
def test_a_very_wide_table_is_read_line_by_line_to_the_same_numbers(tmp_path, turned, monkeypatch):
    monkeypatch.setattr("diffbio_engine.data.readers.tables._WIDE", 10)
    frame = table()
    of_cells(frame)
    preview, dataset = opened(tmp_path, (frame.T if turned else frame).to_csv())
    right(preview, dataset, HUMAN, BARCODES)
    assert dataset.obs["orig.ident"].tolist() == ["a"] * 12 + ["b"] * 13


def test_a_title_over_many_columns_and_an_empty_last_column_are_neither_header_nor_gene(tmp_path):
    text = "Counts of plate 5" + "," * 41 + "\n"
    text += "".join(f"{line},\n" for line in table().to_csv().splitlines())
    preview, dataset = opened(tmp_path, text)
    right(preview, dataset, HUMAN, BARCODES)
    assert any("Counts of plate 5" in w for w in preview.warnings)


def test_of_two_columns_with_one_name_none_is_lost(tmp_path):
    frame = table()
    frame.insert(0, "cluster", np.arange(25) % 3)
    frame.insert(1, "cluster", np.arange(25) % 4, allow_duplicates=True)
    _, dataset = opened(tmp_path, frame.to_csv())
    assert dataset.obs["cluster"].nunique() == 3 and dataset.obs["cluster_2"].nunique() == 4
