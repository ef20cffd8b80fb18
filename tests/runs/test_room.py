"""A full disk can be mended by those who filled it, and mends itself where nobody waits."""

import errno
import os
import time
from types import SimpleNamespace

import pytest

from diffbio_engine.errors import DataError, RunError, UnknownNameError
from diffbio_engine.runs.folder.durable_files import write_json
from diffbio_engine.workspace import Room, Store
from diffbio_engine.workspace.room import KEPT_FREE

DAY = 86_400


@pytest.fixture
def room(tmp_path):
    for folder in ("runs", "trash", "owners"):
        (tmp_path / folder).mkdir()
    return Room(tmp_path, lambda owner: [p.name for p in (tmp_path / "runs").glob(f"{owner}*")])


def run_in(room, folder, name, owner, n_bytes=100_000):
    path = room.data_dir / folder / name
    path.mkdir()
    write_json(path / "run.json", {"owner": owner})
    (path / "result.h5ad").write_bytes(os.urandom(n_bytes))
    return path


def test_each_person_sees_what_they_use(room):
    run_in(room, "runs", "ada1", "ada"), run_in(room, "runs", "eve1", "eve")
    run_in(room, "trash", "ada2", "ada", 300_000)
    upload = Store(room.data_dir).new_upload("ada", "x.csv")
    upload.partial_path.write_bytes(os.urandom(50_000))
    used = room.used("ada")
    assert used.runs == pytest.approx(104_000, abs=9000)
    assert used.trash == pytest.approx(304_000, abs=9000)
    assert used.data == pytest.approx(54_000, abs=9000)
    assert used.total == used.runs + used.trash + used.data and used.free > 0


def test_the_trash_is_emptied_on_demand_and_only_ones_own(room):
    mine, others = run_in(room, "trash", "a", "ada"), run_in(room, "trash", "b", "eve")
    assert room.empty_trash("ada") > 90_000
    assert not mine.exists() and others.exists()


def test_old_trash_goes_by_itself_and_all_of_it_when_the_disk_is_short(room, monkeypatch):
    old, fresh = run_in(room, "trash", "a", "ada"), run_in(room, "trash", "b", "eve")
    os.utime(old, (time.time() - 15 * DAY,) * 2)
    room.tidy()
    assert not old.exists() and fresh.exists()
    _disk_with(monkeypatch, KEPT_FREE)
    room.tidy()
    assert not fresh.exists()


def test_what_a_look_unpacked_costs_nobody_their_trash(room, monkeypatch):
    fresh, look = run_in(room, "trash", "b", "eve"), room.data_dir / ".reading/reader-1-x"
    look.mkdir(parents=True)
    (look / "unpacked").write_bytes(os.urandom(100_000))
    _disk_with(monkeypatch, KEPT_FREE - 50_000)
    room.tidy()
    assert fresh.exists() and room.free() == 0
    _disk_with(monkeypatch, KEPT_FREE - 200_000)
    room.tidy()
    assert not fresh.exists()


def _disk_with(monkeypatch, free):
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=free))


def test_uploads_that_were_given_up_and_half_written_files_go_but_nothing_that_is_in_use(room):
    store = Store(room.data_dir)
    old, new, done = (store.new_upload("ada", f"{n}.csv") for n in ("old", "new", "done"))
    for upload in (old, new, done):
        upload.partial_path.write_bytes(b"x")
    os.utime(old.partial_path, (time.time() - 2 * DAY,) * 2)
    file = old.path.parent / "dataset.json"
    file.write_text(file.read_text().replace(str(old.added), str(old.added - 2 * DAY)))
    store.finish_upload("ada", done.id)
    run = run_in(room, "runs", "r", "ada")
    (run / "checkpoints").mkdir()
    left = [run / "checkpoints/.tmp123", run / "checkpoints/000000001.safetensors.part",
            run / "bundle.part", run / ".result.h5ad.9.part"]  # fmt: skip
    kept = [run / "checkpoints/000000001.safetensors", run / "run.json", run / "result.h5ad"]
    for path in (*left, kept[0]):
        path.write_bytes(b"x")
        os.utime(path, (time.time() - DAY,) * 2)
    young = run / "checkpoints/000000002.safetensors.part"
    young.write_bytes(b"x")
    room.tidy()
    assert not old.partial_path.parent.exists()
    assert new.partial_path.exists() and done.path.exists() and young.exists()
    assert not any(p.exists() for p in left) and all(p.exists() for p in kept)


def test_a_quota_is_said_with_what_is_used(room):
    run_in(room, "runs", "ada1", "ada", 400_000)
    room.quota = 500_000
    room.require("eve", 400_000, "x.csv")
    with pytest.raises(DataError, match=r"x\.csv needs 195\.3 kB\. You use 39\d\.\d kB of the 488"):
        room.require("ada", 200_000, "x.csv")


def test_what_was_promised_to_others_is_not_given_away_twice(room, monkeypatch):
    monkeypatch.setattr(Room, "free", lambda self: 1000)
    room.require("ada", 600, "x.csv", promised=400)
    with pytest.raises(DataError, match=r"needs 601 bytes, and the disk of the server has 600"):
        room.require("ada", 601, "x.csv", promised=400)


def test_a_data_set_is_deleted_whole_also_one_that_cannot_be_read(room):
    store = Store(room.data_dir)
    upload = store.new_upload("ada", "x.csv")
    upload.partial_path.write_bytes(b"x")
    damaged = store.new_upload("ada", "y.csv")
    (damaged.path.parent / "dataset.json").write_text("{")
    assert store.damaged_datasets("ada") == [damaged.id]
    for dataset_id in (upload.id, damaged.id):
        store.delete_dataset("ada", dataset_id)
        with pytest.raises(UnknownNameError):
            store.delete_dataset("ada", dataset_id)
    assert list(upload.path.parent.parent.iterdir()) == []


def test_a_run_is_deleted_although_not_one_byte_can_be_written(make_engine, monkeypatch):
    engine = make_engine(max_running=1)
    run_id = engine.start({"pipeline": {}, "dataset": {}}, "ada")
    engine.stop(run_id, "ada", at_once=True)

    def full(*_, **__):
        raise RunError("There is no room left", fix="") from OSError(errno.ENOSPC, "full")

    monkeypatch.setattr("diffbio_engine.runs.folder.paths.write_json", full)
    monkeypatch.setattr("diffbio_engine.runs.queue.supervisor.write_json", full)
    engine.delete(run_id, "ada")
    assert engine.runs("ada") == [] and (engine.data_dir / "trash" / run_id).is_dir()


def test_what_does_not_fit_leaves_no_empty_folder_behind(make_engine, monkeypatch, tmp_path):
    engine, store = make_engine(), Store(tmp_path)

    def full(*_, **__):
        raise RunError("There is no room left", fix="")

    monkeypatch.setattr("diffbio_engine.runs.folder.paths.write_json", full)
    monkeypatch.setattr("diffbio_engine.workspace.dataset_entry.write_json", full)
    with pytest.raises(RunError):
        engine.start({"pipeline": {}, "dataset": {}}, "ada")
    with pytest.raises(RunError):
        store.new_upload("ada", "x.csv")
    assert list(engine.runs_dir.iterdir()) == []
    assert list((tmp_path / "owners").glob("*/datasets/*")) == []
