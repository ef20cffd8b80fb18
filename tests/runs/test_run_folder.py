"""A run folder survives torn files, full disks, two sessions at once, and workers that die."""

import json
import resource
import subprocess
import sys
import threading

import numpy as np
import pytest

from diffbio_engine.errors import RunError, TrainingError
from diffbio_engine.runs import RunFolder, RunReader, RunWriter
from diffbio_engine.runs.folder.durable_files import replace_with, write_json
from diffbio_engine.runs.folder.events import EventTail
from diffbio_engine.runs.folder.metrics import MetricsTail, MetricsWriter, read_metrics
from tests.runs.drawn import drawn


@pytest.fixture
def path(tmp_path):
    return RunFolder.create(tmp_path / "run", {"title": "Test", "steps": 10}).path


def test_what_a_run_is_is_written_once(path):
    with pytest.raises(RunError, match="already holds a run"):
        RunFolder.create(path, {"title": "Another"})
    assert RunFolder(path).run["title"] == "Test"


def test_metrics_cut_at_any_byte_give_the_whole_records_before_it(tmp_path):
    writer = MetricsWriter(tmp_path, 1, ["total", "kl"])
    for step in range(1, 6):
        writer.add(step, {"total": 10.0 / step})
    writer.close()
    whole = writer.path.read_bytes()
    header = whole.index(b"\n") + 1
    for cut in range(len(whole) + 1):
        writer.path.write_bytes(whole[:cut])
        n_records = max(cut - header, 0) // 32  # step, t, total, kl
        history = read_metrics(tmp_path)
        np.testing.assert_array_equal(history["step"], np.arange(1, n_records + 1))
        if n_records:
            np.testing.assert_allclose(history["total"], 10.0 / history["step"])
            assert np.isnan(history["kl"]).all()


def test_metrics_that_arrive_byte_by_byte_are_read_once_each(path, tmp_path):
    writer = MetricsWriter(path, 1, ["total"])
    writer.add_rows(np.arange(1, 4), np.array([[3.0], [2.0], [1.0]]))
    writer.close()
    whole = writer.path.read_bytes()
    writer.path.unlink()
    tail, rows = MetricsTail(tmp_path), []
    with (tmp_path / writer.path.name).open("wb", buffering=0) as growing:
        for byte in whole:
            growing.write(bytes([byte]))
            rows += [row for batch in tail.read_new() for row in batch.rows]
    assert [row[0] for row in rows] == [1, 2, 3] and [row[2] for row in rows] == [3, 2, 1]


def test_a_later_attempt_supersedes_what_came_after_its_start(tmp_path):
    first = MetricsWriter(tmp_path, 1, ["total"])
    first.add_rows(np.arange(1, 8), np.ones((7, 1)))
    tail = MetricsTail(tmp_path)
    assert len(tail.read_new()[0].rows) == 7
    second = MetricsWriter(tmp_path, 2, ["kl", "total"], start=4)
    second.add_rows(np.array([5, 6]), np.array([[0.5, 2.0], [0.5, 2.0]]))
    (batch,) = tail.read_new()
    assert (batch.begins, batch.start, batch.columns) == (True, 4, ("step", "t", "kl", "total"))
    history = read_metrics(tmp_path)
    np.testing.assert_array_equal(history["step"], [1, 2, 3, 4, 5, 6])
    np.testing.assert_array_equal(history["total"], [1, 1, 1, 1, 2, 2])
    np.testing.assert_array_equal(history["kl"], [np.nan] * 4 + [0.5] * 2)


def test_events_cut_at_any_byte_give_the_whole_lines_and_the_next_worker_goes_on(path):
    with RunWriter(path) as writer:
        writer.event("checkpoint", 1)
        writer.event("dial", 2, name="τ", value=0.3)
    events = path / "events.jsonl"
    whole = events.read_bytes()
    for cut in range(len(whole)):
        events.write_bytes(whole[:cut])
        expected = whole[:cut].count(b"\n")
        assert len(EventTail(events).read_new()) == expected
    with RunWriter(path) as writer:  # the last line lacks its end
        writer.event("resumed", 1)
    kinds = [event["kind"] for event in EventTail(events).read_new()]
    assert kinds == ["checkpoint", "dial", "resumed"]


