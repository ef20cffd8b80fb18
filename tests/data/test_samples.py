"""Bulk samples: few rows, many genes, a design beside them; said, and changed where it is said."""

import shutil

import anndata
import numpy as np
import pandas as pd
import pytest

from diffbio_engine.data import Dataset, inspect, open_source, read, write_result
from diffbio_engine.data.kinds import kind_named
from diffbio_engine.errors import DataError

N_GENES = 5_200


def table(names, zeros=0.2, mean=100.0):
    """Counts of genes in rows, as programs that count reads write them."""
    random = np.random.default_rng(0)
    shown = random.random((N_GENES, len(names))) >= zeros
    counts = random.poisson(mean, (N_GENES, len(names))) * shown
    return pd.DataFrame(counts, [f"ENSG{i:011d}" for i in range(N_GENES)], names)


def told(preview, name):
    return next(c for c in preview.choices if c.name == name)


@pytest.fixture
def folder(tmp_path):
    """Eight samples and their design, whose lines stand in another order."""
    names = [f"P{i}{side}" for i in range(4) for side in ("ctrl", "drug")]
    table(names).to_csv(tmp_path / "counts.csv", index_label="gene_id")
    design = pd.DataFrame(
        {"sample": names, "arm": ["untreated", "treated"] * 4, "donor": np.repeat(list("WXYZ"), 2)}
    )
    design[::-1].to_csv(tmp_path / "design.csv", index=False)
    return tmp_path


def test_a_design_beside_the_counts_is_joined_by_the_names_of_the_samples(folder):
    preview = inspect(folder)
    assert preview.size == "8 samples x 5,200 genes"
    # How it was read is told plainly; that eight are few is a warning.
    assert any("8 of 8 samples found in design.csv" in said for said in preview.plain)
    assert any("are taken for samples" in said for said in preview.plain)
    warned = set(preview.warnings) - set(preview.plain)
    assert warned and all("learns them by heart" in said for said in warned)
    assert preview.suggested["condition_labels"] == "obs/arm"
    assert preview.suggested["batch_labels"] == "obs/donor"  # each of two samples, in both arms
    assert "ambient_profile" not in preview.suggested  # no droplets, no empty ones
    dataset = read(folder)
    assert list(dataset.obs["arm"][:2]) == ["untreated", "treated"]
    records = open_source(dataset, {"counts": "X", "batch_labels": "obs/donor"},
                          ["counts", "batch_labels"])  # fmt: skip
    assert records.record.one == "sample" and records.names["samples"][1] == "P0drug"


def test_that_they_are_samples_is_said_with_the_reason_and_can_be_changed(folder):
    preview = inspect(folder)
    assert any(
        "8 rows are taken for samples" in w and "single cells, say so under 'Rows are'" in w
        for w in preview.warnings
    )
    assert "zeros" in told(preview, "rows").why and told(preview, "rows").taken == "samples"
    as_cells = inspect(folder, rows="cells")
    assert as_cells.size == "8 cells x 5,200 genes" and told(as_cells, "rows").why == ""
    assert inspect(folder, rows="spots").rows == "spots"
    assert as_cells.suggested["ambient_profile"]


@pytest.mark.parametrize(
    "names, zeros, mean",
    [
        ([f"P{i}" for i in range(60)], 0.65, 300.0),  # a plate: two thirds of the values are 0
        ([f"cell_{i}" for i in range(24)], 0.2, 100.0),  # said outright
        ([f"ACGTACGTACGTA{'ACGT'[i % 4]}{'ACGT'[i // 4]}-1" for i in range(12)], 0.2, 100.0),
        ([f"P{i}" for i in range(12)], 0.2, 5.0),  # 20,000 counts a row
    ],
)
def test_a_small_table_of_single_cells_stays_one_and_that_is_said(tmp_path, names, zeros, mean):
    table(names, zeros, mean).to_csv(tmp_path / "few.csv", index_label="gene_id")
    preview = inspect(tmp_path / "few.csv")
    assert preview.rows == "cells"
    assert any("taken for single cells" in w and "(bulk)" in w for w in preview.warnings)


