"""A run from the command line with its real worker: its results, and a worker that is killed."""

import os
import signal
import threading

import anndata
import numpy as np
import pytest

from diffbio_engine.runs import RunFolder, RunReader
from tests.command_line.small_run import N_CELLS, N_GENES, cells, said, until, write_inputs

STEPS = 600


def arguments(folder, out, *more):
    where = "--pipeline", folder / "pipeline.json", "--data", folder / "cells.h5ad"
    return "run", *where, "--out", out, "--steps", STEPS, *more


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """The small inputs; the file of cells has keys that results also want."""
    folder = tmp_path_factory.mktemp("inputs")
    write_inputs(folder)
    # A gene name that is there twice is no obstacle.
    data = cells(genes=[f"GENE{min(g, 28)}" for g in range(N_GENES)])
    data.obs["cluster_diffbio"] = "mine"
    data.obsm["X_latent"] = np.full((N_CELLS, 2), 7.0, np.float32)
    data.uns["diffbio"] = {"note": "mine"}
    data.write_h5ad(folder / "cells.h5ad")
    return folder


@pytest.fixture(scope="module")
def finished(inputs, tmp_path_factory):
    """A run that nobody disturbed, and what was said of it."""
    out = tmp_path_factory.mktemp("runs") / "quiet"
    code, told, mistakes = said(*arguments(inputs, out))
    assert code == 0, mistakes
    return out, told


def test_a_run_leaves_a_result_that_anndata_opens_and_a_bundle(finished):
    out, told = finished
    assert str(out / "result.h5ad") in told
    assert "1 duplicated gene names were made unique" in told
    assert (out / "bundle/manifest.json").is_file()
    result = anndata.read_h5ad(out / "result.h5ad")
    assert result.shape == (N_CELLS, N_GENES)
    assert result.layers["normalized_diffbio"].shape == result.shape
    shares = result.obsm["cluster_diffbio_prob"]
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)
    found = result.obs["cluster_diffbio_2"].astype(int)
    np.testing.assert_array_equal(found, shares.argmax(axis=1))
    assert "pipeline" in result.uns["diffbio_2"]


def test_what_came_with_the_file_is_kept_and_that_is_said(inputs, finished):
    out, _ = finished
    before = anndata.read_h5ad(inputs / "cells.h5ad")
    result = anndata.read_h5ad(out / "result.h5ad")
    np.testing.assert_array_equal(result.obsm["X_latent"], before.obsm["X_latent"])
    assert result.obsm["X_latent_2"].shape == (N_CELLS, 4)
    assert set(result.obs["cluster_diffbio"]) == {"mine"}
    assert result.uns["diffbio"]["note"] == "mine"
    assert (result.X != before.X).nnz == 0
    events = RunReader(out).poll().events
    notes = next(e["notes"] for e in events if e["kind"] == "results")
    assert any("X_latent was in the file already and is kept" in n for n in notes), notes


def test_training_lowers_the_loss_and_is_compiled_once(finished):
    out, _ = finished
    losses = RunReader(out).metrics()["total"]
    assert len(losses) == STEPS
    assert losses[-50:].mean() < losses[:10].mean()
    kinds = [e["kind"] for e in RunReader(out).poll().events]
    assert kinds.count("compiled") == 1


def test_the_bundle_places_other_cells_and_counts_the_genes_it_found(finished, tmp_path):
    out, _ = finished
    genes = [f"GENE{g}" for g in range(N_GENES)]
    new = cells(40, seed=5, genes=[*reversed(genes[2:]), "OTHER"])
    new.write_h5ad(tmp_path / "new.h5ad")
    code, told, mistakes = said(
        "apply", out / "bundle", tmp_path / "new.h5ad", "--out", tmp_path / "placed.h5ad"
    )
    assert code == 0, mistakes
    assert "90% of 30 genes found (27); 3 filled with 0 (GENE0, GENE1, GENE28-1)" in told
    placed = anndata.read_h5ad(tmp_path / "placed.h5ad")
    assert placed.obsm["X_latent"].shape == (40, 4)
    assert np.isfinite(placed.obsm["X_latent"]).all()