def test_two_sessions_may_ask_at_once_and_nothing_is_lost(path):
    folder = RunFolder(path)

    def ask(session):
        for i in range(25):
            RunFolder(path).request("step", steps=1, dials={f"block{session}.dial": float(i)})

    sessions = [threading.Thread(target=ask, args=(i,)) for i in range(4)]
    for session in sessions:
        session.start()
    for session in sessions:
        session.join()
    control = folder.control()
    assert control["seq"] == control["steps_asked"] == 100
    assert control["dials"] == {f"block{i}.dial": 24.0 for i in range(4)}


def test_a_worker_sees_each_request_once_also_those_within_a_tick_of_the_clock(path):
    folder = RunFolder(path)
    folder.request(dials={"temperature": 0.5})
    with RunWriter(path) as writer:
        assert writer.control().dials == {"temperature": 0.5}
        assert writer.control() is None
        for i in range(2, 200):
            folder.request(dials={"temperature": float(i)})
            assert writer.control().dials == {"temperature": float(i)}
        folder.request("pause", dials={"temperature": None})
        control = writer.control()
        assert (control.want, control.dials) == ("pause", {})
        assert folder.status()["seq"] == control.seq == 200


def test_steps_that_were_taken_are_not_taken_again_by_the_next_worker(path):
    folder = RunFolder(path)
    folder.request("step", steps=3)
    with RunWriter(path) as writer:
        assert writer.control().steps_to_take == 3
    with RunWriter(path) as writer:
        control = writer.control()
        assert (control.want, control.steps_to_take) == ("step", 0)


def test_a_value_that_is_no_number_is_refused(path):
    with pytest.raises(RunError, match=r"cluster.temperature: nan is no value"):
        RunFolder(path).request(dials={"cluster.temperature": float("nan")})


def test_a_reader_gets_everything_once(path):
    reader = RunReader(path)
    assert reader.poll().state == "queued"
    with RunWriter(path) as writer:
        assert reader.poll().state == "starting"
        writer.begin(["total"])
        writer.metric(1, {"total": 5.0})
        writer.snapshot(drawn(1, np.zeros((3, 2)), certainty=np.ones(3, np.float32)))
        writer.heartbeat(state="running", step=1)
        changes = reader.poll()
        assert (changes.state, changes.status["step"], changes.snapshot) == ("running", 1, 1)
        assert [event["kind"] for event in changes.events] == ["started"]
        assert changes.metrics[0].begins and changes.metrics[0].rows[0, 2] == 5.0
        changes = reader.poll()
        assert (changes.status, changes.events, changes.metrics, changes.snapshot) == (
            None, [], [], None,
        )  # fmt: skip
        writer.finish("done")
    assert reader.poll().state == "done"


def test_an_attempt_that_resumed_earlier_forgets_later_snapshots(path):
    reader = RunReader(path)
    with RunWriter(path) as writer:
        for step in (1, 2, 3):
            writer.snapshot(drawn(step, np.zeros((3, 2))))
    assert reader.poll().snapshot == 3
    with RunWriter(path) as writer:
        writer.begin(["total"], start=2)
        assert reader.poll().snapshot == 2
        assert reader.snapshot().step == 2 and reader.snapshot_steps() == [1, 2]


def test_snapshots_keep_the_last_few_and_a_thin_history(path):
    with RunWriter(path) as writer:
        for step in range(1, 801):
            writer.snapshot(drawn(step, np.full((2, 2), step)))
    steps = RunReader(path).snapshot_steps()
    assert steps[-3:] == [798, 799, 800] and steps[0] == 1
    assert len(steps) <= 64
    assert max(np.diff(steps)) <= 20  # even over the whole run
    nearest = RunReader(path).snapshot(700)
    assert 680 < nearest.step <= 700 and nearest.map[0, 0] == nearest.step


def test_a_snapshot_that_cannot_be_read_is_passed_over(path):
    with RunWriter(path) as writer:
        writer.snapshot(drawn(1, np.ones((2, 2))))
        writer.snapshot(drawn(2, np.ones((2, 2))))
    (path / "snapshots/000000002.npz").write_bytes(b"")
    assert RunReader(path).snapshot().step == 1


def test_a_snapshot_holds_no_python_objects(path):
    with RunWriter(path) as writer, pytest.raises(TypeError, match="Python objects"):
        writer.snapshot(drawn(1, np.ones((2, 2)), np.array(["a", None], dtype=object)))


def test_a_bug_leaves_a_report_and_a_mistake_its_sentence(path):
    with pytest.raises(ZeroDivisionError), RunWriter(path):
        _ = 1 / 0
    error = RunFolder(path).error()
    assert error["kind"] == "Bug" and "ZeroDivisionError" in error["report"]
    with pytest.raises(TrainingError), RunWriter(path):
        raise TrainingError("became infinite.", fix="Lower it.", where="cluster.loss")
    assert RunFolder(path).error()["where"] == "cluster.loss"
    assert RunFolder(path).state() == "failed"


