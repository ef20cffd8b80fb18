"""Other dials in an ended run, seen without training: the run itself stays as it was."""

import json
import os
import shutil
import signal
import sys
import threading
from contextlib import contextmanager

import jax.numpy as jnp
import numpy as np
import pytest

from diffbio_engine.bundles import load_bundle, place_cells
from diffbio_engine.data import read
from diffbio_engine.errors import RunError
from diffbio_engine.runs import EXIT_DONE, EXIT_ERROR, EXIT_TAKEN, RunFolder, RunReader
from diffbio_engine.runs.folder.preview_folder import PreviewFolder
from diffbio_engine.runs.folder.run_spec import RunSpec
from diffbio_engine.runs.queue.previews import Previews
from diffbio_engine.runs.worker.preview import preview
from diffbio_engine.runs.worker.train import work
from tests.command_line.small_run import cells, pipeline_document

SHARES = "obsm/cluster_diffbio_prob"
SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]


@contextmanager
def previewing(run, idle=60.0):
    """A preview at work in a thread; gone at the end, because the run is."""
    codes = []
    thread = threading.Thread(target=lambda: codes.append(preview(run.path, idle)))
    thread.start()
    hidden = run.run_file.with_name("hidden.json")
    try:
        yield codes
    finally:
        run.run_file.rename(hidden)
        thread.join(30)
        hidden.rename(run.run_file)


def contents(run):
    """Every file of the run but its previews."""
    files = [p for p in run.path.rglob("*") if p.is_file() and "preview" not in p.parts]
    return {p: p.read_bytes() for p in files if p.name != "hidden.json"}


def answer(folder, seq, wait_until):
    """What is said of a wish once it has been heard."""
    wait_until(lambda: folder.status().get("seq") == seq, 60)
    wait_until(lambda: folder.status().get("state") != "drawing", 10)
    return folder.status()


def shares_of(run, temperature):
    """The shares of the training cells by the bundle, with its temperature turned."""
    bundle = load_bundle(run.bundle)
    dial = bundle.pipeline.blocks["cluster"].dials["temperature"]
    dial[...] = jnp.asarray(temperature, dial[...].dtype)
    return place_cells(bundle, read(run.run["dataset"]["path"])).arrays[SHARES]


def test_a_turned_dial_is_drawn_with_fixed_weights_and_the_run_stays_as_it_was(trained, wait_until):
    before, folder = contents(trained), PreviewFolder(trained)
    folder.ask({"cluster.temperature": 0.01})
    newest = folder.ask({})  # of several wishes only the newest is drawn
    with previewing(trained):
        said = answer(folder, newest, wait_until)
        shown, drawn = RunReader(trained.path).snapshot(), folder.drawn(newest)
        assert said["step"] == shown.step == 10 and not said["moved"] and not said["error"]
        assert drawn.maps == shown.maps == {} and drawn.n == 120  # it draws no map: none is made up
        np.testing.assert_allclose(drawn.certainty, shown.certainty, atol=1e-5)
        np.testing.assert_array_equal(drawn.labels, shown.labels)
        assert folder.drawn(newest - 1) is None

        warm = folder.ask({"cluster.temperature": 8.0})
        said = answer(folder, warm, wait_until)
        expected = shares_of(trained, 8.0).max(axis=1)
        assert said["moved"] and said["dials"] == {"cluster.temperature": 8.0}
        np.testing.assert_allclose(folder.drawn(warm).certainty, expected, atol=1e-5)
        assert expected.mean() < shown.certainty.mean() - 0.1

        wrong = folder.ask({"learning_rate": 0.1})
        assert "acts only while a run trains" in answer(folder, wrong, wait_until)["error"]["what"]
        wrong = folder.ask({"cluster.temperature": -1.0})
        assert answer(folder, wrong, wait_until)["error"]["kind"] == "SettingError"

        back = folder.ask({})
        assert not answer(folder, back, wait_until)["moved"]
        again = folder.drawn(back).certainty
        np.testing.assert_array_equal(again, drawn.certainty)
        assert preview(trained.path) == EXIT_TAKEN  # one is enough
    assert contents(trained) == before and trained.state() == "done"
    assert not folder.is_at_work() and folder.drawn(back) is None


def test_a_run_without_a_bundle_is_previewed_from_its_last_checkpoint(
    trained, tmp_path, wait_until
):
    run = RunFolder(shutil.copytree(trained.path, tmp_path / "run"))
    shutil.rmtree(run.bundle)
    folder = PreviewFolder(run)
    seq = folder.ask({})
    with previewing(run):
        assert answer(folder, seq, wait_until)["step"] == 10
        shown = RunReader(run.path).snapshot()
        np.testing.assert_allclose(folder.drawn(seq).certainty, shown.certainty, atol=1e-5)


