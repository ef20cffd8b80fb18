"""Bob, who has signed in, tries every message and route with what is ada's."""

import asyncio
import base64
import json
import sys

import pytest
from tornado.web import HTTPError

from app.serve import Components
from tests.security.conftest import RUN


def run(work):
    """Runs a conversation, for a minute at most."""
    return asyncio.run(asyncio.wait_for(work, 180))


def test_no_message_about_data_shows_bob_what_is_adas(lab):
    hers = lab.her_file
    inner = hers.relative_to(lab.data)
    paths = [
        hers, inner, f"cohort/../{inner}", "cohort/link.h5ad", hers.parent, "owners", "", ".",
        f"runs/{RUN}/result.h5ad", lab.data / "runs" / RUN, "/etc/passwd", lab.people,
        "../users.json", ".cookie-secret", "tabs", "a\u0000b", "x" * 5000,
    ]  # fmt: skip

    async def work():
        tab = await lab.visitor("bob").tab()
        await tab.say("HeaderStrip", {"do": "show", "what": "data"})
        for path in paths:
            await tab.say("DataDesk", {"do": "server", "path": str(path)})
            await tab.until('"problem".*(There is no file|holds no data)')
        for path in ("owners", str(hers.parent), "runs", "tabs", "../", "/etc"):
            await tab.say("DataDesk", {"do": "enter", "path": path})
            await tab.until("There is no file")
        for known in (hers.parent.name, "../" + hers.parent.name, "", "%2e%2e"):
            await tab.say("DataDesk", {"do": "look", "id": known})
            await tab.until("You have no such data set")
        for known in (hers.parent.name, "../" + hers.parent.name):
            await tab.say("DataDesk", {"do": "delete", "id": known})
            await tab.until("You have no such data set")
        await tab.say("DataDesk", {"do": "server", "path": "cohort/table.csv"})
        await tab.until("table.csv")  # what is for everybody is seen
        tab.line.close()

    run(work())
    assert hers.exists()
    assert [d.name for d in lab.store.datasets("bob")] == ["table.csv"]


def test_no_message_about_runs_shows_or_deletes_adas(lab):
    async def work():
        tab = await lab.visitor("bob").tab()
        await tab.say("HeaderStrip", {"do": "show", "what": "runs"})
        for known in (RUN, f"../runs/{RUN}", "..", ""):
            for do in ("open", "delete"):
                await tab.say("RunTable", {"do": do, "id": known})
                await tab.until("You have no run")
        tab.line.close()

    run(work())
    assert (lab.data / "runs" / RUN / "run.json").exists()


def test_a_property_that_the_page_sets_makes_the_server_read_no_file(lab):
    picture = lab.data / "owners" / "hers.svg"
    picture.write_text('<svg xmlns="http://www.w3.org/2000/svg"><text>SECRET</text></svg>')
    inside = base64.b64encode(picture.read_bytes())[:80].decode()

    async def work():
        tab = await lab.visitor("bob").tab()
        for name, value in (("logo", str(picture)), ("logo", {"light": str(picture)})):
            await tab.put("Page", name, value)
        icon = {"type": "object", "name": "CustomAction", "id": "x1"}
        await tab.put("Page", "tags", [{**icon, "attributes": {"icon": str(picture)}}])
        told = await _whole(tab)
        tab.line.close()
        return told

    told = run(work())
    assert str(picture) in told and "SECRET" not in told and inside not in told


async def _whole(tab):
    await tab._send("PULL-DOC-REQ", {})
    return await tab.until('"roots"')


def test_a_download_is_for_the_person_it_was_made_for(lab):
    ada, bob, nobody = lab.visitor("ada"), lab.visitor("bob"), lab.visitor()

    async def work():
        tab = await ada.tab()
        await tab.say("HeaderStrip", {"do": "show", "what": "exports"})
        await tab.say("ExportMenu", {"do": "pipeline"})
        said = await tab.until("transfer/offer/")
        tab.line.close()
        return said.split("transfer/offer/")[1].split('"')[0]

    offer = "/transfer/offer/" + run(work())
    assert ada.ask(offer).status == 200
    assert [who.ask(offer).status for who in (bob, nobody)] == [403, 403]
    assert bob.ask("/transfer/offer/" + "x" * 32).status == 404


def test_an_upload_is_for_the_tab_and_the_person_that_announced_it(lab):
    ada, bob = lab.visitor("ada"), lab.visitor("bob")

    async def desk_of(visitor):
        tab = await visitor.tab()
        await tab.say("HeaderStrip", {"do": "show", "what": "data"})
        while not (said := [h for h in tab.heard if '"desk"' in h]):
            await tab.hear()
        return said[0].split('"desk":"')[1].split('"')[0], tab

    async def work():
        (hers, her_tab), (his, his_tab) = await desk_of(ada), await desk_of(bob)
        body = json.dumps({"name": "a.csv", "size": 4, "ends": "AAEC", "changed": [1]})

        def ask(who, desk, path="", method="POST", sent=body):
            marks = {"X_Desk": desk, "X_XSRFToken": who.mark}
            return who.ask(f"/transfer/uploads{path}", method, sent, **marks)

        begun = ask(ada, hers)
        assert begun.status == 200
        known = json.loads(begun.text)["id"]
        assert ask(bob, hers).status == 403  # her desk, his cookie
        assert ask(bob, his, f"/{known}?offset=0", "PUT", "evil").status == 404
        assert ask(bob, hers, f"/{known}?offset=0", "PUT", "evil").status == 403
        assert ask(bob, his, f"/{known}", "DELETE", None).status == 404
        assert ask(lab.visitor(), hers).status == 403
        unmarked = ada.ask("/transfer/uploads", "POST", body, X_Desk=hers)
        assert unmarked.status == 403
        elsewhere = {"X_Desk": hers, "X_XSRFToken": ada.mark, "Origin": "https://evil.example"}
        assert ada.ask("/transfer/uploads", "POST", body, **elsewhere).status == 403
        assert ask(ada, hers, f"/{known}?offset=0", "PUT", "good").status == 200
        for tab in (her_tab, his_tab):
            tab.line.close()

    run(work())
    newest = lab.store.datasets("ada")[0]
    assert newest.path.read_text() == "good"
    lab.store.delete_dataset("ada", newest.id)


@pytest.mark.parametrize("path", ["antigravity/x/css/y", "app.main/a/css/b"])
def test_nobody_makes_the_server_import_a_module(lab, path, monkeypatch):
    assert lab.visitor().ask(f"/components/{path}").status == 404
    module = path.split("/")[0]
    monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(HTTPError, match="There is no such component"):
        Components.parse_url_path(None, path)
    assert module not in sys.modules
