"""The data folder was removed, or is not mounted now: everything says so, nothing begins anew."""

import shutil

import pytest

from app.data.server_files import server_files
from app.files.uploads import DESKS, announced
from app.server.attach import attach
from app.server.run_driver import Server
from app.session.own_things import room_used
from app.session.session import Session
from diffbio_engine.errors import UserError


@pytest.fixture
def tab(tmp_path):
    """A tab of a server whose data folder goes while it runs."""
    server = Server(tmp_path / "data", spare=False, command=["true"])
    session = Session(owner="ada")
    attach(session, server)
    shutil.rmtree(tmp_path / "data")
    yield session, server
    server.close()


def test_every_wish_is_answered_by_a_sentence_and_no_other_data_folder_is_begun(tab):
    session, server = tab
    desk = DESKS.get(DESKS.open("ada", server.store, server.room))
    wishes = {
        "list": lambda: server_files(session, ""),
        "room": lambda: room_used(session),
        "upload": lambda: desk.begin(announced(b'{"name": "x.csv", "size": 3}')),
        "save": lambda: server.store.save_pipeline("ada", "Mine", {"name": "Mine"}),
        "run": lambda: server.engine.start({"pipeline": {}, "dataset": {}}, "ada"),
        "tab": lambda: attach(Session(owner="bob"), server),
    }
    for name, wish in wishes.items():
        with pytest.raises(UserError, match="of this server is not there any more"):
            wish()
        assert not server.data_dir.exists(), name
