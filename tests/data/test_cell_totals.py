"""The total counts of a cell are of all genes of the file, whichever are trained on."""

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp

from diffbio_engine.data import (
    Dataset,
    Fields,
    OnDisk,
    VariableGenes,
    align_genes,
    inspect,
    open_source,
    suggest_fields,
)
from diffbio_engine.data.genes.known_genes import known_pairs, known_regulators
from diffbio_engine.data.sampling.cell_totals import totals_of
from diffbio_engine.errors import DataError
from diffbio_engine.pipelines import ports_of

COUNTS = np.random.default_rng(0).poisson(3.0, (25, 6)).astype(np.float32)
TOTALS = COUNTS.sum(axis=1)


def cells(**columns):
    adata = ad.AnnData(sp.csr_matrix(COUNTS), obs={k: np.asarray(v) for k, v in columns.items()})
    adata.var_names = ["SOX2", "CXCL12", "CXCR4", "G3", "G4", "G5"]
    return adata


def opened(adata, **places):
    fields = Fields({"counts": "X", **places})
    return open_source(Dataset.from_anndata(adata), fields, ("counts", "total_counts"))


def test_they_are_offered_wherever_there_are_counts(tmp_path):
    cells().write_h5ad(tmp_path / "cells.h5ad")
    fields = suggest_fields(inspect(tmp_path / "cells.h5ad"))
    assert fields["total_counts"] == "counts:total"
    # A data set that was looked at before there were totals names no place of them.
    np.testing.assert_array_equal(opened(cells()).per_cell["total_counts"], TOTALS)
    on_disk = OnDisk(tmp_path / "cells.h5ad", "X")
    np.testing.assert_array_equal(totals_of(on_disk), TOTALS)
    on_disk.close()


def test_they_are_of_the_counts_as_they_are_drawn():
    adata = cells()
    adata.X = sp.csr_matrix(COUNTS + np.float32(5e-5))
    source = opened(adata)
    np.testing.assert_array_equal(source.per_cell["total_counts"], TOTALS)
    np.testing.assert_array_equal(source.batch(np.arange(25))["counts"], COUNTS)


def test_they_stay_when_genes_or_cells_are_chosen_and_when_genes_are_matched():
    source = opened(cells())
    seen = source.of_genes(VariableGenes(np.array([1, 3]), np.zeros(6)))
    np.testing.assert_array_equal(seen.batch([4, 2])["total_counts"], TOTALS[[4, 2]])
    np.testing.assert_array_equal(seen.subset([7]).per_cell["total_counts"], TOTALS[[7]])
    assert ports_of(seen, {})["total_counts"].port.per_record
    matched = source.aligned(align_genes(source.var_names, None, ["G4", "ELSEWHERE"]))
    np.testing.assert_array_equal(matched.per_cell["total_counts"], TOTALS)
    assert matched.rows("counts", np.arange(25)).sum() < TOTALS.sum()


def test_a_column_holds_them_where_the_file_has_some_genes_only():
    source = opened(cells(n_counts=5 * TOTALS), total_counts="obs/n_counts")
    np.testing.assert_array_equal(source.per_cell["total_counts"], 5 * TOTALS)


def test_a_column_that_cannot_hold_totals_is_refused_in_words():
    data = cells(logged=np.log1p(TOTALS), sample=["a"] * 25)
    with pytest.raises(DataError, match=r"obs/logged is less .* in 25 of 25 cells"):
        opened(data, total_counts="obs/logged")
    with pytest.raises(DataError, match="does not hold a number for each cell"):
        opened(data, total_counts="obs/sample")


def test_how_many_known_pairs_and_regulators_are_there_is_said():
    needed = ("counts", "lr_pairs", "tf_indices")
    places = {"counts": "X", "lr_pairs": "genes:ligand-receptor-pairs"}
    places["tf_indices"] = "genes:transcription-factors"
    source = open_source(Dataset.from_anndata(cells()), places, needed)
    said = " ".join(source.notes)
    assert f"1 of {len(known_pairs()):,} known ligand-receptor pairs" in said
    assert f"1 of {len(known_regulators()):,} known transcription factors" in said