def test_cells_that_were_placed_by_a_trained_pipeline_are_previewed_too(
    trained, tmp_path, wait_until
):
    cells(n=90, seed=5)[:, ::-1].copy().write_h5ad(tmp_path / "new.h5ad")
    dataset = {"path": str(tmp_path / "new.h5ad"), "name": "new.h5ad", "fields": {}}
    spec = RunSpec(pipeline_document(), dataset, bundle=str(trained.bundle))
    run = RunFolder.create(tmp_path / "run", spec.to_json())
    assert work(run.path) == EXIT_DONE
    folder = PreviewFolder(run)
    seq = folder.ask({})
    with previewing(run):
        assert not answer(folder, seq, wait_until)["error"]
        shown = RunReader(run.path).snapshot()
        sure = shown.certainty
        np.testing.assert_allclose(folder.drawn(seq).certainty, sure, atol=1e-6)
        seq = folder.ask({"cluster.temperature": 8.0})
        assert answer(folder, seq, wait_until)["moved"]
        assert folder.drawn(seq).certainty.mean() < sure.mean() - 0.1


def test_cells_that_are_not_those_of_the_run_are_refused_in_words(trained, tmp_path):
    run = RunFolder(shutil.copytree(trained.path, tmp_path / "run"))
    cells(genes=[f"OTHER{g}" for g in range(30)]).write_h5ad(tmp_path / "other.h5ad")
    said = json.loads(run.run_file.read_text())
    said["dataset"]["path"] = str(tmp_path / "other.h5ad")
    run.run_file.write_text(json.dumps(said))
    folder = PreviewFolder(run)
    seq = folder.ask({"cluster.temperature": 0.5})
    assert preview(run.path) == EXIT_ERROR
    status = folder.status()
    assert status["seq"] == seq and status["state"] == "failed"
    assert "not as it was when it was trained: it has other genes" in status["error"]["what"]


def test_a_killed_preview_harms_nothing_and_the_next_turn_begins_another(trained, wait_until):
    before, previews = contents(trained), Previews({})
    folder = PreviewFolder(trained)
    try:
        previews.ask(trained, {"cluster.temperature": 3.0}, by="tab")
        wait_until(lambda: folder.is_at_work() and folder.lock_file.read_text(), 60)
        os.kill(int(folder.lock_file.read_text()), signal.SIGKILL)
        wait_until(lambda: not previews.is_at_work(trained))
        assert contents(trained) == before and trained.state() == "done"
        seq = previews.ask(trained, {"cluster.temperature": 2.0}, by="tab")
        assert answer(folder, seq, wait_until)["moved"]
        previews.end(trained, by="another tab")
        assert previews.is_at_work(trained)
        previews.end(trained, by="tab")
        wait_until(lambda: not previews.is_at_work(trained))
        wait_until(lambda: folder.drawn(seq) is None)
    finally:
        previews.close()


def test_few_are_at_work_at_once_and_a_run_that_trains_has_none(tmp_path):
    runs = [RunFolder.create(tmp_path / name, {}) for name in ("one", "two", "live")]
    for run in runs[:2]:
        run.status_file.write_text('{"state": "done"}')
    previews = Previews({}, SLEEPER, most=1)
    try:
        assert previews.ask(runs[0], {"k.temperature": 1.0}) == 1
        assert previews.ask(runs[0], {"k.temperature": 2.0}) == 2
        with pytest.raises(RunError, match=r"1 previews are at work.*in a minute"):
            previews.ask(runs[1], {})
        with pytest.raises(RunError, match="at work"):
            previews.ask(runs[2], {})
    finally:
        previews.close()
    assert not previews.is_at_work(runs[0])


def test_one_person_does_not_keep_the_previews_of_a_server_from_another(tmp_path):
    runs = [RunFolder.create(tmp_path / f"{i}", {"owner": "eve"}) for i in range(3)]
    hers = RunFolder.create(tmp_path / "hers", {"owner": "ada"})
    for run in (*runs, hers):
        run.status_file.write_text('{"state": "done"}')
    previews = Previews({}, SLEEPER, most=3)
    try:
        for run in runs:
            previews.ask(run, {})
        previews.ask(hers, {})  # eve's first one gives its place, though she turns its dial
        assert [previews.is_at_work(run) for run in (*runs, hers)] == [False, True, True, True]
        with pytest.raises(RunError, match="3 previews are at work"):
            previews.ask(runs[0], {})
    finally:
        previews.close()


def test_a_preview_ends_by_itself_when_nobody_turns_any_more(trained):
    assert preview(trained.path, idle_seconds=0.0) == EXIT_DONE
