"""One damaged file hides nothing but itself, and what a newer version wrote stays."""

import json
import signal

import numpy as np
import pytest

from diffbio_engine.errors import UnknownNameError
from diffbio_engine.runs import Finding, Findings
from diffbio_engine.runs.folder.findings import load_findings, save_findings
from diffbio_engine.runs.folder.snapshots import SnapshotWriter, load_snapshot
from diffbio_engine.runs.queue.supervisor import waiting_runs
from diffbio_engine.runs.queue.why_lost import why_lost
from diffbio_engine.workspace import Store
from tests.runs.drawn import drawn

NONSENSE = ["", "{", "[]", "null", '"x"', "[" * 10_000, "\xff\xfe", '{"unknown": 1}']


@pytest.fixture
def store(tmp_path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("cell,A\nc,1\n")
    return Store(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        *NONSENSE,
        {"path": None}, {"path": 5}, {"path": "a\0b"}, {"id": "elsewhere"}, {"id": None},
        {"path": "x" * 5000},
    ],
)  # fmt: skip
def test_a_damaged_data_set_hides_no_other(store, tmp_path, change):
    broken, fine = (store.register("ada", tmp_path / name) for name in ("a.csv", "b.csv"))
    file = store._dataset("ada", broken.id) / "dataset.json"
    text = (
        change
        if isinstance(change, str)
        else json.dumps({**json.loads(file.read_text()), **change})
    )
    file.write_text(text, encoding="latin-1")
    assert [d.id for d in store.datasets("ada")] == [fine.id]
    assert store.register("ada", tmp_path / "b.csv").id == fine.id


@pytest.mark.parametrize(
    "change", [{"added": "yesterday"}, {"added": None}, {"name": 7}, {"new": [1]}]
)
def test_a_data_set_with_an_odd_or_a_new_key_is_still_there(store, tmp_path, change):
    known = store.register("ada", tmp_path / "a.csv")
    file = store._dataset("ada", known.id) / "dataset.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    (found,) = store.datasets("ada")
    assert (found.id, found.path, found.name) == (known.id, known.path, "a.csv")
    store._write("ada", found)
    assert json.loads(file.read_text()).get("new") == change.get("new")


def test_a_way_of_reading_that_a_newer_version_knows_is_kept_and_left_aside(store, tmp_path):
    known = store.register("ada", tmp_path / "a.csv")
    file = store._dataset("ada", known.id) / "reading.json"
    file.write_text('{"orientation": "genes in rows", "upside": "down"}')
    assert store.reading("ada", known.id) == {"orientation": "genes in rows"}
    store.set_reading("ada", known.id, {"separator": "tab"})
    assert json.loads(file.read_text()) == {"upside": "down", "separator": "tab"}


@pytest.mark.parametrize("text", [*NONSENSE, '{"name": "Mine", "document": 3}', '{"name": "Mine"}'])
def test_of_a_damaged_version_of_a_pipeline_the_one_before_is_taken(store, text):
    store.save_pipeline("ada", "Mine", {"blocks": [1]})
    store.save_pipeline("ada", "Mine", {"blocks": [2]})
    store.save_pipeline("ada", "Other", {"blocks": []})
    folder = store._pipeline("ada", "Mine")
    (folder / "000002.json").write_text(text, encoding="latin-1")
    (folder / "1x.json").write_text("{}")
    assert {e.name for e in store.pipelines("ada")} == {"Mine", "Other"}
    assert store.load_pipeline("ada", "Mine") == {"blocks": [1]}
    with pytest.raises(UnknownNameError):
        store.load_pipeline("ada", "Mine", 2)
    assert store.save_pipeline("ada", "Mine", {"blocks": [3]}) == 3
    assert [v.version for v in store.pipeline_history("ada", "Mine")] == [3, 1]


DAMAGE = [
    *(("run.json", text) for text in NONSENSE),
    *(("run.json", {k: v}) for k, v in [
        ("created", "last week"), ("created", [1]), ("title", None), ("dataset", 3),
        ("steps", "many"), ("owner", 3), ("new", {"key": 1}),
    ]),
    *(("status.json", text) for text in (*NONSENSE, '{"state": 3, "step": "x", "t": {}}')),
    *(("launch.json", text) for text in (*NONSENSE, '{"phase": "launched", "ref": {}}',
                                         '{"phase": "queued", "owner": 3, "since": "x"}')),
]  # fmt: skip


