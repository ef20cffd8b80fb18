"""Runs start, listen, survive and end; with real processes."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from diffbio_engine.errors import RunError, UnknownNameError
from diffbio_engine.runs import EXIT_TAKEN, RunReader, RunWriter
from diffbio_engine.runs.queue.launchers import changed_environment

LONG = {"steps": 100_000}


def state_is(engine, run_id, *states, owner="ada"):
    return lambda: engine.summary(run_id, owner).state in states


def steps_of(folder):
    return RunReader(folder.path).metrics()["step"]


def test_a_run_goes_from_queue_to_done_and_leaves_its_history(make_engine, wait_until):
    engine = make_engine()
    run_id = engine.start({"title": "First", "steps": 60, "dataset": {"name": "x.h5ad"}}, "ada")
    wait_until(state_is(engine, run_id, "done"))
    reader = RunReader(engine.folder(run_id, "ada").path)
    history = reader.metrics()
    np.testing.assert_array_equal(history["step"], np.arange(1, 61))
    np.testing.assert_allclose(history["total"], 1 / np.arange(1, 61))
    kinds = [event["kind"] for event in reader.poll().events]
    assert kinds == ["started", "checkpoint", "checkpoint", "checkpoint", "finished"]
    assert reader.snapshot().step == 60
    np.testing.assert_array_equal(reader.snapshot().labels, np.arange(4))
    (line,) = engine.runs("ada")
    assert (line.title, line.step, line.total_steps, line.dataset) == ("First", 60, 60, "x.h5ad")
    with pytest.raises(RunError, match="finished"):
        engine.resume(run_id, "ada")


def test_a_dial_turned_while_it_runs_is_answered_and_kept(make_engine, wait_until):
    engine = make_engine()
    run_id = engine.start(LONG, "ada")
    wait_until(state_is(engine, run_id, "running"))
    engine.turn(run_id, "ada", {"temperature": 0.25})
    folder = engine.folder(run_id, "ada")
    wait_until(lambda: folder.status().get("seq") == 1)
    dial = next(e for e in RunReader(folder.path).poll().events if e["kind"] == "dial")
    assert (dial["value"], dial["seq"]) == (0.25, 1)
    wait_until(lambda: folder.last_step() > dial["step"] + 2)
    history = RunReader(folder.path).metrics()
    np.testing.assert_allclose(history["total"][-1] * history["step"][-1], 0.25)


def test_pause_step_and_resume_count_every_step(make_engine, wait_until):
    engine = make_engine()
    run_id = engine.start(LONG, "ada")
    wait_until(state_is(engine, run_id, "running"))
    engine.pause(run_id, "ada")
    wait_until(state_is(engine, run_id, "paused"))
    folder = engine.folder(run_id, "ada")
    paused_at = steps_of(folder)[-1]
    # Two clicks before the worker has looked are four steps, not two.
    engine.step(run_id, "ada", 2)
    engine.step(run_id, "ada", 2)
    wait_until(lambda: steps_of(folder)[-1] == paused_at + 4)
    time.sleep(0.1)
    assert steps_of(folder)[-1] == paused_at + 4
    engine.resume(run_id, "ada")
    wait_until(lambda: steps_of(folder)[-1] > paused_at + 6)


def test_a_stopped_run_resumes_where_it_was(make_engine, wait_until):
    engine = make_engine()
    run_id = engine.start(LONG, "ada")
    wait_until(state_is(engine, run_id, "running"))
    engine.stop(run_id, "ada")
    wait_until(state_is(engine, run_id, "stopped"))
    folder = engine.folder(run_id, "ada")
    stopped_at = steps_of(folder)[-1]
    engine.resume(run_id, "ada")
    wait_until(lambda: steps_of(folder)[-1] > stopped_at)
    history = steps_of(folder)
    np.testing.assert_array_equal(history, np.arange(1, len(history) + 1))


def test_a_killed_worker_is_started_again_and_the_history_has_no_gap(make_engine, wait_until):
    engine = make_engine()
    run_id = engine.start({"steps": 300}, "ada")
    folder = engine.folder(run_id, "ada")
    wait_until(lambda: folder.last_step() > 50)
    os.kill(folder.status()["pid"], signal.SIGKILL)
    wait_until(state_is(engine, run_id, "done"))
    reader = RunReader(folder.path)
    history = reader.metrics()
    np.testing.assert_array_equal(history["step"], np.arange(1, 301))
    np.testing.assert_allclose(history["total"], 1 / np.arange(1, 301))
    (resumed,) = [e for e in reader.poll().events if e["kind"] == "resumed"]
    assert resumed["attempt"] == 2 and resumed["step"] >= 40


def test_a_run_that_dies_at_the_same_step_again_and_again_fails_in_words(make_engine, wait_until):
    engine = make_engine()
    run_id = engine.start({"steps": 300, "die_at": 7}, "ada")
    wait_until(state_is(engine, run_id, "failed"))
    # Reaching step 7 was progress once; three more tries were not.
    assert engine.folder(run_id, "ada").status()["attempt"] == 4
    error = engine.summary(run_id, "ada").error
    assert "killed 3 times without getting past step 7" in error["what"]


def test_a_worker_that_cannot_begin_fails_at_once_with_its_last_words(make_engine, wait_until):
    engine = make_engine()
    run_id = engine.start({"steps": 1, "exit_at_start": 1}, "ada")
    wait_until(state_is(engine, run_id, "failed"))
    assert "the fake worker fell over" in engine.folder(run_id, "ada").error()["what"]
    assert engine.folder(run_id, "ada").launch()["starts"] == 1


def test_a_command_that_is_not_there_fails_in_words(make_engine, wait_until):
    engine = make_engine(command=["/no/such/worker"])
    run_id = engine.start(LONG, "ada")
    wait_until(state_is(engine, run_id, "failed"))
    assert "No worker could be started" in engine.summary(run_id, "ada").error["what"]


def test_an_error_of_training_reaches_the_person_with_its_block(make_engine, wait_until):
    engine = make_engine()
    run_id = engine.start({"steps": 100, "fail_at": 5}, "ada")
    wait_until(state_is(engine, run_id, "failed"))
    assert engine.summary(run_id, "ada").error["where"] == "normalize.loss"
    assert engine.summary(run_id, "ada").error["kind"] == "TrainingError"


def test_a_preempted_worker_saves_and_is_started_again(make_engine, wait_until):
    engine = make_engine()
    run_id = engine.start({"steps": 400}, "ada")
    folder = engine.folder(run_id, "ada")
    wait_until(lambda: folder.last_step() > 30)
    os.kill(folder.status()["pid"], signal.SIGTERM)
    wait_until(state_is(engine, run_id, "done"))
    assert folder.status()["attempt"] == 2
    np.testing.assert_array_equal(steps_of(folder), np.arange(1, 401))


def test_a_second_worker_on_a_folder_is_refused(make_engine, wait_until, fake_worker):
    engine = make_engine()
    run_id = engine.start(LONG, "ada")
    wait_until(state_is(engine, run_id, "running"))
    folder = engine.folder(run_id, "ada")
    with pytest.raises(RunError, match="Another worker"), RunWriter(folder.path):
        pass
    second = subprocess.run([*fake_worker, str(folder.path)], capture_output=True)
    assert second.returncode == EXIT_TAKEN
    assert folder.state() == "running" and folder.status()["attempt"] == 1


def test_a_run_outlives_its_server_and_is_found_again_by_the_next(
    make_engine, wait_until, tmp_path, fake_worker
):
    server = (
        "import sys, os, time; from diffbio_engine.runs import Engine\n"
        "engine = Engine(sys.argv[1], 1, sys.argv[2:])\n"
        "print(engine.start({'steps': 100000}, 'ada'), flush=True)\n"
        "time.sleep(100)\n"
    )
    command = [sys.executable, "-c", server, str(tmp_path), *fake_worker]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    run_id = child.stdout.readline().strip()
    bystander = make_engine(max_running=1)
    folder = bystander.folder(run_id, "ada")
    wait_until(lambda: folder.state() == "running")
    child.kill()
    child.wait()
    pid, step = folder.status()["pid"], folder.last_step()
    # The bystander takes over, starts nothing twice, and sees the death of what is not its child.
    other = bystander.start({"steps": 5}, "ada")
    wait_until(lambda: folder.last_step() > step)
    assert bystander.summary(other, "ada").position == 1
    assert folder.status()["pid"] == pid
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: folder.status()["attempt"] == 2)
    bystander.stop(run_id, "ada")
    wait_until(state_is(bystander, other, "done"))
    assert folder.state() == "stopped"


def test_a_worker_deaf_to_stop_is_killed(make_engine, wait_until, monkeypatch):
    monkeypatch.setattr("diffbio_engine.runs.queue.engine._SECONDS_TO_END", 0.3)
    engine = make_engine()
    run_id = engine.start({**LONG, "deaf": True}, "ada")
    wait_until(state_is(engine, run_id, "running"))
    engine.stop(run_id, "ada", at_once=True)
    wait_until(state_is(engine, run_id, "stopped"))


def test_a_deleted_run_ends_and_lies_in_the_trash(make_engine, wait_until, tmp_path):
    engine = make_engine()
    run_id = engine.start(LONG, "ada")
    wait_until(state_is(engine, run_id, "running"))
    pid = engine.folder(run_id, "ada").status()["pid"]
    engine.delete(run_id, "ada")
    assert engine.runs("ada") == [] and (tmp_path / "trash" / run_id / "run.json").exists()
    assert not os.path.exists(f"/proc/{pid}")
    with pytest.raises(UnknownNameError):
        engine.folder(run_id, "ada")


def test_nobody_reaches_the_run_of_another(make_engine):
    engine = make_engine(command=["/bin/false"])
    run_id = engine.start(LONG, "ada")
    assert engine.runs("bob") == []
    asks = [
        lambda: engine.folder(run_id, "bob"),
        lambda: engine.summary(run_id, "bob"),
        lambda: engine.pause(run_id, "bob"),
        lambda: engine.resume(run_id, "bob"),
        lambda: engine.step(run_id, "bob"),
        lambda: engine.stop(run_id, "bob"),
        lambda: engine.turn(run_id, "bob", {"temperature": 1.0}),
        lambda: engine.delete(run_id, "bob"),
        lambda: engine.folder("../runs/" + run_id, "ada"),
    ]
    for ask in asks:
        with pytest.raises(UnknownNameError, match="You have no run"):
            ask()


def test_a_spare_worker_takes_the_run(make_engine, wait_until):
    engine = make_engine(spare=True)
    wait_until(lambda: engine._supervisor._spare._child is not None)
    waiting = engine._supervisor._spare._child.pid
    run_id = engine.start({"steps": 20}, "ada")
    wait_until(state_is(engine, run_id, "done"))
    assert engine.folder(run_id, "ada").status()["pid"] == waiting
    wait_until(lambda: engine._supervisor._spare._child is not None)
    next_one = engine._supervisor._spare._child
    engine.close()
    assert next_one.poll() is not None


def test_a_worker_keeps_the_memory_of_its_steps_unless_an_administrator_says_otherwise(monkeypatch):
    for name in ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"):
        monkeypatch.delenv(name, raising=False)
    for version, megabytes in (((2, 36), 1024), ((2, 31), 32)):
        monkeypatch.setattr("diffbio_engine.runs.device._glibc", lambda found=version: found)
        assert int(changed_environment({})["MALLOC_MMAP_THRESHOLD_"]) == megabytes << 20
    monkeypatch.setenv("MALLOC_MMAP_THRESHOLD_", "131072")
    assert changed_environment({})["MALLOC_MMAP_THRESHOLD_"] == "131072"
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.mmap_threshold=131072")
    assert "MALLOC_TRIM_THRESHOLD_" not in changed_environment({})
