"""Each public case of a file that was misread has its right answer; skipped without the cases."""

import anndata
import numpy as np
import pytest

from diffbio_engine.data import inspect, read
from diffbio_engine.errors import DataError


@pytest.fixture(scope="module")
def cases(shared_data):
    folder = shared_data.parent / "cases"
    if not folder.is_dir():
        pytest.skip(f"the cases are not on this machine ({folder})")
    return folder


@pytest.fixture(scope="module")
def truth(cases):
    """The counts that most cases were made of: 240 cells, 302 genes."""
    adata = anndata.read_h5ad(cases / "l_velocyto_lognorm_X.h5ad")
    return adata.to_df("spliced")


def opened(path, **how):
    """Preview and data set, which agree to the number."""
    preview, dataset = inspect(path, **how), read(path, **how)
    assert (preview.n_cells, preview.n_genes) == (dataset.n_cells, dataset.n_genes)
    assert dataset.matrix("X").shape == (preview.n_cells, preview.n_genes)
    return preview, dataset


def x(dataset):
    return dataset.matrix("X").toarray()


def test_both_samples_of_a_geo_archive_are_there_and_named(cases, truth):
    preview, dataset = opened(cases / "m_geo_two_samples.zip")
    assert preview.samples == (("GSM0000001_tumor1", 140), ("GSM0000002_tumor2", 100))
    np.testing.assert_array_equal(x(dataset), truth.to_numpy())
    assert preview.suggested["batch_labels"] == "obs/sample"


def test_starsolo_s_spliced_counts_are_the_counts_and_the_others_layers(cases, truth):
    preview, dataset = opened(cases / "m_velocyto.zip")
    np.testing.assert_array_equal(x(dataset), truth.to_numpy())
    layers = {m.place for m in preview.matrices} - {"X"}
    assert layers == {"layers/spliced", "layers/unspliced", "layers/ambiguous"}
    assert preview.suggested["counts"] in ("X", "layers/spliced")


def test_a_kallisto_bustools_archive_opens_with_symbols_and_ids(cases, truth):
    _, dataset = opened(cases / "m_kb.zip")
    np.testing.assert_array_equal(x(dataset), truth.to_numpy())
    assert list(dataset.var.index) == list(truth.columns)
    assert dataset.var["gene_ids"].iloc[0].startswith("ENSG")


def test_an_h5_without_feature_types_opens(cases, truth):
    _, dataset = opened(cases / "h_v3_nofeaturetype.h5")
    np.testing.assert_array_equal(x(dataset), truth.to_numpy())


def test_of_several_genomes_the_larger_is_taken_and_the_other_is_a_choice(cases):
    path = cases / "h_v2_ercc_hg19.h5"
    preview, _ = opened(path)
    assert preview.n_genes == 290 and "Genome hg19" in preview.warnings[0]
    assert [value for value, _ in preview.choices[0].possible] == ["hg19", "ERCC"]
    assert opened(path, genome="ERCC")[0].n_genes == 12
    with pytest.raises(DataError, match="There is no genome 'mm10'; there are hg19, ERCC"):
        read(path, genome="mm10")


def test_a_loom_file_opens_with_its_layers(cases, truth):
    preview, dataset = opened(cases / "f_velocyto.loom")
    np.testing.assert_array_equal(x(dataset), truth.to_numpy())
    assert list(dataset.obs.index) == list(truth.index)
    assert [m.place for m in preview.matrices] == ["X", "layers/spliced"]


def test_a_workbook_opens_with_its_sheet(cases, truth):
    _, dataset = opened(cases / "x_counts.xlsx")
    assert dataset.kind.startswith("workbook, sheet ")
    numbers, cells = x(dataset), list(dataset.obs.index)
    genes = list(dataset.var.index)
    np.testing.assert_array_equal(numbers, truth.loc[cells, genes].to_numpy())


@pytest.mark.parametrize("name", ["x_comment_lines.csv", "x_gene_length_column.tsv",
                                  "x_integer_metadata_columns.csv", "x_no_row_names.csv",
                                  "x_arabidopsis_genes_rows.csv"])  # fmt: skip
def test_a_table_holds_its_cells_and_genes_and_nothing_else(cases, truth, name):
    preview, dataset = opened(cases / name)
    np.testing.assert_array_equal(x(dataset), truth.to_numpy())
    said = " ".join(preview.warnings)
    if "comment" in name:
        assert "2 lines of comment were skipped" in said
    elif "length" in name:
        assert "'Length'" in said and "Length" in dataset.var
    elif "metadata" in name:
        assert list(dataset.obs.columns) == ["nCount_RNA", "nFeature_RNA", "seurat_clusters"]
        assert "3 of 305 columns are no genes" in said
    elif "no_row_names" in name:
        assert list(dataset.var.index) == list(truth.columns) and "are numbered" in said
        assert "batch_labels" not in preview.suggested
    else:
        assert preview.choices[0].taken == "genes in rows"
        assert read(cases / name, orientation="cells in rows").n_cells == 302
