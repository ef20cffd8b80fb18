"""The worker that trains: it obeys, saves, leaves when asked, and fails in words."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from diffbio_engine.runs import (
    EXIT_DONE,
    EXIT_ERROR,
    EXIT_NOT_FINITE,
    EXIT_PAUSED,
    EXIT_START_AGAIN,
    EXIT_TAKEN,
    RunFolder,
    RunReader,
)
from diffbio_engine.runs.worker.train import work
from diffbio_engine.training import TrainingState
from tests.command_line.small_run import run_of, until, write_inputs
from tests.command_line.small_run import said as command

LONG = 100_000


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    write_inputs(folder)
    return folder


def events(folder, kind):
    return [e for e in RunReader(folder.path).poll().events if e["kind"] == kind]


def checkpoints(folder):
    return sorted(folder.checkpoints.glob("[0-9]*.safetensors"))


@pytest.fixture(scope="module")
def process(inputs, tmp_path_factory):
    """A real worker that has taken five steps and is paused."""
    path = tmp_path_factory.mktemp("runs") / "long"
    folder = RunFolder.create(path, run_of(inputs, steps=LONG))
    folder.request("step", steps=5)
    with (path / "worker.log").open("wb") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "diffbio_engine", "work", str(path)], stdout=log, stderr=log
        )
    until(lambda: folder.state() == "paused" or worker.poll() is not None)
    yield folder, worker
    worker.kill()
    worker.wait()


# These follow one worker through its life; each leaves it paused.


def test_steps_asked_before_it_looked_are_taken_and_then_it_waits_with_a_checkpoint(process):
    folder, _ = process
    assert folder.state() == "paused", folder.log.read_text()
    assert folder.status()["step"] == 5
    assert checkpoints(folder)[-1].stem == f"{5:09d}"


def test_a_dial_turned_while_it_is_paused_shows_in_a_new_snapshot(process):
    folder, _ = process
    reader = RunReader(folder.path)
    reader.poll()
    before = reader.snapshot().certainty
    folder.request(dials={"cluster.temperature": 0.05})
    until(lambda: reader.poll().snapshot is not None)
    after = reader.snapshot().certainty
    assert folder.status()["step"] == 5
    # Low is sharp: shares of the same cells come nearer to one.
    assert after.mean() > before.mean() + 0.01


def test_a_dial_turned_while_it_runs_acts_from_its_step_on_and_compiles_nothing(process):
    folder, _ = process
    folder.request("run")
    until(lambda: folder.last_step() > 30)
    folder.request(dials={"learning_rate": 0.0})
    until(lambda: len(events(folder, "dial")) == 2)
    turned = events(folder, "dial")[-1]
    until(lambda: folder.last_step() > turned["step"] + 20)
    folder.request("pause")
    until(lambda: folder.state() == "paused")
    assert (turned["name"], turned["value"]) == ("learning_rate", 0.0)
    assert len(events(folder, "compiled")) == 1
    before = checkpoints(folder)[-1]
    still = TrainingState.load(before).arrays
    folder.request("step", steps=3)
    until(lambda: checkpoints(folder)[-1] != before)
    later = TrainingState.load(checkpoints(folder)[-1]).arrays
    weights = [name for name in still if name.startswith("blocks/vae/")]
    assert weights
    for name in weights:
        np.testing.assert_array_equal(later[name], still[name])


def test_a_second_worker_is_refused(process):
    folder, _ = process
    assert work(folder.path) == EXIT_TAKEN
    assert folder.state() == "paused"


def test_a_worker_asked_to_leave_saves_and_wants_to_be_started_again(process):
    folder, worker = process
    folder.request("run")
    step = folder.last_step()
    until(lambda: folder.last_step() > step + 10)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=120) == EXIT_START_AGAIN
    assert checkpoints(folder)[-1].stem == f"{folder.last_step():09d}"
    assert folder.state() == "lost"


# In this process: the same worker, without four seconds of imports each.


def stopped_after(folder, step):
    """Works here until that step, as if somebody had pressed Stop."""
    press = threading.Thread(
        target=lambda: (until(lambda: folder.last_step() > step), folder.request("stop"))
    )
    press.start()
    code = work(folder.path)
    press.join()
    return code


def test_a_stopped_run_leaves_its_results_and_goes_on_where_it_was(inputs, tmp_path):
    folder = RunFolder.create(tmp_path / "run", run_of(inputs, steps=500))
    assert stopped_after(folder, 3) == EXIT_DONE
    assert folder.state() == "stopped"
    assert 3 < folder.status()["step"] < 500
    assert folder.result.exists() and (folder.bundle / "manifest.json").exists()
    folder.request("run")
    assert work(folder.path) == EXIT_DONE
    assert folder.state() == "done"
    np.testing.assert_array_equal(RunReader(folder.path).metrics()["step"], np.arange(1, 501))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_numbers_that_explode_are_said_with_their_place_and_the_last_good_state_stays(
    inputs, tmp_path
):
    folder = RunFolder.create(tmp_path / "run", run_of(inputs, steps=50))
    folder.request(dials={"learning_rate": 1e30})
    assert work(folder.path) == EXIT_NOT_FINITE
    error = folder.error()
    assert error["kind"] == "TrainingError"
    assert error["where"].split(".")[0] in ("vae", "cluster"), error
    assert "became infinite or undefined at step" in error["what"]
    assert "Lower the learning rate" in error["fix"]
    saved = TrainingState.load(checkpoints(folder)[-1])
    for array in saved.arrays.values():
        assert np.isfinite(array).all()
    # Its results as of that checkpoint, though the dial that broke it is still turned.
    code, said, _ = command("results", folder.path)
    assert code == EXIT_DONE
    assert said.startswith("Results as of step 0 of 50, from the last checkpoint. Before, the run")
    assert folder.result.exists() and folder.control()["want"] == "run"
    told = json.loads((folder.bundle / "training.json").read_text())
    assert told["as_of"] == "as of step 0 of 50, from the last checkpoint"
    # Turned back, it goes on.
    folder.request(dials={"learning_rate": 1e-3})
    assert work(folder.path) == EXIT_DONE
    assert folder.state() == "done"


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 4 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    if (
        os.geteuid()
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)], capture_output=True
        ).returncode
    ):
        pytest.skip("a small disk can only be mounted by root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_is_said_and_the_run_goes_on_once_there_is_room(inputs, small_disk):
    folder = RunFolder.create(small_disk / "run", run_of(inputs, steps=500))
    assert stopped_after(folder, 3) == EXIT_DONE
    saved = TrainingState.load(checkpoints(folder)[-1]).facts["step"]
    folder.request("run")
    with (small_disk / "ballast").open("wb") as ballast:
        ballast.write(bytes(shutil.disk_usage(small_disk).free - 60_000))
    assert work(folder.path) == EXIT_ERROR
    error = folder.error()
    assert error["kind"] == "RunError", error
    assert "disk" in f"{error['what']} {error['fix']}"
    assert TrainingState.load(checkpoints(folder)[-1]).facts["step"] >= saved
    (small_disk / "ballast").unlink()
    assert work(folder.path) == EXIT_DONE
    assert folder.state() == "done"
    np.testing.assert_array_equal(RunReader(folder.path).metrics()["step"], np.arange(1, 501))


def test_a_run_that_gave_its_memory_back_ends_bit_for_bit_as_one_that_was_never_paused(
    inputs, tmp_path, monkeypatch
):
    monkeypatch.setenv("PAUSED_MINUTES", "0.0001")
    ends = []
    for name, pauses in (("straight", ()), ("paused", (7, 4))):
        folder = RunFolder.create(tmp_path / name, run_of(inputs, steps=20))
        for steps in pauses:
            folder.request("step", steps=steps)
            assert work(folder.path) == EXIT_PAUSED
            assert folder.state() == "paused"
        assert "Resume starts it again" in folder.status().get("message", "") or not pauses
        folder.request("run")
        assert work(folder.path) == EXIT_DONE
        ends.append(TrainingState.load(checkpoints(folder)[-1]).arrays)
    for array, same in zip(*(end.values() for end in ends), strict=True):
        np.testing.assert_array_equal(array, same)
