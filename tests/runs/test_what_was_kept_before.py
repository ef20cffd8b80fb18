"""What earlier versions wrote still opens: documents, bundles, run folders, workspaces.

``references/written_by/<year-month>`` holds what the version of that month wrote (``make_kept.py``
there): never made again, only added to. Paths in it are those of the folder where it was written.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from diffbio_engine.bundles import load_bundle, place_cells
from diffbio_engine.data import read
from diffbio_engine.declare import Kind
from diffbio_engine.pipelines import PipelineSpec, plan
from diffbio_engine.runs import EXIT_DONE, Engine, RunFolder, RunReader
from diffbio_engine.runs.worker.train import work
from diffbio_engine.workspace import Store
from tests.pipelines.test_presets import offered

KEPT = sorted((Path(__file__).parents[1] / "references/written_by").glob("[0-9]*"))
WRITTEN_IN, OWNER = "/tmp/kept-diffbio", "local"
each_version = pytest.mark.parametrize("version", KEPT, ids=[path.name for path in KEPT])
AS_SAMPLES = {"rows": "samples", "orientation": "cells in rows"}


def copy_of(version: Path, tmp_path: Path) -> Path:
    """The workspace of a version, where its paths are those of this copy."""
    data_dir = tmp_path / "data_dir"
    shutil.copytree(version / "data_dir", data_dir)
    for file in (*data_dir.glob("runs/*/run.json"), *data_dir.glob("**/dataset.json")):
        file.write_text(file.read_text().replace(WRITTEN_IN, str(data_dir)))
    return data_dir


def runs_of(data_dir: Path) -> dict[str, Path]:
    """The folders of runs by what they are called."""
    folders = (data_dir / "runs").iterdir()
    return {json.loads((f / "run.json").read_text())["title"]: f for f in folders}


@each_version
def test_documents_of_ready_pipelines_can_still_be_planned(version):
    for name, document in json.loads((version / "presets.json").read_text()).items():
        spec = PipelineSpec.from_json(document)
        planned = plan(spec, offered({w.start.port for w in spec.wires if w.from_data}))
        assert set(planned.blocks) == {b["id"] for b in document["blocks"]}, name


@each_version
def test_the_workspace_opens_with_its_data_pipelines_and_runs(version, tmp_path):
    data_dir = copy_of(version, tmp_path)
    store = Store(data_dir)
    datasets = {d.name: d for d in store.datasets(OWNER)}
    assert set(datasets) == {"cells.h5ad", "samples.csv"}
    assert read(datasets["cells.h5ad"].path).n_cells == 48
    assert read(datasets["samples.csv"].path, **AS_SAMPLES).rows == "samples"
    (entry,) = store.pipelines(OWNER)
    assert (entry.name, entry.n_versions) == ("Of cells", 2)
    fields = offered(["counts", "batch_labels"])
    for number in store.pipeline_versions(OWNER, "Of cells"):
        planned = plan(
            PipelineSpec.from_json(store.load_pipeline(OWNER, "Of cells", number)), fields
        )
        assert {"vae", "cluster", "umap"} <= set(planned.blocks)
    assert store.pipeline_history(OWNER, "Of cells")[0].change == "Add Harmony"
    engine = Engine(data_dir, command=["false"])
    try:
        told = {run.title: (run.state, run.step, run.dataset) for run in engine.runs(OWNER)}
    finally:
        engine.close()
    assert told == {"Stopped": ("stopped", 12, "cells.h5ad"), "Samples": ("done", 8, "samples.csv")}


@each_version
def test_maps_losses_and_findings_of_its_runs_are_read(version):
    for title, n in (("Stopped", 48), ("Samples", 8)):
        reader = RunReader(runs_of(version / "data_dir")[title])
        losses = reader.metrics()
        assert np.isfinite(losses["total"]).all() and "vae.reconstruction_loss" in losses
        snapshot = reader.snapshot()
        assert snapshot.step == losses["step"][-1]
        assert snapshot.map.shape == (n, 2) and np.ptp(snapshot.map) > 0
        assert "cluster.cluster_assignments" in snapshot.likeliest
        assert snapshot.main == "umap.embedding" and list(snapshot.maps) == [snapshot.main]
        assert snapshot.classes.endswith(".cluster_assignments")
        assert snapshot.labels.shape == snapshot.certainty.shape == (n,)
        findings = reader.findings()
        assert findings.kinds["umap.embedding"] == Kind.MAP
        shares = next(f for f in findings.found if f.kind == Kind.SHARES)
        assert len(findings.along(shares, "clusters")) == shares.values.shape[1]
        genes = next(f for f in findings.found if "genes" in f.axes)
        assert findings.along(genes, "genes")[0] == "GENE0"
        steps = reader.snapshot_steps()
        assert len(steps) > 1 and reader.snapshot(steps[0]).step == steps[0]


@each_version
@pytest.mark.parametrize(
    "title, file, how",
    [
        ("Stopped", "new_cells.csv", {"orientation": "cells in rows"}),
        ("Samples", "new_samples.csv", AS_SAMPLES),
    ],
)
def test_its_bundles_give_new_data_the_numbers_they_gave_then(version, title, file, how):
    bundle = load_bundle(runs_of(version / "data_dir")[title] / "bundle")
    placed = place_cells(bundle, read(version / file, **how)).arrays
    with np.load(version / "golden.npz") as golden:
        places = [name.partition(":")[2] for name in golden if name.startswith(file)]
        assert places and set(places) <= set(placed)
        for place in places:
            known = golden[f"{file}:{place}"]
            np.testing.assert_allclose(
                np.asarray(placed[place]), known, rtol=1e-3, atol=1e-4, err_msg=place
            )


@each_version
def test_its_stopped_run_goes_on_from_its_checkpoint_as_it_would_have_then(version, tmp_path):
    folder = RunFolder(runs_of(copy_of(version, tmp_path))["Stopped"])
    folder.request("run")
    assert work(folder.path) == EXIT_DONE, folder.status()
    assert folder.state() == "done" and folder.result.exists()
    losses = RunReader(folder.path).metrics()
    np.testing.assert_array_equal(losses["step"], np.arange(1, 21))
    with np.load(version / "golden.npz") as golden:
        np.testing.assert_allclose(losses["total"], golden["resumed"], rtol=1e-3)
