"""How many tabs a person may have open; `tests/security` opens them on a real server."""

from types import SimpleNamespace

import pytest
from tornado.web import Finish, HTTPError

from app.access import tabs_open
from app.access.gate import Gate
from app.access.tabs_open import TabsOpen
from app.serve import most_tabs
from diffbio_engine.errors import SettingError


class Asking:
    """The handler of a page or of a socket."""

    def __init__(self):
        self.said, self.status, self.ws_connection = {}, 200, None
        self.connection, self.latest_pong = SimpleNamespace(_ping_count=0), -1
        loop = SimpleNamespace(add_callback=lambda act: act())
        self.application = SimpleNamespace(io_loop=loop)
        self.set_header = self.said.__setitem__

    def close(self):
        self.ws_connection = None

    def set_status(self, status):
        self.status = status

    def get_status(self):
        return self.status


def opened(tabs, person, n, *, is_new=False):
    """So many sockets of a person, open."""
    made = [Asking() for _ in range(n)]
    for socket in made:
        tabs.let_in_socket(socket, person, "", is_new=is_new)
        socket.status, socket.ws_connection = 101, "line"
    return made


def test_a_person_opens_ninety_pages_a_minute_and_no_more(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(tabs_open.time, "monotonic", lambda: now[0])
    tabs = TabsOpen(200)
    for _ in range(80):
        tabs.let_in_page(Asking(), "ada")
    kept = opened(tabs, "ada", 10, is_new=True)  # for each of these a session is made, too
    late = Asking()
    with pytest.raises(Finish, match="opens by itself in a moment"):
        tabs.let_in_page(late, "ada")
    assert late.status == 429 and late.said["Retry-After"] == "60"
    with pytest.raises(HTTPError, match="Too many pages"):
        opened(tabs, "ada", 1, is_new=True)
    now[0] = 45.5
    with pytest.raises(Finish):
        tabs.let_in_page(late, "ada")
    assert late.said["Retry-After"] == "15"  # when the first of them is a minute old
    kept += opened(tabs, "ada", 1)  # a line that broke, of a session that is there
    tabs.let_in_page(Asking(), "bob")
    now[0] = 61.0
    tabs.let_in_page(Asking(), "ada")
    assert tabs.of("ada") == 11 == len(kept)


def test_pages_that_wait_for_the_start_of_the_server_are_not_counted():
    tabs = TabsOpen(200)
    tabs.is_starting = lambda: True
    for _ in range(200):
        tabs.let_in_page(Asking(), "local")
    tabs.is_starting = lambda: False
    tabs.let_in_page(Asking(), "local")


def test_a_person_with_all_tabs_open_gets_a_sentence_until_one_is_closed():
    tabs = TabsOpen(3)
    hers = opened(tabs, "ada", 3)
    with pytest.raises(Finish, match=r"You have 3 tabs of the workbench open.*Close one of them"):
        tabs.let_in_page(Asking(), "ada")
    tabs.let_in_page(Asking(), "bob")
    hers[1].ws_connection = None
    tabs.let_in_page(Asking(), "ada")


def test_lines_that_broke_without_a_word_make_room_where_a_tab_would_be_refused():
    tabs = TabsOpen(3)
    sleeping, awake, fresh = opened(tabs, "ada", 3)
    sleeping.connection._ping_count = awake.connection._ping_count = 9
    sleeping.latest_pong, awake.latest_pong = 6, 7
    assert tabs.of("ada") == 3  # as long as there is room nothing is closed: a lid may be opened
    with pytest.raises(Finish, match="You have 3 tabs"):
        tabs.let_in_page(Asking(), "ada")
    tabs.let_in_page(Asking(), "ada")
    assert sleeping.ws_connection is None and awake.ws_connection and fresh.ws_connection


def test_sockets_without_pages_are_bounded_and_refused_ones_take_no_place():
    tabs = TabsOpen(3)
    hers = opened(tabs, "ada", 8)  # pages that were let in at the same moment
    with pytest.raises(HTTPError, match="Too many tabs are open"):
        opened(tabs, "ada", 1)
    for socket in hers:
        socket.status, socket.ws_connection = 403, None  # of another origin, say
    assert tabs.of("ada") == 0 and opened(tabs, "ada", 3)


def test_where_nobody_signs_in_all_people_together_have_ten_times_as_many():
    people = SimpleNamespace(mark=lambda name: "mark")
    assert (Gate(people).tabs.most, Gate().tabs.most) == (20, 200)
    assert Gate(most_tabs=7).tabs.most == 7


def test_the_number_of_tabs_is_a_setting(monkeypatch):
    assert most_tabs() is None
    monkeypatch.setenv("MOST_TABS", "3")
    assert most_tabs() == 3
    for wrong in ("0", "many", "2.5", "-1"):
        monkeypatch.setenv("MOST_TABS", wrong)
        with pytest.raises(SettingError, match=f"MOST_TABS={wrong} is no number of tabs"):
            most_tabs()
