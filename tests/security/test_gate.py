"""Who comes in, as whom, and what every answer carries: attacks over the line on a real server."""

import asyncio
import hashlib
import hmac
import json
import re
import time
import urllib.parse

import pytest
from bokeh.util.token import (
    generate_jwt_token,
    generate_session_id,
    get_session_id,
    get_token_payload,
)
from tornado.httpclient import HTTPClientError

from app.login import hash_of
from tests.security.visitor import Visitor


def refused(visitor, token, **options):
    """The status with which the socket of a session is refused."""

    async def work():
        try:
            line = await visitor.socket(token, **options)
        except HTTPClientError as error:
            return error.code
        said = await asyncio.wait_for(line.read_message(), 60)  # None: closed at once
        line.close()
        return 0 if said else 1000

    return asyncio.run(work())


def test_a_session_is_joined_by_the_person_who_opened_it_and_by_nobody_else(lab):
    ada, bob, nobody = lab.visitor("ada"), lab.visitor("bob"), lab.visitor()
    token = ada.ask("/app").token
    assert refused(ada, token) == 0
    assert refused(bob, token) == 403
    assert refused(nobody, token) == 403
    assert refused(ada, token, origin="https://evil.example") == 403
    user = next(name for name in ada.cookies if name.startswith("user-"))
    for name in ("user", user):
        for said in ("ada", "local", '"2|1:0|ada"'):
            nobody.cookies |= {"is_guest": "1", name: said}
            assert refused(nobody, token) == 403


def test_a_session_cannot_be_forged(lab):
    ada = lab.visitor("ada")
    token = ada.ask("/app").token
    body, signature = token.split(".")
    known = get_session_id(token)
    extra = {"extra_payload": {"person": "ada", "headers": {}, "cookies": {}, "arguments": {}}}
    forged = [
        generate_jwt_token(generate_session_id(signed=False), signed=False, **extra),
        generate_jwt_token(known, signed=False, **extra),
        generate_jwt_token(
            generate_session_id(b"guess", signed=True), b"guess", signed=True, **extra
        ),
        f"{body}.{signature[::-1]}", f"{body[:-4]}AAAA.{signature}", body, "", "x", "..", "%00",
    ]  # fmt: skip
    for one in forged:
        assert refused(ada, one) in (400, 403), one


def test_a_session_that_is_too_old_opens_no_page(lab):
    ada = lab.visitor("ada")
    secret = (lab.data / ".cookie-secret").read_text()
    key = hmac.digest(secret.encode(), b"sessions", hashlib.sha256)
    extra = {"extra_payload": {"person": "ada", "headers": {}, "cookies": {}, "arguments": {}}}
    old = generate_jwt_token(
        generate_session_id(key, signed=True), key, signed=True, expiration=-10, **extra
    )
    assert refused(ada, old) == 1000


def test_nobody_can_be_sent_into_a_session_that_another_chose(lab):
    ada, bob = lab.visitor("ada"), lab.visitor("bob")
    token = ada.ask("/app").token
    known = get_session_id(token)
    for query in (f"bokeh-session-id={known}", f"bokeh-token={token}", "bokeh-session-id=x"):
        assert bob.ask(f"/app?{query}").status == 403
    assert bob.ask("/app", **{"Bokeh-Session-Id": known}).status == 403
    assert bob.ask("/app", **{"Bokeh-Token": token}).status == 403
    for odd in ("autoload.js", "autoload-js"):
        assert bob.ask(f"/app/{odd}?bokeh-autoload-element=x").status == 403


def test_the_token_in_the_page_holds_no_cookie(lab):
    payload = get_token_payload(lab.visitor("ada").ask("/app", X_Secret="abc").token)
    assert payload["person"] == "ada"
    assert set(payload["headers"]) <= {"Host"} and not payload["cookies"]


def test_without_signing_in_there_is_only_the_form(lab):
    nobody = lab.visitor()
    for path in ("/", "/app", "/app/", "/app/metadata", "/app?theme=dark"):
        answer = nobody.ask(path)
        form = urllib.parse.urljoin(path, answer.headers["Location"])
        assert answer.status == 302 and form.startswith("/login?next="), path
    assert nobody.ask("/transfer/offer/abc").status in (403, 404)
    assert nobody.ask("/transfer/uploads", "POST", "{}").status == 403
    # Panel would open a page of nobody's for this one.
    assert nobody.ask("/liveness?endpoint=/app").text == '{"/liveness": true}'
    nobody.cookies["is_guest"] = "1"
    assert nobody.ask("/app").status == 302


def test_one_form_lets_nobody_in_twice_and_none_without_the_mark_of_the_page(lab):
    visitor = lab.visitor()
    form = {"username": "ada", "password": "analytical engine"}
    assert visitor.ask("/login", "POST", form).status == 403
    visitor.ask("/login")
    assert visitor.ask("/login", "POST", {**form, "_xsrf": "2|0|0|0"}).status == 403
    assert visitor.ask("/login", "POST", {**form, "_xsrf": visitor.mark}).status == 303


