"""Who is next, and how quickly a long list is read."""

import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from diffbio_engine.errors import RunError
from diffbio_engine.runs import RunFolder
from diffbio_engine.runs.folder.durable_files import write_json
from diffbio_engine.runs.queue.fair_share import Waiting, order_of_service

LONG = {"steps": 100_000}


def test_the_owner_served_longest_ago_is_next():
    waiting = [Waiting(f"a{i}", "ada", i) for i in range(60)]
    waiting += [Waiting(f"b{i}", "bob", 100 + i) for i in range(2)]
    order = [run.run_id for run in order_of_service(waiting, {"ada": 50.0})]
    assert order[:5] == ["b0", "a0", "b1", "a1", "a2"]
    assert len(order) == 62


def test_a_run_that_lost_its_worker_gets_the_next_place():
    waiting = [Waiting("new", "ada", 1), Waiting("lost", "bob", 2, again=True)]
    assert [run.run_id for run in order_of_service(waiting, {"bob": 9.0})] == ["lost", "new"]


def test_a_late_owner_overtakes_the_queue_of_a_greedy_one(make_engine, wait_until):
    engine = make_engine(max_running=1)
    first = engine.start(LONG, "greedy")
    wait_until(lambda: engine.summary(first, "greedy").state == "running")
    second, third = engine.start(LONG, "greedy"), engine.start(LONG, "greedy")
    small = engine.start({"steps": 5}, "small")
    assert engine.summary(small, "small").position == 1
    places = {run.id: (run.state, run.position) for run in engine.runs("greedy")}
    assert places == {first: ("running", None), second: ("queued", 2), third: ("queued", 3)}
    engine.stop(second, "greedy")
    assert engine.summary(second, "greedy").state == "stopped"
    engine.stop(first, "greedy")
    wait_until(lambda: engine.summary(small, "small").state == "done")
    wait_until(lambda: engine.summary(third, "greedy").state == "running")


def test_a_paused_run_holds_no_place(make_engine, wait_until):
    engine = make_engine(max_running=1)
    first = engine.start(LONG, "ada")
    wait_until(lambda: engine.summary(first, "ada").state == "running")
    engine.pause(first, "ada")
    second = engine.start({"steps": 5}, "ada")
    wait_until(lambda: engine.summary(second, "ada").state == "done")
    assert engine.summary(first, "ada").state == "paused"


def test_of_a_thousand_runs_only_what_changed_is_read_again(make_engine, tmp_path, monkeypatch):
    # What listing costs is reading: 0.4 s for a thousand runs at first, then 0.02 s, on two cores.
    engine = make_engine(command=["/bin/false"])
    for i in range(1000):
        path = tmp_path / "runs" / f"run-{i:04d}"
        path.mkdir()
        run = {"title": f"Run {i}", "owner": "ada", "created": i}
        write_json(path / "run.json", run, durable=False)
        status = {"state": "done", "step": i, "attempt": 1, "pid": 1}
        write_json(path / "status.json", status, durable=False)
        write_json(path / "launch.json", {"phase": "ended", "state": None}, durable=False)
    opened: Counter[Path] = Counter()
    read = Path.read_bytes

    def counted(path):
        opened.update([path] if path.parent.parent == tmp_path / "runs" else [])
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", counted)
    runs = engine.runs("ada")
    assert [run.step for run in runs] == list(range(999, -1, -1))
    assert runs[0].state == "done"
    files = ("run.json", "status.json", "launch.json")
    assert opened == Counter(
        tmp_path / "runs" / f"run-{i:04d}" / name for i in range(1000) for name in files
    )
    opened.clear()
    changed = tmp_path / "runs/run-0500/status.json"
    write_json(changed, {"state": "failed", "step": 7, "attempt": 1, "pid": 1}, durable=False)
    assert engine.runs("ada")[499].step == 7
    assert opened == Counter([changed])


def test_the_server_needs_no_jax_to_look_after_runs():
    program = "import sys, diffbio_engine.runs; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_a_run_of_no_engine_is_lost_once_its_worker_died(tmp_path):
    folder = RunFolder.create(tmp_path / "run", {"steps": 3})
    assert folder.state() == "queued"
    write_json(folder.status_file, {"state": "running", "attempt": 1, "pid": 1})
    assert folder.state() == "lost"
    # A lock file that nobody holds says nothing.
    folder.lock_file.write_text("1")
    assert folder.state() == "lost" and not folder.is_locked()


def test_a_deleted_data_folder_is_said_in_words_and_once_in_the_log(
    make_engine, tmp_path, caplog, wait_until
):
    engine = make_engine()
    wait_until(lambda: (engine.data_dir / "engine.lock").exists())
    shutil.rmtree(engine.data_dir)
    wait_until(lambda: caplog.records)
    time.sleep(0.8)
    assert len(caplog.records) <= 2
    with pytest.raises(RunError, match="is not there any more"):
        engine.runs("ada")


def test_a_person_may_have_a_hundred_runs_waiting(make_engine, monkeypatch):
    monkeypatch.setattr("diffbio_engine.runs.queue.engine._MOST_WAITING", 3)
    engine = make_engine(max_running=1, command=["false"])
    engine._supervisor.close()  # nobody is served
    for _ in range(3):
        engine.start({"steps": 5}, "eve")
    with pytest.raises(RunError, match="3 runs of yours wait for their turn; at most 3 may"):
        engine.start({"steps": 5}, "eve")
    assert len(engine.runs("eve")) == 3
    assert engine.start({"steps": 5}, "ada")
