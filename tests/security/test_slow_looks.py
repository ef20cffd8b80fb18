"""Whatever one person's files do to their readers, another person works on."""

import os
import signal
import sys
import time
from functools import partial
from pathlib import Path

import anndata
import h5py
import hostile_text as hostile
import numpy as np
import pytest

import app.files.readers
import app.session.datasets
from app.map.colouring import by_gene
from app.server.attach import attach
from app.server.run_driver import Server
from app.session.datasets import card_of, card_with
from app.session.session import Session
from diffbio_engine.apart import Readers, Stop
from diffbio_engine.errors import DataError

HERE = Path(__file__).parent
ODD = (sys.executable, str(HERE.parent / "apart/odd_nursery.py"))


@pytest.fixture(scope="module")
def readers(tmp_path_factory):
    """Readers that misbehave at files of certain names."""
    made = Readers(command=ODD, scratch=tmp_path_factory.mktemp("scratch"), most=3)
    yield made
    made.close()


@pytest.fixture
def server(readers, tmp_path, monkeypatch):
    """A real server with these readers."""
    monkeypatch.setattr(app.session.datasets, "READERS", readers)
    monkeypatch.setattr(app.files.readers, "READERS", readers)
    made = Server(tmp_path / "data", spare=False, command=["true"])
    yield made
    made.close()


def tab_of(server, owner):
    session = Session(owner=owner)
    attach(session, server)
    return session


def eventually(true, seconds=120.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "this did not happen in time"
        time.sleep(0.02)


def known(server, owner, name):
    (server.data_dir / name).write_bytes(b"x" * 100)
    return server.store.register(owner, server.data_dir / name)


def test_four_hanging_looks_of_one_person_do_not_stop_anothers_work(server, monkeypatch):
    monkeypatch.setenv("READ_SECONDS", "600")  # nothing but the end of this test ends them
    eve, ada = tab_of(server, "eve"), tab_of(server, "ada")
    stop, ended = Stop(), []

    def look(hostile_one):
        try:
            card_with(eve, hostile_one.id, stop)
        finally:
            ended.append(hostile_one)

    for i in range(4):
        eve.read(partial(look, known(server, "eve", f"hang.{i}.h5ad")))
    time.sleep(0.3)
    fine, shown, listed = known(server, "ada", "fine.h5ad"), [], []
    ada.read(lambda: card_with(ada, fine.id), shown.append)
    eve.work(lambda: server.engine.runs("eve"), listed.append)  # her other work goes on, too
    eventually(lambda: shown and listed)
    assert not ended and shown[0].n_cells == 3
    stop.set()


@pytest.mark.parametrize("name", ["crash.h5ad", "abort.zip", "gulp.csv", "garbage.h5ad"])
def test_a_file_that_ends_its_reader_is_refused_in_the_tab_and_the_server_stands(server, name):
    eve = tab_of(server, "eve")
    with pytest.raises(DataError, match=name):
        card_of(known(server, "eve", name), person="eve")
    refused = []
    eve.read(lambda: card_of(known(server, "eve", name), person="eve"), refused.append)
    eventually(lambda: eve.notice.get("kind") == "warning")
    assert name in eve.notice["text"] and "went wrong here" not in eve.notice["text"]
    assert card_of(known(server, "ada", "fine.h5ad"), person="ada").n_cells == 3


def test_a_reader_that_dies_between_two_genes_is_replaced(tmp_path, monkeypatch):
    readers = Readers(scratch=tmp_path / "scratch")
    monkeypatch.setattr(app.files.readers, "READERS", readers)
    path = tmp_path / "x.h5ad"
    anndata.AnnData(np.arange(60, dtype=np.float32).reshape(20, 3)).write_h5ad(path)
    try:
        first = by_gene(str(path), "0").values
        os.kill(next(iter(readers._open.values()))._process._pid, signal.SIGKILL)
        with pytest.raises(DataError, match="could not be read"):
            by_gene(str(path), "1")
        assert len(by_gene(str(path), "1").values) == len(first) == 20
    finally:
        readers.close()


def test_the_files_named_by_those_who_attacked_it_cost_little_and_are_refused(tmp_path):
    readers = Readers(scratch=tmp_path / "scratch")
    attributes = tmp_path / "attributes.h5ad"
    anndata.AnnData(np.ones((20, 10), np.float32)).write_h5ad(attributes)
    with h5py.File(attributes, "a") as file:
        for i in range(2000):
            file["obs"].attrs[f"a{i}"] = i
    wide = tmp_path / "wide.csv"
    names = ",".join(f"g{i}" for i in range(1_000_000))
    wide.write_text(f"cell,{names}\nc,{'0,' * 999_999}0\n")
    attacks = {
        attributes: "2,004 attributes",
        wide: "may have 200,000 at most",
        hostile.zip_of(tmp_path / "h.zip", hostile.FINE.replace("general", "heneral")): "heneral",
        hostile.packed_without_end(
            tmp_path / "x.csv.gz", b"0" * 4096, 128 << 20
        ): "unpacks to more",
    }
    try:
        readers.begin()
        for path, sentence in attacks.items():
            with pytest.raises(DataError, match=sentence):  # and not that it took too long
                readers.inspect(path)
        assert readers._nursery._nursery.poll() is None
    finally:
        readers.close()
    assert list((tmp_path / "scratch").iterdir()) == []