def test_the_bundle_gives_trained_cells_what_the_run_gave_them(inputs, finished, tmp_path):
    out, _ = finished
    code, _, mistakes = said(
        "apply", out / "bundle", inputs / "cells.h5ad", "--out", tmp_path / "placed.h5ad"
    )
    assert code == 0, mistakes
    placed = anndata.read_h5ad(tmp_path / "placed.h5ad")
    result = anndata.read_h5ad(out / "result.h5ad")
    np.testing.assert_allclose(placed.obsm["X_latent_2"], result.obsm["X_latent_2"], rtol=1e-5)


def test_cells_without_a_shared_gene_are_refused(finished, tmp_path):
    out, _ = finished
    cells(20, genes=[f"OTHER{g}" for g in range(5)]).write_h5ad(tmp_path / "new.h5ad")
    code, _, mistakes = said(
        "apply", out / "bundle", tmp_path / "new.h5ad", "--out", tmp_path / "placed.h5ad"
    )
    assert code == 1
    assert "Use data of the same species with the same kind of gene names" in mistakes
    assert not list(tmp_path.glob("*placed*"))


def test_few_shared_genes_and_another_spelling_are_refused_unless_told_otherwise(
    finished, tmp_path
):
    out, _ = finished
    genes = [f"GENE{g}" if g < 10 else f"Gene{g}" for g in range(N_GENES)]
    new = cells(20, genes=genes)
    # X is not where the counts lie: they are found by content.
    new.layers["ambiguous"] = (new.X > 1).astype(np.float32)
    new.layers["whole"] = new.X.copy()
    new.X = new.X.log1p()
    new.write_h5ad(tmp_path / "new.h5ad")
    command = "apply", out / "bundle", tmp_path / "new.h5ad", "--out", tmp_path / "placed.h5ad"
    code, _, mistakes = said(*command)
    assert code == 1 and "Only 33% of the 30 trained genes" in mistakes
    assert "if capitals did not matter" in mistakes and not (tmp_path / "placed.h5ad").exists()
    code, told, mistakes = said(*command, "--least-overlap", "0.3")
    assert code == 0, mistakes
    assert "X of the new file holds no raw counts; they were taken from layers/whole" in told


def test_a_killed_worker_goes_on_by_itself_with_the_same_losses(inputs, finished, tmp_path):
    folder = RunFolder(tmp_path / "killed")
    codes = []
    command = threading.Thread(
        target=lambda: codes.append(said(*arguments(inputs, folder.path, "--quiet")))
    )
    command.start()
    until(lambda: folder.last_step() > 40)
    os.kill(folder.status()["pid"], signal.SIGKILL)
    command.join()
    (code, _, mistakes), *_ = codes
    assert code == 0, mistakes
    assert "going on from its last checkpoint" in mistakes
    quiet, killed = RunReader(finished[0]).metrics(), RunReader(folder.path).metrics()
    assert folder.status()["attempt"] == 2
    np.testing.assert_array_equal(killed["step"], quiet["step"])
    np.testing.assert_array_equal(killed["total"], quiet["total"])


def test_a_ready_pipeline_without_data_runs_on_its_demo_data_and_names_the_types(tmp_path):
    out = tmp_path / "run"
    code, told, mistakes = said("run", "--preset", "annotation", "--out", out, "--steps", 4)
    assert code == 0, mistakes
    assert "Blood cells, half of them labelled" in told
    result = anndata.read_h5ad(out / "result.h5ad")
    hidden = (result.obs["known_type"] == "unknown").to_numpy()
    right = result.obs["cell_type_diffbio"].astype(str) == result.obs["bulk_labels"].astype(str)
    # Not trained yet, but fitted to the labelled half: 0.84 in the run that set this number.
    assert hidden.sum() == 350 and right[hidden].mean() > 0.8