@pytest.mark.parametrize(
    "wanted", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_signing_in_leads_to_this_server_only(lab, wanted):
    visitor = lab.visitor()
    visitor.ask("/login")
    form = {"_xsrf": visitor.mark, "username": "ada", "password": "analytical engine"}
    assert visitor.ask("/login", "POST", {**form, "next": wanted}).headers["Location"] == "/app"


def test_what_is_typed_into_the_form_is_no_script(lab):
    page = lab.visitor().ask('/login?error=1&next=/app"><script>alert(1)</script>')
    assert "alert(1)" not in page.text and "do not belong together" in page.text


def test_passwords_are_not_guessed_and_never_logged(lab):
    visitor, statuses = lab.visitor(), []
    for n in range(7):
        answer = visitor.sign_in("bob", f"Guess-{n}-wrong", X_Forwarded_For="203.0.113.7")
        statuses.append(answer.status)
    assert statuses[:5] == [303] * 5 and 429 in statuses[5:]
    late = visitor.sign_in("bob", "difference engine", X_Forwarded_For="203.0.113.7")
    assert late.status == 429 and int(late.headers["Retry-After"]) > 0
    assert "Too many attempts" in late.text
    # From elsewhere bob himself still comes in, and so does ada from there.
    assert lab.visitor().sign_in("bob", "difference engine").status == 303
    her = lab.visitor().sign_in("ada", "analytical engine", X_Forwarded_For="203.0.113.7")
    assert her.status == 303
    said = lab.log.read_text()
    assert "'bob' from 203.0.113.7 failed" in said
    assert "Guess-" not in said and "difference engine" not in said


def test_who_has_signed_out_is_out_with_every_copy_of_the_cookies_and_every_open_page(lab):
    ada = lab.visitor("ada", again=True)
    copy = Visitor(lab.home)
    copy.cookies = dict(ada.cookies)
    token = ada.ask("/app").token

    async def work():
        line = await ada.socket(token)
        await line.read_message()
        assert ada.ask("/logout").status == 200 and ada.ask("/app").status == 200  # only asked
        await asyncio.to_thread(ada.ask, "/logout", "POST", {"_xsrf": ada.mark})
        while (await asyncio.wait_for(line.read_message(), 60)) is not None:
            pass

    asyncio.run(work())
    assert ada.ask("/app").status == 302 and copy.ask("/app").status == 302
    assert refused(copy, token) == 403
    assert lab.visitor("ada").ask("/app").status == 200


def test_who_is_removed_or_gets_another_password_is_out_without_a_restart(lab):
    before = lab.people.read_text()
    everybody = json.loads(before)
    lab.people.write_text(json.dumps({**everybody, "dan": hash_of("dan's own password")}))
    dan = lab.visitor()
    assert dan.sign_in("dan", "dan's own password").status == 303
    assert dan.ask("/app").status == 200
    token = dan.ask("/app").token

    async def work():
        line = await dan.socket(token)
        await line.read_message()
        lab.people.write_text(json.dumps({**everybody, "dan": hash_of("another password")}))
        while (await asyncio.wait_for(line.read_message(), 60)) is not None:
            pass  # until the page that is open is closed

    asyncio.run(work())
    assert dan.ask("/app").status == 302
    lab.people.write_text("damaged")  # those who were known stay known
    assert lab.visitor("ada").ask("/app").status == 200
    lab.people.write_text(before)
    assert dan.sign_in("dan", "another password").status == 303 and dan.ask("/app").status == 302


@pytest.mark.parametrize(
    "path",
    ["/app", "/", "/login", "/logout", "/nothing", "/liveness", "/transfer/offer/x", "/favicon.ico",
     "/static/js/bokeh.min.js", "/static/extensions/diffbio-workbench/logo.svg", "/app/ws",
     "/static/nothing.js", "/liveness?endpoint=x", "/components/x"],
)  # fmt: skip
def test_every_answer_is_guarded(lab, path):
    for visitor in (lab.visitor(), lab.visitor("ada")):
        headers = visitor.ask(path).headers
        policy = headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy and "object-src 'none'" in policy
        scripts = re.search(r"script-src ([^;]*)", policy)[1]
        assert "unsafe" not in scripts and "*" not in scripts and "http" not in scripts
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["X-Frame-Options"] == "DENY"
        assert not [name for name in headers if name.startswith("Access-Control")]
        assert "Tornado" not in headers.get("Server", "")


def test_a_request_that_is_no_upload_may_not_be_large(lab):
    visitor = lab.visitor()
    visitor.ask("/login")
    try:
        status = visitor.ask("/login", "POST", b"x" * (8 << 20)).status
    except (ConnectionError, OSError):
        status = 400  # closed while we were still sending
    assert status in (400, 413)


def test_cookies_are_for_this_server_alone_and_by_tls_only_where_there_is_tls(lab):
    for protocol, secure in (("http", False), ("https", True)):
        visitor = lab.visitor()
        visitor.ask("/login")
        form = {"_xsrf": visitor.mark, "username": "ada", "password": "analytical engine"}
        answer = visitor.ask("/login", "POST", form, X_Forwarded_Proto=protocol)
        given = [c for c in answer.headers.get_all("Set-Cookie") if "expires=Thu, 01" not in c]
        assert {c.split("-")[0] for c in given} >= {"user", "login"}
        for cookie in given:
            assert "HttpOnly" in cookie and "SameSite=Lax" in cookie
            assert ("Secure" in cookie) == secure


def test_the_data_folder_is_for_the_account_of_the_server_alone(lab):
    assert lab.data.stat().st_mode & 0o077 == 0
    assert (lab.data / ".cookie-secret").stat().st_mode & 0o077 == 0
    for made in ("active", "cache", "engine.lock"):
        deadline = time.monotonic() + 20
        while not (lab.data / made).exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert (lab.data / made).stat().st_mode & 0o077 == 0
