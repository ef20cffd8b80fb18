"""A person gets rid of what fills the disk, and is told what becomes of it."""

import time

import pytest

from app.runs.list import RunList
from app.server.attach import attach
from app.server.run_driver import Server
from app.session.own_things import (
    delete_dataset,
    delete_run,
    empty_trash,
    own_datasets,
    room_used,
    tried,
)
from app.session.session import Session
from diffbio_engine.errors import RunError, UnknownNameError
from diffbio_engine.runs import Engine, RunReader
from diffbio_engine.workspace import Room, Store


@pytest.fixture
def session(tmp_path):
    made = Session(owner="ada")
    made.engine, made.store = Engine(tmp_path, command=["true"]), Store(tmp_path)
    made.engine._supervisor.close()  # no run begins
    made.room = Room(tmp_path, lambda owner: [run.id for run in made.engine.runs(owner)])
    yield made
    made.engine.close()


def uploaded(session, name="x.csv"):
    upload = session.store.new_upload("ada", name)
    upload.partial_path.write_bytes(b"x" * 100_000)
    return session.store.finish_upload("ada", upload.id)


def test_a_data_set_is_deleted_with_its_file_and_a_chosen_one_only_from_the_list(session, tmp_path):
    mine, there = uploaded(session), tmp_path / "there.csv"
    there.write_text("cell,A\nc,1\n")
    chosen = session.store.register("ada", there)
    assert delete_dataset(session, mine.id).startswith("x.csv is deleted; ")
    assert "stays where it was" in delete_dataset(session, chosen.id)
    assert there.exists() and not mine.path.exists() and own_datasets(session) == []


def test_a_file_that_was_brought_again_says_so_and_one_that_cannot_be_read_why(session):
    first, other, again = uploaded(session), uploaded(session, "y.csv"), uploaded(session)
    listed = {d["id"]: d for d in own_datasets(session, {other.id: "It is empty."})}
    assert [listed[d.id]["again"] for d in (first, other, again)] == [False, False, True]
    assert [listed[d.id]["wrong"] for d in (first, other, again)] == ["", "It is empty.", ""]


def test_a_damaged_data_set_stands_in_the_list_and_can_be_deleted(session):
    mine = uploaded(session)
    (mine.path.parent / "dataset.json").write_text("{")
    (entry,) = own_datasets(session)
    assert entry["damaged"] and "cannot be read" in entry["name"]
    assert delete_dataset(session, mine.id) == "Deleted." and own_datasets(session) == []


def test_an_unfinished_upload_stands_in_the_list_and_can_be_deleted(session):
    upload = session.store.new_upload("ada", "half.h5ad")
    upload.partial_path.write_bytes(b"x" * 100_000)
    (entry,) = own_datasets(session)
    assert entry["unfinished"] and entry["name"] == "half.h5ad" and entry["size"] >= 100_000
    assert delete_dataset(session, upload.id) == "Deleted." and own_datasets(session) == []


def test_what_a_run_still_reads_is_not_deleted_and_the_run_is_named(session):
    mine = uploaded(session)
    run = {"title": "PBMC", "pipeline": {}, "dataset": {"path": str(mine.path)}}
    run_id = session.engine.start(run, "ada")
    found = tried(lambda: delete_dataset(session, mine.id))
    assert isinstance(found, RunError) and "(PBMC)" in found.what and mine.path.exists()
    session.engine.stop(run_id, "ada")
    assert "is deleted" in delete_dataset(session, mine.id)
    assert [r.id for r in session.engine.runs("ada")] == [run_id]  # its maps and results stay


def test_a_deleted_run_takes_room_until_the_trash_is_emptied(session):
    run_id = session.engine.start({"pipeline": {}, "dataset": {}}, "ada")
    session.engine.stop(run_id, "ada")
    assert room_used(session)["trash"] == ""
    assert "until the trash is emptied" in delete_run(session, run_id)
    assert room_used(session)["trash"].endswith("kB")
    assert empty_trash(session).startswith("The trash is empty; ")
    assert room_used(session)["trash"] == ""


def test_tabs_that_show_a_run_forget_it_when_it_is_deleted(tmp_path):
    server = Server(tmp_path, spare=False, command=["true"])
    try:
        server.engine._supervisor.close()  # no run begins
        one, other = Session(owner="ada"), Session(owner="ada")
        run_id = server.engine.start({"pipeline": {}, "dataset": {}}, "ada")
        for tab in (one, other):
            attach(tab, server)
            tab.run.driver.forget()
            tab.run.id, tab.run.state = run_id, "queued"
            tab.run.driver._reader = RunReader(server.engine.folder(run_id, "ada").path)
        RunList(one)._asked({"do": "delete", "id": run_id})
        end = time.monotonic() + 120
        while (one.run.id or other.run.id or other.run.state) and time.monotonic() < end:
            time.sleep(0.02)
        assert (one.run.id, one.run.state, other.run.id, other.run.state) == ("", "", "", "")
        assert "has been deleted" in other.notice["text"]
    finally:
        server.close()


def test_what_is_used_is_said_with_the_quota(session):
    uploaded(session)
    session.room.quota = 1 << 20
    said = room_used(session)["words"]
    assert said.startswith("You use ") and " of 1.0 MB (data 1" in said and "are free" in said


@pytest.mark.parametrize("name", ["", "../x", "a" * 24, "0" * 24])
def test_what_is_anothers_or_nowhere_is_not_deleted(session, name):
    mine, run_id = uploaded(session), session.engine.start({"pipeline": {}, "dataset": {}}, "ada")
    eve = Session(owner="eve")
    eve.engine, eve.store, eve.room = session.engine, session.store, session.room
    for wanted in (mine.id, name):
        assert isinstance(tried(lambda w=wanted: delete_dataset(eve, w)), UnknownNameError)
    for wanted in (run_id, name or "."):
        assert isinstance(tried(lambda w=wanted: delete_run(eve, w)), UnknownNameError)
    assert mine.path.exists() and len(session.engine.runs("ada")) == 1
    empty_trash(eve)
    assert mine.path.exists()
