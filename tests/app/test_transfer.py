"""Uploads and downloads over real HTTP: whole, carried on, refused, by the right person only."""

import asyncio
import json
import os
import shutil
import zipfile

import pytest
from tornado.httpclient import AsyncHTTPClient
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application

from app import transfer
from app.files.downloads import OFFERS, safe_name
from app.files.uploads import DESKS, announced
from app.transfer import ROUTES
from diffbio_engine.errors import DataError
from diffbio_engine.workspace import Room, Store


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "person_of", lambda handler: "ada")
    return Store(tmp_path)


def talk(work):
    """Runs a conversation with a server of these routes."""

    async def go():
        socket, port = bind_unused_port()
        application = Application(ROUTES)
        application.websocket_origins = {"lab.example:8443"}
        server = HTTPServer(application)
        server.add_sockets([socket])
        client = AsyncHTTPClient(force_instance=True)

        async def ask(path, method="GET", desk="", **options):
            url = f"http://127.0.0.1:{port}/transfer/{path}"
            headers = {"X-Desk": desk, **options.pop("headers", {})}
            return await client.fetch(
                url, method=method, headers=headers, raise_error=False, **options
            )

        try:
            return await work(ask)
        finally:
            server.stop()
            client.close()

    return asyncio.run(go())


def begun(answer):
    return json.loads(answer.body)


def said(name="a.h5ad", size=10, **more):
    """What the page announces."""
    rest = {"changed": [1_700_000_000_000], "ends": "AAECAw=="}
    return json.dumps({"name": name, "size": size, **rest, **more})


def test_a_file_in_slices_arrives_whole_and_goes_on_where_it_stopped(store):
    desk = DESKS.open("ada", store)

    async def work(ask):
        start = begun(await ask("uploads", "POST", desk, body=said()))
        where = f"uploads/{start['id']}"
        await ask(f"{where}?offset=0", "PUT", desk, body=b"01234")
        wrong = await ask(f"{where}?offset=0", "PUT", desk, body=b"01234")
        assert (wrong.code, begun(wrong)["offset"]) == (409, 5)
        again = begun(await ask("uploads", "POST", desk, body=said()))
        assert (again["id"], again["offset"]) == (start["id"], 5)
        last = begun(await ask(f"{where}?offset=5", "PUT", desk, body=b"56789"))
        return last

    last = talk(work)
    assert last["done"] and store.dataset("ada", last["id"]).path.read_bytes() == b"0123456789"


@pytest.mark.parametrize(
    "other",
    [{"name": "b.h5ad"}, {"size": 11}, {"changed": [1_700_000_000_001]}, {"ends": "AAECBA=="}],
    ids=lambda other: next(iter(other)),
)
def test_only_the_very_same_file_is_carried_on(store, other):
    desk = DESKS.open("ada", store)

    async def work(ask):
        start = begun(await ask("uploads", "POST", desk, body=said()))
        await ask(f"uploads/{start['id']}?offset=0", "PUT", desk, body=b"01234")
        return start, begun(await ask("uploads", "POST", desk, body=said(**other)))

    start, fresh = talk(work)
    assert fresh["id"] != start["id"] and fresh["offset"] == 0


@pytest.mark.parametrize(
    "body",
    [
        "",
        "nonsense",
        "[]",
        "7",
        "null",
        "[" * 100_000,
        '{"name": "a.h5ad"}',
        '{"name": 7, "size": 7}',
        '{"name": "a.h5ad", "size": "7"}',
        '{"name": "a.h5ad", "size": true}',
        '{"name": "a.h5ad", "size": 1e999}',
        '{"name": "a.h5ad", "size": -1}',
        '{"name": "a.h5ad", "size": 5, "parts": 5}',
        '{"name": "a.h5ad", "size": 5, "parts": ["ab", "cd"]}',
        '{"name": "a.h5ad", "size": 5, "parts": [["a", -5], ["b", 10]]}',
        '{"name": "a.h5ad", "size": 5, "parts": [["a", 2], ["a", 3]]}',
        '{"name": "a.h5ad", "size": 5, "ends": "!!!"}',
        '{"name": "a.h5ad", "size": 5, "changed": ["now"]}',
    ],
    ids=lambda body: body[:40],
)
def test_an_odd_request_for_an_upload_is_refused_with_a_sentence(store, body):
    desk = DESKS.open("ada", store)
    answer = talk(lambda ask: ask("uploads", "POST", desk, body=body))
    assert answer.code == 400 and len(begun(answer)["sentence"]) > 20
    assert not list(store.datasets("ada"))


