"""A run that applies what another has learned: the same numbers as the command line's `apply`."""

import shutil
import subprocess
import sys

import anndata
import numpy as np
import pytest

from diffbio_engine.bundles import load_bundle, place_cells
from diffbio_engine.data import read
from diffbio_engine.runs import EXIT_DONE, EXIT_ERROR, RunFolder, RunReader
from diffbio_engine.runs.folder.run_spec import RunSpec
from diffbio_engine.runs.worker.train import work
from tests.command_line.small_run import N_GENES, cells, pipeline_document

PLACED = "obsm/cluster_diffbio_prob"


def applied(trained, data, path):
    """A run folder in which that run's bundle is to be applied to a file."""
    dataset = {"path": str(data), "name": data.name, "fields": {}}
    run = RunSpec(pipeline_document(), dataset, bundle=str(trained.bundle)).to_json()
    return RunFolder.create(path, run)


@pytest.fixture
def new_cells(tmp_path):
    """Other cells of which a tenth of the genes were not measured, in another order."""
    adata = cells(n=90, seed=5)[:, ::-1][:, : N_GENES - 3].copy()
    adata.write_h5ad(tmp_path / "new.h5ad")
    return tmp_path / "new.h5ad"


def test_new_cells_are_placed_as_the_command_line_places_them(trained, new_cells, tmp_path):
    folder = applied(trained, new_cells, tmp_path / "run")
    assert work(folder.path) == EXIT_DONE
    assert folder.state() == "done"
    expected = place_cells(load_bundle(trained.bundle), read(new_cells))
    written = anndata.read_h5ad(folder.result)
    shares = np.asarray(written.obsm["cluster_diffbio_prob"])
    assert np.array_equal(shares, expected.arrays[PLACED])
    assert len(written) == 90
    # What to know of the result stands where the page shows what the run says.
    assert folder.status()["message"].startswith(expected.sentence)
    assert "90% of 30 genes found (27)" in expected.sentence
    # The page draws the same shares, and lists them by group of cells.
    snapshot = RunReader(folder.path).snapshot()
    assert np.array_equal(snapshot.labels, shares.argmax(axis=1))
    findings = RunReader(folder.path).findings()
    found = [f.port for f in findings.found if ".marker_" not in f.port]
    assert found == ["cluster.cluster_assignments"]
    assert written.uns["rank_genes_groups"]["params"]["groupby"] == "cluster_diffbio"
    assert np.allclose(findings.found[0].values[0], shares.mean(axis=0), atol=1e-6)


def test_what_was_applied_can_be_applied_again_though_the_first_run_is_gone(
    trained, new_cells, tmp_path
):
    first = RunFolder(tmp_path / "trained")
    shutil.copytree(trained.path, first.path)
    once = applied(first, new_cells, tmp_path / "once")
    assert work(once.path) == EXIT_DONE
    shutil.rmtree(first.path)
    again = applied(once, new_cells, tmp_path / "again")
    assert work(again.path) == EXIT_DONE
    one, two = (anndata.read_h5ad(f.result).obsm["cluster_diffbio_prob"] for f in (once, again))
    assert np.array_equal(np.asarray(one), np.asarray(two))


def test_a_bundle_that_is_gone_and_cells_of_another_species_are_said(trained, new_cells, tmp_path):
    gone = applied(RunFolder(tmp_path / "nothing"), new_cells, tmp_path / "gone")
    assert work(gone.path) == EXIT_ERROR
    assert "trained pipeline cannot be copied" in gone.status()["error"]["what"]
    assert not gone.bundle.exists() and not gone.bundle.with_name("bundle.part").exists()
    cells(genes=[f"gene{g}" for g in range(40)]).write_h5ad(tmp_path / "other.h5ad")
    other = applied(trained, tmp_path / "other.h5ad", tmp_path / "other")
    assert work(other.path) == EXIT_ERROR
    assert "share no genes" in other.status()["error"]["what"]
    assert not other.result.exists()


def test_one_that_is_stopped_leaves_no_result(trained, new_cells, tmp_path):
    folder = applied(trained, new_cells, tmp_path / "run")
    folder.request("stop")
    assert work(folder.path) == EXIT_DONE
    assert folder.state() == "stopped"
    assert not folder.result.exists()


def test_one_that_was_killed_is_done_anew(trained, new_cells, tmp_path):
    folder = applied(trained, new_cells, tmp_path / "run")
    worker = subprocess.Popen([sys.executable, "-m", "diffbio_engine", "work", str(folder.path)])
    while worker.poll() is None and not folder.bundle.exists():
        pass
    worker.kill()
    worker.wait()
    assert not folder.result.exists()
    assert work(folder.path) == EXIT_DONE
    assert len(anndata.read_h5ad(folder.result)) == 90
