"""Samples that stand at the end of the barcodes are offered as batches, and said."""

import anndata
import layouts
import numpy as np
import pandas as pd
import pytest
import zoo

from diffbio_engine.data import inspect, read

LETTERS = np.array(list("ACGT"))
BARCODES = ["".join(LETTERS[[(i >> 2 * j) & 3 for j in range(12)]]) for i in range(40)]
ENDS = [1] * 10 + [2] * 14 + [3] * 16


def of_aggr(folder, ends=ENDS, listed="sample_id,molecule_h5\nctrl,a.h5\nstim,b.h5\nlate,c.h5\n"):
    cells = [f"{b}-{e}" for b, e in zip(BARCODES, ends, strict=True)]
    layouts.tenx(folder / "outs/count/filtered_feature_bc_matrix", cells=cells)
    if listed:
        layouts.write(folder / "outs/aggregation.csv", listed)
    return folder


def test_several_endings_are_several_samples_and_the_batch(tmp_path):
    preview = inspect(of_aggr(tmp_path / "aggr", listed=""))
    assert preview.samples == (("1", 10), ("2", 14), ("3", 16))
    assert preview.suggested["batch_labels"] == "obs/sample"
    assert any("Sample by the end of the barcode: 3 samples (-1 (10" in w for w in preview.warnings)


def test_the_list_that_aggr_leaves_names_them(tmp_path):
    dataset = read(of_aggr(tmp_path / "aggr"))
    assert list(dataset.obs["sample"]) == [["ctrl", "stim", "late"][e - 1] for e in ENDS]
    assert any("by aggregation.csv (-1 is ctrl (10 cells)" in w for w in dataset.warnings)
    short = of_aggr(tmp_path / "short", listed="library_id\nctrl\n")  # not of this matrix
    assert list(read(short).obs["sample"].unique()) == ["1", "2", "3"]


def test_one_ending_is_no_batch(tmp_path):
    dataset = read(of_aggr(tmp_path / "one", [1] * 40))
    assert "sample" not in dataset.obs and not any("ending" in w for w in dataset.warnings)
    assert "batch_labels" not in inspect(tmp_path / "one").suggested


@pytest.mark.parametrize("ending", ["-1-{}", "_{}", ".{}"])
def test_what_concatenated_files_and_r_write_counts_too_unless_a_column_says_it(tmp_path, ending):
    cells = [b + ending.format(e) for b, e in zip(BARCODES, ENDS, strict=True)]
    data = anndata.AnnData(zoo.COUNTS, obs=pd.DataFrame(index=cells))
    data.write_h5ad(tmp_path / "x.h5ad")
    assert inspect(tmp_path / "x.h5ad").suggested["batch_labels"] == "obs/sample"
    data.obs["donor"] = [f"P{e}" for e in ENDS]
    data.write_h5ad(tmp_path / "x.h5ad")
    preview = inspect(tmp_path / "x.h5ad")
    assert [c.name for c in preview.obs] == ["donor"]


def test_names_that_were_only_made_unique_are_no_samples(tmp_path):
    cells = [*BARCODES[:36], *(f"{b}-1" for b in BARCODES[:2]), *(f"{b}-2" for b in BARCODES[:2])]
    anndata.AnnData(zoo.COUNTS, obs=pd.DataFrame(index=cells)).write_h5ad(tmp_path / "x.h5ad")
    assert inspect(tmp_path / "x.h5ad").obs == ()


def test_what_stands_before_the_barcodes_names_samples_too(tmp_path):
    names = ["ctrl", "T", "GSM9_old"]
    cells = [f"{names[e - 1]}_{b}-{e}" for b, e in zip(BARCODES, ENDS, strict=True)]
    pd.DataFrame(zoo.COUNTS.astype(int), cells, zoo.GENES).to_csv(tmp_path / "x.csv")
    preview = inspect(tmp_path / "x.csv")
    assert preview.samples == (("GSM9_old", 16), ("T", 14), ("ctrl", 10))
    assert preview.suggested["batch_labels"] == "obs/sample"
    assert any(
        w.startswith("Sample by what stands before the barcode: 3") for w in preview.warnings
    )


def test_barcodes_of_several_rounds_are_no_samples(tmp_path):
    rounds = [f"{'ACGTACGT' if i % 2 else 'TTGGCCAA'}-{b}" for i, b in enumerate(BARCODES)]
    pd.DataFrame(zoo.COUNTS.astype(int), rounds, zoo.GENES).to_csv(tmp_path / "x.csv")
    assert "sample" not in read(tmp_path / "x.csv").obs


@pytest.mark.parametrize("alike", ["{}-11", "{}-1.2"])
def test_numbers_that_tell_equal_names_apart_are_no_samples(tmp_path, alike):
    """Seurat's merge of ctrl and stim writes -11 after a barcode that both have."""
    cells = [f"{b}-1" for b in BARCODES[:37]] + [alike.format(b) for b in BARCODES[:3]]
    anndata.AnnData(zoo.COUNTS, obs=pd.DataFrame(index=cells)).write_h5ad(tmp_path / "x.h5ad")
    assert inspect(tmp_path / "x.h5ad").obs == ()


def test_the_cells_of_kang_are_no_samples_by_their_names(shared_data):
    if not (path := shared_data / "kang_pbmc_stim_counts.h5ad").exists():
        pytest.skip("the data of Kang are not on this machine")
    assert len(inspect(path).samples) == 1


def test_a_batch_of_the_person_s_own_stays_the_batch(tmp_path):
    cells = [f"{b}-{e}" for b, e in zip(BARCODES, ENDS, strict=True)]
    obs = pd.DataFrame({"donor_id": ["P1", "P2"] * 20}, index=cells)
    anndata.AnnData(zoo.COUNTS, obs=obs).write_h5ad(tmp_path / "x.h5ad")
    preview = inspect(tmp_path / "x.h5ad")
    assert preview.suggested["batch_labels"] == "obs/donor_id"
    assert [c.name for c in preview.obs] == ["donor_id", "barcode_group"]
