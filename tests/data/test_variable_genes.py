"""Which genes are trained on, and that all others stay what they were."""

from pathlib import Path

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp

from diffbio_engine.bundles.genes_of_file import of_all_genes
from diffbio_engine.data import (
    CellSource,
    OnDisk,
    VariableGenes,
    asked_for,
    most_variable_genes,
)
from diffbio_engine.data.matrix.matrices import InMemory
from diffbio_engine.data.sampling.local_regression import local_quadratic
from diffbio_engine.data.sampling.variable_genes import telling_types
from diffbio_engine.runs.worker.open_run import with_variable_genes

GOLDEN = Path(__file__).parents[1] / "references/data/seurat_v3.npz"


def test_a_parabola_is_its_own_local_regression():
    x = np.random.default_rng(0).normal(size=200)
    np.testing.assert_allclose(local_quadratic(x, 2 + x - 3 * x**2), 2 + x - 3 * x**2, atol=1e-8)


def test_genes_of_one_mean_have_one_usual_variance():
    x, y = np.zeros(5), np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    np.testing.assert_allclose(local_quadratic(x, y), 3.0)


@pytest.mark.parametrize("how", ["together", "within"])
def test_the_genes_are_those_that_scanpy_chooses(shared_data, how):
    cells = ad.read_h5ad(shared_data / "kang_pbmc_stim_counts.h5ad")
    batches = cells.obs["batch"].astype("category").cat.codes.to_numpy()
    found = most_variable_genes(
        InMemory(cells.X), 2000, batches if how == "within" else None
    ).columns
    theirs = np.load(GOLDEN)[how]
    # Within batches some genes at the edge share a median rank; scanpy sorts them by chance.
    assert len(found) == 2000
    assert len(np.intersect1d(found, theirs)) >= (1990 if how == "within" else 1999)


def counts_with(varying, n_cells=400, n_genes=60, seed=0):
    """Poisson counts; what ``varying`` says multiplies the rates of the first genes."""
    rng = np.random.default_rng(seed)
    rates = np.broadcast_to(rng.uniform(1, 5, n_genes), (n_cells, n_genes)).copy()
    for gene, factor in enumerate(varying):
        rates[:, gene] *= factor
    return sp.csr_matrix(rng.poisson(rates).astype(np.float32))


def test_a_gene_that_only_tells_batches_apart_is_not_chosen():
    batch = np.arange(400) % 2
    kind = (np.arange(400) // 2) % 2
    counts = InMemory(counts_with([1 + 5 * batch, 1 + 5 * kind]))
    assert list(most_variable_genes(counts, 2).columns) == [0, 1]
    assert 0 not in most_variable_genes(counts, 2, batch).columns
    assert 1 in most_variable_genes(counts, 2, batch).columns


def test_a_batch_of_a_few_cells_has_no_say():
    batch = np.zeros(400, int)
    batch[:5] = 1
    counts = InMemory(counts_with([1 + (np.arange(400) % 2)]))
    alone = most_variable_genes(InMemory(counts.load()[5:]), 10)
    assert most_variable_genes(counts, 10, batch).n_batches == 1
    np.testing.assert_array_equal(most_variable_genes(counts, 10, batch).columns, alone.columns)
    assert most_variable_genes(InMemory(counts.load()[:8]), 10, np.arange(8)).n_batches == 1


def test_genes_that_nobody_has_are_chosen_last():
    counts = counts_with([1]).tolil()
    counts[:, 5:15] = 0
    found = most_variable_genes(InMemory(counts.tocsr()), 50).columns
    assert not np.intersect1d(found, np.arange(5, 15)).size


def test_on_disk_the_same_genes_are_chosen_and_read(tmp_path):
    counts = counts_with([1 + (np.arange(400) % 2)])
    ad.AnnData(counts).write_h5ad(tmp_path / "cells.h5ad")
    matrix = OnDisk(tmp_path / "cells.h5ad", "X")
    here, there = most_variable_genes(InMemory(counts), 7), most_variable_genes(matrix, 7)
    np.testing.assert_array_equal(here.columns, there.columns)
    seen = CellSource(matrix).of_genes(there)
    np.testing.assert_array_equal(
        seen.rows("counts", np.array([3, 1])), counts[[3, 1]][:, there.columns].toarray()
    )
    seen.close()


def test_genes_that_a_field_names_are_kept_and_mean_the_same():
    pairs = np.array([[50, 51], [1, 52]], np.int32)
    markers = np.zeros((2, 60), np.float32)
    markers[0, 53] = markers[1, 2] = 1
    profile = np.full(60, 1 / 60, np.float32)
    names = np.array([f"G{i}" for i in range(60)])
    fixed = {"lr_pairs": pairs, "marker_matrix": markers, "ambient_profile": profile}
    kind = np.arange(400) % 2
    cells = CellSource(counts_with([np.where(kind, 1.9, 0.1)]), {}, fixed, var_names=names)
    assert list(asked_for(fixed)) == [1, 2, 50, 51, 52, 53]
    seen = with_variable_genes(cells, 10)
    assert {"G0", "G50", "G53"} <= set(seen.var_names)
    np.testing.assert_array_equal(seen.var_names[seen.per_dataset["lr_pairs"]], names[pairs])
    assert seen.var_names[seen.per_dataset["marker_matrix"][0].argmax()] == "G53"
    assert seen.per_dataset["ambient_profile"].sum() == pytest.approx(1)
    assert seen.of_all_genes is cells and seen.subset([0, 1]).of_all_genes.n_genes == 60
    assert "of them because a block needs them" in seen.chosen.sentence


def test_the_genes_that_tell_the_types_of_a_reference_apart_are_kept():
    profiles = np.full((3, 40), 5.0)
    for kind, gene in enumerate((6, 2, 31)):
        profiles[kind, gene] = 60.0  # as many counts in each type
    assert list(telling_types(profiles, most=9)) == [2, 6, 31]
    assert list(asked_for({"reference.profiles": profiles}, n_genes=8)) == [2, 6]
    assert not len(telling_types(np.ones((2, 8)), most=9))


def test_a_small_panel_is_left_as_it_is():
    cells = CellSource(counts_with([1]))
    assert with_variable_genes(cells, 60) is cells
    assert with_variable_genes(cells, 0) is cells


def test_what_is_known_of_some_genes_lies_at_these_genes_of_the_file():
    cells = CellSource(sp.csr_matrix(np.ones((2, 4), np.float32)))
    seen = cells.of_genes(VariableGenes(np.array([1, 3]), np.zeros(4)))
    np.testing.assert_array_equal(of_all_genes(seen, np.array([5.0, 6.0])), [np.nan, 5, np.nan, 6])
    layer = of_all_genes(seen, np.array([[1.0, 2.0], [3.0, 0.0]]))
    np.testing.assert_array_equal(layer.toarray(), [[0, 1, 0, 2], [0, 3, 0, 0]])
    assert layer.nnz == 4, "a gene that is known to be 0 is told from one that is not known"
    assert of_all_genes(cells, np.ones(4)) is not None
