"""Who is next, and how quickly a long list is read."""

import subprocess
import sys
import time

from diffbio_engine.runs import RunFolder
from diffbio_engine.runs.durable_files import write_json
from diffbio_engine.runs.fair_share import Waiting, order_of_service

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


def test_a_thousand_runs_are_listed_within_a_second(make_engine, tmp_path):
    document = {"blocks": [{"id": f"b{i}", "config": {"x": i}} for i in range(20)]}
    engine = make_engine(command=["/bin/false"])
    for i in range(1000):
        path = tmp_path / "runs" / f"run-{i:04d}"
        path.mkdir()
        run = {"title": f"Run {i}", "owner": "ada", "created": i, "pipeline": document}
        write_json(path / "run.json", run, durable=False)
        status = {"state": "done", "step": i, "attempt": 1, "pid": 1}
        write_json(path / "status.json", status, durable=False)
        write_json(path / "launch.json", {"phase": "ended", "state": None}, durable=False)
    began = time.process_time()
    runs = engine.runs("ada")
    first = time.process_time() - began
    engine.runs("ada")
    again = time.process_time() - began - first
    assert [run.step for run in runs] == list(range(999, -1, -1))
    assert runs[0].state == "done"
    assert first < 1.0 and again < 0.2, f"{first:.3f} s, then {again:.3f} s"


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