def test_a_table_of_values_and_either_way_round(tmp_path):
    names = [f"P{i}" for i in range(6)]
    values = np.log2(table(names) + 1.0)
    values.T.to_csv(tmp_path / "values.tsv", sep="\t", index_label="sample")
    preview = inspect(tmp_path / "values.tsv")
    assert preview.size == "6 samples x 5,200 genes" and "counts" not in preview.suggested
    assert told(preview, "orientation").possible[0][1] == "Samples in rows"


def test_real_tables_of_bulk_are_samples(shared_data, tmp_path):
    bulk = shared_data / "omics/bulk"
    if not bulk.is_dir():
        pytest.skip("the bulk tables are not on this machine")
    for name, size in (("airway", "8 samples x 33,469 genes"),
                       ("ercc_rat_MET_CTL", "6 samples x 12,864 genes")):  # fmt: skip
        there = tmp_path / name
        there.mkdir()
        for file in (f"{name}_counts.csv.gz", f"{name}_design.csv"):
            shutil.copy(bulk / file, there / file)
        preview = inspect(there)
        assert preview.size == size
        condition = {"airway": "obs/dex"}.get(name, "obs/condition")
        assert preview.suggested["condition_labels"] == condition


def test_counts_and_their_design_may_be_workbooks(tmp_path):
    pytest.importorskip("openpyxl")
    names = [f"P{i}" for i in range(4)]
    few = table(names).iloc[:60]
    few.to_excel(tmp_path / "expression.xlsx", index_label="gene_id")
    design = pd.DataFrame({"sample": names, "arm": ["untreated", "treated"] * 2})
    design.to_excel(tmp_path / "sample_sheet.xlsx", index=False)
    preview = inspect(tmp_path, rows="samples")
    assert preview.size == "4 samples x 60 genes"
    assert preview.suggested["condition_labels"] == "obs/arm"
    (tmp_path / "sample_sheet.xlsx").unlink()
    design.to_csv(tmp_path / "design.csv", index=False)
    assert inspect(tmp_path, rows="samples").suggested["condition_labels"] == "obs/arm"


def test_a_design_alone_is_refused_with_the_way_to_bring_it(folder):
    with pytest.raises(DataError) as refused:
        inspect(folder / "design.csv")
    assert "column 'arm'" in refused.value.what and "bring both together" in refused.value.fix


def test_three_samples_are_too_few_for_a_run_in_words():
    few = Dataset.from_anndata(anndata.AnnData(np.ones((3, 5), np.float32)))
    few.rows = "samples"
    with pytest.raises(DataError, match="has 3 samples; a run needs 4 at least"):
        kind_named("samples").require_enough(few)
    few.rows = "cells"
    kind_named("cells").require_enough(few)


def test_what_goes_home_is_also_a_table_of_samples_that_no_spreadsheet_runs(tmp_path):
    names = ["=1+1", "P2"]
    obs = pd.DataFrame({"arm": ["a", "b"]}, index=names)
    dataset = Dataset.from_anndata(anndata.AnnData(np.ones((2, 3), np.float32), obs))
    dataset.rows = "samples"
    shares = np.array([[0.75, 0.25], [0.5, 0.5]], np.float32)
    written = write_result(dataset, tmp_path / "result.h5ad",
                           {"obsm/cluster_diffbio_prob": shares}, {})  # fmt: skip
    assert any("result_samples.csv" in note for note in written.notes)
    beside = pd.read_csv(tmp_path / "result_samples.csv")
    assert list(beside["sample"]) == ["'=1+1", "P2"] and list(beside["arm"]) == ["a", "b"]
    assert list(beside["cluster_diffbio_prob_1"]) == [0.75, 0.5]
    assert list(beside["cluster_diffbio"]) == [0, 0]