def test_damaged_runs_hide_no_other_and_break_nobodys_list(make_engine, wait_until):
    engine, run = make_engine(max_running=1), {"pipeline": {}, "dataset": {"name": "d"}}
    engine._supervisor.close()  # nothing is to begin meanwhile
    broken = [engine.start(run, "ada") for _ in DAMAGE]
    fine, of_eve = engine.start(run, "ada"), engine.start(run, "eve")
    for run_id, owner in [*((r, "ada") for r in (*broken, fine)), (of_eve, "eve")]:
        engine.stop(run_id, owner)
    for run_id, (name, change) in zip(broken, DAMAGE, strict=True):
        file = engine.runs_dir / run_id / name
        known = json.loads(file.read_text()) if file.exists() else {}
        text = change if isinstance(change, str) else json.dumps({**known, **change})
        file.write_text(text, encoding="latin-1")
        (engine.data_dir / "active" / run_id).touch()
    (engine.data_dir / "active" / "no such run").touch()
    (engine.data_dir / "served.json").write_text('{"ada": "x", "eve": null}')
    again = make_engine(max_running=1)
    listed = {r.id: r for r in again.runs("ada")}
    assert fine in listed and [r.id for r in again.runs("eve")] == [of_eve]
    for run_id, (name, change) in zip(broken, DAMAGE, strict=True):
        if name == "run.json" and change in NONSENSE[:-1]:
            assert listed[run_id].title == "A run that cannot be read"
            assert "damaged" in listed[run_id].error["what"]
    again.delete(broken[0], "ada")
    assert broken[0] not in {r.id for r in again.runs("ada")}
    fresh = again.start(run, "eve")
    wait_until(lambda: again.summary(fresh, "eve").state != "queued")


def test_odd_entries_of_the_queue_are_passed_over(tmp_path):
    (tmp_path / "served.json").write_text('{"ada": "never"}')
    launches = {
        "a": {"phase": "queued", "owner": "ada", "since": "x"},
        "b": {"phase": "queued", "owner": None, "since": 1},
        "c": {"phase": "queued"},
    }
    assert [w.run_id for w in waiting_runs(tmp_path, launches)] == ["a"]


def test_findings_of_a_newer_version_are_read_without_what_is_new_in_them(tmp_path, monkeypatch):
    finding = Finding("b.p", "T", "D", "score", ("genes",), np.ones(2))
    save_findings(tmp_path, Findings(1, (finding,), {"genes": ["A", "B"]}, {}))
    monkeypatch.delitem(Finding.__dataclass_fields__, "ranks")
    assert load_findings(tmp_path).found[0].title == "T"


def test_a_worker_that_breaks_down_is_told_apart_from_one_that_was_killed():
    crashed = why_lost(3, 0, -signal.SIGSEGV, "Reading the data")
    assert "broke down 3 times (SIGSEGV)" in crashed.what and "'Reading the data'" in crashed.what
    assert "too little memory" in why_lost(3, 5, -signal.SIGKILL, "").what


@pytest.mark.parametrize(
    "text", [*NONSENSE, '{"seq": "x", "want": "fly", "dials": [], "steps_asked": {}}']
)
def test_a_damaged_wish_is_no_wish_and_the_next_one_is_written(make_engine, text):
    engine = make_engine()
    engine._supervisor.close()
    run_id = engine.start({"pipeline": {}, "dataset": {}}, "ada")
    folder = engine.folder(run_id, "ada")
    folder.control_file.write_text(text, encoding="latin-1")
    assert folder.control()["want"] == "run"
    engine.turn(run_id, "ada", {"b.t": 0.5})
    engine.pause(run_id, "ada")
    assert (folder.control()["want"], folder.control()["dials"]) == ("pause", {"b.t": 0.5})


def test_a_damaged_list_of_maps_is_begun_anew_and_the_maps_that_are_there_are_drawn(tmp_path):
    SnapshotWriter(tmp_path).save(drawn(3, np.zeros((2, 2))))
    (tmp_path / "latest.json").write_text('{"step": "three"}')
    (tmp_path / "history.json").write_text('{"every": "x", "steps": {"a": 1}, "count": []}')
    assert load_snapshot(tmp_path).step == 3
    SnapshotWriter(tmp_path).save(drawn(4, np.ones((2, 2))))
    assert load_snapshot(tmp_path).step == 4
