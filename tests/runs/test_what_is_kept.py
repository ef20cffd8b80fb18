"""The weights that a run keeps are those of its map, its result and its bundle, and it says so."""

import anndata as ad
import numpy as np
import pytest

from diffbio_engine.bundles import load_bundle, result_arrays
from diffbio_engine.pipelines import values_of_cells
from diffbio_engine.runs import EXIT_DONE, RunFolder, RunReader
from diffbio_engine.runs.folder.durable_files import read_json
from diffbio_engine.runs.folder.run_spec import RunSpec
from diffbio_engine.runs.folder.snapshots import load_snapshot
from diffbio_engine.runs.worker.open_run import open_run
from diffbio_engine.runs.worker.train import work
from tests.command_line.small_run import pipeline_document, run_of, write_inputs


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_map_result_and_bundle_are_of_the_step_that_explained_held_out_cells_best(tmp_path):
    write_inputs(tmp_path)
    # At a rate at which training only makes it worse.
    stage = {"name": "joint", "steps": 20, "held_out": 0.25, "refresh_every": 4}
    training = {"stages": [stage], "batch_size": 32, "learning_rate": 0.05}
    run = run_of(tmp_path, pipeline=pipeline_document(training=training), steps=0)
    folder = RunFolder.create(tmp_path / "run", run)
    assert work(folder.path) == EXIT_DONE, folder.status()
    assert read_json(folder.bundle / "training.json")["weights_of_step"] == {"vae": 0}
    (told,) = [e for e in RunReader(folder.path).poll().events if e["kind"] == "results"]
    assert any("Kept is the start, before any step" in note for note in told["notes"])

    opened = open_run(RunSpec.from_json(folder.run))
    opened.training.prepare()
    start = result_arrays(opened.training.settle(), opened.cells).arrays
    result, bundle = ad.read_h5ad(folder.result), load_bundle(folder.bundle).pipeline
    placed = result_arrays(bundle, opened.cells).arrays
    np.testing.assert_allclose(
        result.obsm["X_latent"], start["obsm/X_latent"], rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(
        placed["obsm/X_latent"], start["obsm/X_latent"], rtol=1e-4, atol=1e-5
    )
    drawn = load_snapshot(folder.snapshots)
    assert drawn.step == 20
    found = values_of_cells(bundle, opened.cells, ("cluster.cluster_assignments",))
    likeliest = found["cluster.cluster_assignments"].argmax(axis=1)
    np.testing.assert_array_equal(drawn.labels, likeliest)
