"""What the gate decides by itself, without a server; `tests/security` attacks a real one."""

from types import SimpleNamespace

import pytest
from tornado.web import HTTPError, create_signed_value

from app.access.cookies import cookie_of
from app.access.gate import ALONE, Gate, person_of


def asking(provider):
    """A request to one of our own routes."""
    return SimpleNamespace(
        application=SimpleNamespace(auth_provider=provider), get_cookie=lambda name: None
    )


def test_where_nobody_signs_in_everybody_is_one_person():
    assert person_of(asking(Gate())) == ALONE


def test_where_people_sign_in_nobody_is_let_in_without():
    people = SimpleNamespace(mark=lambda name: "mark")
    with pytest.raises(HTTPError, match="Please sign in"):
        person_of(asking(Gate(people, secret="secret")))


def test_a_login_that_is_not_ours_closes_our_routes():
    theirs = SimpleNamespace(get_user=lambda handler: "ada", get_user_async=None)
    with pytest.raises(HTTPError, match=r"app\.serve"):
        person_of(asking(theirs))


def test_who_has_signed_out_stays_out_after_a_restart(tmp_path):
    people = SimpleNamespace(mark=lambda name: "mark")
    name = cookie_of("login", "secret")
    cookie = create_signed_value("secret", name, "mark.7").decode()
    browser = SimpleNamespace(
        get_cookie=lambda asked: cookie if asked == name else None, clear_cookie=lambda *a, **k: 0
    )
    first = Gate(people, secret="secret", left=tmp_path / "left.json")
    assert first._is_in("ada", "mark.7")
    first.sign_out(browser)
    again = Gate(people, secret="secret", left=tmp_path / "left.json")
    assert not first._is_in("ada", "mark.7") and not again._is_in("ada", "mark.7")
    assert again._is_in("ada", "mark.8") and not again._is_in("ada", "another.8")


def test_a_browser_is_known_for_the_person_who_signed_in_there_with_the_password_of_today():
    marks = {"ada": "hers", "bob": "his"}
    guard = Gate(SimpleNamespace(mark=lambda name: marks.get(name, "")), secret="secret")
    before, login = (cookie_of(what, "secret") for what in ("before", "login"))
    kept = create_signed_value("secret", before, "hers").decode()
    other = create_signed_value("secret", login, "hers").decode()
    for value, known in ((kept, True), (other, False), ("hers", False), (None, False)):
        browser = SimpleNamespace(get_cookie=lambda name, value=value: value)
        assert guard.has_been_here(browser, "ada") is known
        assert not guard.has_been_here(browser, "bob") and not guard.has_been_here(browser, "eve")
    marks["ada"] = "another"
    assert not guard.has_been_here(SimpleNamespace(get_cookie=lambda name: kept), "ada")


def test_one_browser_is_signed_in_to_two_workbenches_of_one_machine_at_once():
    jar = {}  # of the browser, which tells no ports apart
    people = SimpleNamespace(mark=lambda name: "mark")
    gates = {secret: Gate(people, secret=secret) for secret in ("one", "other")}
    browser = SimpleNamespace(get_cookie=jar.get)

    def of(secret):
        def keep(name, value, **_):
            jar[name] = create_signed_value(secret, name, value).decode()

        left = {"clear_cookie": lambda name, **_: jar.pop(name, None)}
        return SimpleNamespace(set_signed_cookie=keep, get_cookie=jar.get, **left)

    gates["one"].sign_in(of("one"), "ada")
    gates["other"].sign_in(of("other"), "bob")
    assert gates["one"].person(browser) == "ada" and gates["other"].person(browser) == "bob"
    gates["other"].sign_out(of("other"))
    assert gates["one"].person(browser) == "ada" and gates["other"].person(browser) is None
    again = Gate(people, secret="one")  # started anew with what lies in its data folder
    assert again.person(browser) == "ada"