def test_infinite_values_are_no_reason_to_write_what_others_cannot_read(path):
    with RunWriter(path) as writer:
        writer.event("dial", 1, value=float("nan"), other=np.float32(2.5), many=np.arange(3))
    line = (path / "events.jsonl").read_text()
    event = json.loads(line, parse_constant=lambda _: pytest.fail("not JSON"))
    assert (event["value"], event["other"], event["many"]) == (None, 2.5, [0, 1, 2])


def test_a_file_too_large_for_the_disk_leaves_the_old_one(tmp_path):
    # A limit on the size of files stands in for a full disk, and needs no right to mount one.
    program = (
        "import sys, resource, pathlib\n"
        "from diffbio_engine.runs.folder.durable_files import write_json\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "write_json(path, {'old': 1})\n"
        "try: write_json(path, {'new': 'x' * 20_000})\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    path = tmp_path / "run.json"
    told = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True
    ).stdout
    assert told.startswith("RunError There is no room left on the disk for run.json")
    assert json.loads(path.read_text()) == {"old": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["run.json"]


def test_metrics_stay_whole_when_the_disk_is_full(tmp_path):
    program = (
        "import sys, resource, pathlib\n"
        "from diffbio_engine.runs.folder.metrics import MetricsWriter\n"
        "writer = MetricsWriter(pathlib.Path(sys.argv[1]), 1, ['total'])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (250, 250))\n"
        "try:\n"
        "    for step in range(100): writer.add(step, {'total': 1.0})\n"
        "except Exception as error: print(type(error).__name__)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True
    ).stdout
    assert told.strip() == "RunError"
    content = (tmp_path / "metrics.0001.bin").read_bytes()
    assert (len(content) - content.index(b"\n") - 1) % 24 == 0
    assert len(read_metrics(tmp_path)["step"]) == (250 - content.index(b"\n") - 1) // 24


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 1 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small disk cannot be mounted here")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_run_that_fills_the_disk_can_still_say_so(small_disk):
    folder = RunFolder.create(small_disk / "run", {"steps": 10})
    with pytest.raises(RunError, match="no room left"), RunWriter(folder.path) as writer:
        writer.begin(["total"])
        writer.snapshot(drawn(1, np.ones((1000, 2))))
        (small_disk / "others").write_bytes(bytes(900_000))
        for step in range(2, 1000):
            writer.snapshot(drawn(step, np.ones((10_000, 2))))
    assert folder.state() == "failed"
    assert "empty the trash" in folder.error()["fix"]
    assert RunReader(folder.path).snapshot().step >= 1
    # What was there stays, and after space was freed the run goes on.
    (small_disk / "others").unlink()
    with RunWriter(folder.path) as writer:
        assert writer.attempt == 2
        writer.finish("done")
    assert folder.state() == "done"


def test_a_reader_never_meets_half_a_file(tmp_path):
    path, seen = tmp_path / "status.json", set()
    write_json(path, {"text": "0" * 50_000}, durable=False)

    def read():
        while not stop.is_set():
            text = json.loads(path.read_bytes())["text"]
            assert len(text) == 50_000 and len(set(text)) == 1
            seen.add(text[0])

    stop = threading.Event()
    reading = threading.Thread(target=read)
    reading.start()
    for i in range(200):
        write_json(path, {"text": str(i % 10) * 50_000}, durable=False)
    stop.set()
    reading.join()
    assert len(seen) > 1


def test_a_write_that_fails_midway_leaves_nothing_behind(tmp_path):
    path = tmp_path / "x.json"

    def write(file):
        file.write(b"half")
        raise ValueError

    with pytest.raises(ValueError):
        replace_with(path, write)
    assert list(tmp_path.iterdir()) == []


def test_writing_a_step_costs_little(path):
    with RunWriter(path) as writer:
        writer.begin(["total", "kl", "reconstruction"])
        before = resource.getrusage(resource.RUSAGE_SELF)
        for step in range(2000):
            writer.control()
            writer.metric(step, {"total": 1.0, "kl": 0.5, "reconstruction": 0.5})
            writer.heartbeat(state="starting", step=step)
        after = resource.getrusage(resource.RUSAGE_SELF)
    ms = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / 2000 * 1000
    assert ms < 0.3, f"{ms:.3f} ms of processor time a step"