def test_an_upload_whose_folder_was_deleted_says_so(store):
    desk = DESKS.open("ada", store)

    async def work(ask):
        start = begun(await ask("uploads", "POST", desk, body=said()))
        shutil.rmtree(DESKS.get(desk).uploads[start["id"]].partial.parent)
        gone = await ask(f"uploads/{start['id']}?offset=0", "PUT", desk, body=b"01234")
        return gone, begun(await ask("uploads", "POST", desk, body=said()))

    gone, fresh = talk(work)
    assert gone.code == 410 and "drop the file again" in begun(gone)["sentence"]
    assert fresh["offset"] == 0


@pytest.mark.parametrize("body, offset", [(b"01234", 0), (b"0123456789", 0), (b"wrong", 7)])
def test_an_upload_that_is_deleted_while_a_slice_arrives_says_so(store, body, offset, monkeypatch):
    desk = DESKS.open("ada", store)
    closing = transfer.SliceHandler._close

    async def work(ask):
        start = begun(await ask("uploads", "POST", desk, body=said()))
        folder = DESKS.get(desk).uploads[start["id"]].partial.parent

        def deleted_by_another_tab(self, keep):
            shutil.rmtree(folder, ignore_errors=True)
            closing(self, keep)

        monkeypatch.setattr(transfer.SliceHandler, "_close", deleted_by_another_tab)
        gone = await ask(f"uploads/{start['id']}?offset={offset}", "PUT", desk, body=body)
        monkeypatch.undo()
        return gone, start["id"] in DESKS.get(desk).uploads

    gone, waits = talk(work)
    assert gone.code == 410 and not waits
    assert "a.h5ad is gone: it was deleted, in another tab perhaps" in begun(gone)["sentence"]


def test_a_file_that_may_not_be_written_any_more_says_so(store, monkeypatch):
    desk = DESKS.open("ada", store)

    async def work(ask):
        start = begun(await ask("uploads", "POST", desk, body=said()))
        path = type(store.data_dir)

        def closed(self, *_, **__):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(path, "open", closed)
        answer = await ask(f"uploads/{start['id']}?offset=0", "PUT", desk, body=b"01234")
        monkeypatch.undo()
        return answer

    answer = talk(work)
    assert answer.code == 507
    assert "a.h5ad could not be stored on the server: Permission" in begun(answer)["sentence"]


def test_three_files_that_belong_together_become_one_zip(store):
    desk = DESKS.open("ada", store)
    body = '{"name": "s1", "size": 5, "parts": [["matrix.mtx", 2], ["barcodes.tsv", 3]]}'

    async def work(ask):
        start = begun(await ask("uploads", "POST", desk, body=body))
        return begun(await ask(f"uploads/{start['id']}?offset=0", "PUT", desk, body=b"mmbbb"))

    with zipfile.ZipFile(store.dataset("ada", talk(work)["id"]).path) as archive:
        assert archive.read("matrix.mtx") == b"mm" and archive.read("barcodes.tsv") == b"bbb"


def test_the_hidden_files_of_a_zarr_store_keep_their_names_and_no_others():
    names = [".zgroup", "X/.zarray", "obs/.zattrs", ".zmetadata", "X/0.0", ".profile", "../.zgroup"]
    body = said(name="s", size=len(names), parts=[[name, 1] for name in names])
    kept = [name for name, _ in announced(body.encode()).parts]
    assert kept == [*names[:5], "profile", "file/.zgroup"]


def test_a_file_larger_than_the_disk_is_refused_with_a_sentence_before_it_is_sent(store):
    desk = DESKS.open("ada", store)
    body = f'{{"name": "a.h5ad", "size": {1 << 60}}}'
    answer = talk(lambda ask: ask("uploads", "POST", desk, body=body))
    assert answer.code == 507 and "the disk of the server has" in begun(answer)["sentence"]
    assert store.datasets("ada") == []


