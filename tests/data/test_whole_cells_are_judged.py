"""Counts that lie gene by gene are judged by whole cells, or it is said by how much of them."""

import anndata
import layouts
import numpy as np
import pytest
import scipy.sparse as sp

from diffbio_engine.data import inspect
from diffbio_engine.data.matrix import matrix_preview as matrix_look
from diffbio_engine.data.readers import mtx

RNG = np.random.default_rng(0)
COUNTS = RNG.poisson(RNG.uniform(0.3, 1.0, (80, 1)) * RNG.gamma(0.5, 2.0, (1, 300)))
# Counts for 10,000 molecules, rounded: whole numbers, and no counts.
ROUNDED = np.round(COUNTS / COUNTS.sum(axis=1, keepdims=True) * 1e4)
DOUBT = "look like rounded normalised values"


def of_genes(path, matrix):
    anndata.AnnData(sp.csc_matrix(matrix)).write_h5ad(path)
    return path


def gene_ordered(path, matrix):
    """As R's writeMM of a matrix of cells by genes: gene by gene."""
    layouts.write(path / "barcodes.tsv", layouts.lines(f"c{i}" for i in range(80)))
    layouts.write(path / "features.tsv", layouts.lines(f"id{g}\tG{g}" for g in range(300)))
    coo = sp.csc_matrix(matrix).tocoo()  # by gene
    rows = [f"{g + 1} {c + 1} {v:g}" for c, g, v in zip(coo.row, coo.col, coo.data, strict=True)]
    head = ["%%MatrixMarket matrix coordinate real general", f"300 80 {coo.nnz}"]
    layouts.write(path / "matrix.mtx", layouts.lines(head + rows))
    return path


@pytest.fixture
def large(monkeypatch):
    """As if these small files were large: read in pieces, and only so much of them."""

    def limit(most_read):
        monkeypatch.setattr(matrix_look, "_PIECE", 8_000)
        monkeypatch.setattr(matrix_look, "_READ_WHOLE", 8 * most_read)
        monkeypatch.setattr(matrix_look, "_READ_PART", 8 * most_read)
        monkeypatch.setattr(mtx, "_ENTRIES_AT_ONCE", 1_000)
        monkeypatch.setattr(mtx, "_MOST_READ", most_read)
        sample = mtx.sample_mtx
        monkeypatch.setattr(
            "diffbio_engine.data.readers.mtx_folder.sample_mtx",
            lambda path, **how: sample(path, **how, n_entries=500),
        )

    return limit


@pytest.mark.parametrize("make", [of_genes, gene_ordered])
def test_a_file_by_genes_is_read_through_once_and_judged_by_whole_cells(tmp_path, make, large):
    large(100_000)
    for matrix, holds in ((COUNTS, "raw counts"), (ROUNDED, "normalised")):
        found = inspect(make(tmp_path / f"{holds}.h5ad", matrix)).matrices[0]
        assert (found.holds, DOUBT in found.sentence) == (holds, holds != "raw counts")
        assert "and 80 whole cells" in found.looked


@pytest.mark.parametrize("make", [of_genes, gene_ordered])
def test_of_a_very_large_file_by_genes_it_is_said_how_many_values_were_judged(
    tmp_path, make, large
):
    large(4_000)
    for matrix, holds in ((COUNTS, "raw counts"), (ROUNDED, "normalised")):
        found = inspect(make(tmp_path / f"{holds}.h5ad", matrix)).matrices[0]
        assert found.holds == holds and "judged from" in found.looked
        assert "whole cells" not in found.looked


@pytest.mark.parametrize("make", [of_genes, gene_ordered])
def test_fractions_far_in_the_file_are_found(tmp_path, make, large):
    large(100_000)
    matrix = COUNTS.astype(float)
    matrix[:, 151] += 0.5  # not among the genes that are looked at first
    found = inspect(make(tmp_path / "x.h5ad", matrix)).matrices[0]
    assert found.holds != "raw counts" and not found.whole_numbers