def test_an_upload_of_which_nothing_comes_holds_no_room_for_long(store, monkeypatch):
    room = Room(store.data_dir, lambda owner: [])
    monkeypatch.setattr(room, "free", lambda: 1000)
    eve, ada = (DESKS.get(DESKS.open(who, store, room)) for who in ("eve", "ada"))
    held = eve.begin(announced(said(size=900).encode()))
    with pytest.raises(DataError, match="the disk of the server has"):
        ada.begin(announced(said(size=500).encode()))
    os.utime(held.partial, (1, 1))  # nothing came since
    ada.begin(announced(said(size=500).encode()))
    with pytest.raises(DataError, match="the disk of the server has"):
        eve.begin(announced(said(size=900).encode()))  # it needs room anew
    DESKS._uploads.clear()


def test_twenty_unfinished_uploads_are_enough_for_one_person(store):
    desk = DESKS.get(DESKS.open("ada", store))
    for number in range(20):
        desk.begin(announced(said(name=f"{number}.h5ad").encode()))
    with pytest.raises(DataError, match=r"20 uploads of yours are unfinished"):
        desk.begin(announced(said(name="more.h5ad").encode()))
    again = desk.begin(announced(said(name="7.h5ad").encode()))
    assert again.name == "7.h5ad"
    desk.give_up(again)
    assert desk.begin(announced(said(name="more.h5ad").encode())).name == "more.h5ad"
    DESKS._uploads.clear()


def test_a_disk_that_fills_up_leaves_nothing_half_written(store, monkeypatch, tmp_path):
    desk = DESKS.open("ada", store)

    async def work(ask):
        start = begun(await ask("uploads", "POST", desk, body='{"name": "a.h5ad", "size": 9}'))
        upload = DESKS.get(desk).uploads[start["id"]]

        class Full:
            def write(self, chunk):
                raise OSError(28, "No space left on device")

            def close(self):
                pass

        path, whole = type(upload.partial), type(upload.partial).open

        def opened(self, *a, **k):
            return Full() if self == upload.partial else whole(self, *a, **k)

        monkeypatch.setattr(path, "open", opened)
        answer = await ask(f"uploads/{start['id']}?offset=0", "PUT", desk, body=b"abc")
        monkeypatch.undo()
        return answer, upload

    answer, upload = talk(work)
    assert answer.code == 507 and "nothing of it was kept" in begun(answer)["sentence"]
    assert not upload.partial.exists()


@pytest.mark.parametrize("headers", [{"Origin": "https://elsewhere.example"}, {"X-Desk": "guess"}])
def test_a_stranger_cannot_upload(store, headers):
    desk = DESKS.open("ada", store)
    body = '{"name": "a.h5ad", "size": 9}'
    assert talk(lambda ask: ask("uploads", "POST", desk, body=body, headers=headers)).code == 403


def test_a_proxy_on_another_port_that_sockets_accept_takes_uploads_too(store):
    desk = DESKS.open("ada", store)

    def status(origin):
        return talk(
            lambda ask: ask("uploads", "POST", desk, body=said(), headers={"Origin": origin})
        ).code

    assert status("https://lab.example:8443") == 200
    assert status("https://lab.example:9") == status("null") == 403


def test_an_offer_is_fetched_by_its_owner_only(monkeypatch):
    monkeypatch.setattr(transfer, "person_of", lambda handler: "ada")
    url = OFFERS.add("ada", "map.svg", b"<svg/>").removeprefix("transfer/")
    answer = talk(lambda ask: ask(url))
    assert (
        answer.body == b"<svg/>" and 'filename="map.svg"' in answer.headers["Content-Disposition"]
    )
    monkeypatch.setattr(transfer, "person_of", lambda handler: "eve")
    assert talk(lambda ask: ask(url)).code == 403
    assert talk(lambda ask: ask("offer/" + "x" * 32)).code == 404


def test_an_offered_file_that_is_gone_is_a_sentence(store, tmp_path):
    url = OFFERS.add("ada", "gone.h5ad", path=tmp_path / "gone.h5ad").removeprefix("transfer/")
    answer = talk(lambda ask: ask(url))
    assert answer.code == 410 and begun(answer)["sentence"].startswith("This file is gone")


def test_names_lead_nowhere():
    assert safe_name("../../etc/pass\nwd") == "pass_wd"
    assert safe_name("C:\\data\\my file (1).h5ad") == "my file (1).h5ad"
    assert safe_name("...") == "file"
    long = safe_name("Mixture of blood cells " * 12 + "donor 7 filtered.csv.gz")
    assert len(long) == 160 and long.endswith("donor 7 filtered.csv.gz")  # it is still a csv.gz
    assert len(safe_name("细胞" * 100 + ".h5ad").encode()) <= 160
