"""How many tabs a person has open, and may have: one of them must not take the whole server."""

import math
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

from jinja2 import Environment
from tornado.web import Finish, HTTPError, RequestHandler

MOST_TABS = 20
"""Of one person; an administrator's ``MOST_TABS`` says otherwise."""
# Where nobody signs in, all who come are one person.
_PEOPLE_IN_ONE = 10
# A page that was let in needs its socket: several may come at the same moment.
_COMING = 5
# Each page costs the server a moment, in which nobody else is served.
_MOST_PAGES, _PAGES_SECONDS = 90, 60.0
_LOOK_AGAIN_SECONDS = 5
_PAGE = Environment(autoescape=True).from_string(
    """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>DiffBio Workbench</title>
<meta http-equiv="refresh" content="{{ seconds }}"></head><body style="margin:0;display:grid;
place-items:center;min-height:100vh;font:500 15px Inter,system-ui,sans-serif;color:#5b6876;
background:#f4f6f8"><p style="max-width:30em;margin:24px">{{ sentence }}</p></body></html>"""
)


class TabsOpen:
    """The open sockets of each person, and when their last pages were opened.

    Args:
        most: How many tabs a person may have open; None: as many as is usual.
        is_shared: Whether all who come are one person.
    """

    def __init__(self, most: int | None = None, *, is_shared: bool = False):
        self.most = most or MOST_TABS * (_PEOPLE_IN_ONE if is_shared else 1)
        self.is_starting: Callable[[], bool] = lambda: False
        """Whether a page only says that the workbench starts, and looks again each second."""
        self._guard = threading.RLock()
        self._pages: dict[str, deque[float]] = {}
        self._sockets: weakref.WeakKeyDictionary[Any, tuple[str, str]] = weakref.WeakKeyDictionary()

    def open_now(self) -> list[tuple[Any, tuple[str, str]]]:
        """Each open socket, with the person and their login."""
        with self._guard:  # Bokeh asks in threads of its own: others come in meanwhile
            there = list(self._sockets.items())
        return [(socket, told) for socket, told in there if _is_open(socket)]

    def of(self, person: str) -> int:
        """How many sockets of a person are open."""
        return sum(name == person for _, (name, _) in self.open_now())

    def let_in_page(self, handler: RequestHandler, person: str) -> None:
        """Counts a page that is about to be made, or answers with why it is not."""
        if self._is_full(person, self.most):
            sentence = (
                f"You have {self.most} tabs of the workbench open, and more than {self.most} "
                "cannot be. Close one of them; this page then opens by itself."
            )
            _ask_to_wait(handler, sentence, _LOOK_AGAIN_SECONDS)
        if not self.is_starting() and (wait := self._count_page(person)):
            sentence = "Too many pages were opened at once. This one opens by itself in a moment."
            _ask_to_wait(handler, sentence, wait)

    def let_in_socket(self, socket: Any, person: str, login: str, *, is_new: bool) -> None:
        """Counts a socket that is about to open.

        Args:
            socket: Its handler.
            person: Whose it is.
            login: By which they came in.
            is_new: Whether a session is made for it, as for a page.

        Raises:
            HTTPError: 429, if the person has too many.
        """
        with self._guard:
            if self._is_full(person, self.most + _COMING):
                raise HTTPError(429, reason="Too many tabs are open; close some")
            if is_new and self._count_page(person):
                raise HTTPError(429, reason="Too many pages were opened; wait a minute")
            self._sockets[socket] = person, login

    def _is_full(self, person: str, most: int) -> bool:
        """Whether the person has so many; then those that answer no more are closed for the next.

        A line that broke without a word (a closed lid, another network) lives on for a quarter of
        an hour, and its page has come back by another one.
        """
        if self.of(person) < most:
            return False
        for socket, (name, _) in self.open_now():
            if name == person and _is_silent(socket):
                socket.application.io_loop.add_callback(socket.close)
        return True

    def _count_page(self, person: str) -> int:
        """Seconds until the person may open another page; 0 if now, and then it counts."""
        now = time.monotonic()
        with self._guard:
            opened = self._pages.setdefault(person, deque(maxlen=_MOST_PAGES))
            wait = opened[0] + _PAGES_SECONDS - now if len(opened) == _MOST_PAGES else 0.0
            if wait <= 0:
                opened.append(now)
                return 0
        return math.ceil(wait)


def _is_open(socket: Any) -> bool:
    """Whether a socket is open or about to be; a refused or closed one has its answer already."""
    return socket.ws_connection is not None or socket.get_status() == 200


def _is_silent(socket: Any) -> bool:
    """Whether the last two pings, which are half a minute apart, have had no answer."""
    line = socket.connection
    return line is not None and line._ping_count - socket.latest_pong > 2


def _ask_to_wait(handler: RequestHandler, sentence: str, seconds: int) -> None:
    handler.set_status(429)
    handler.set_header("Retry-After", str(seconds))
    handler.set_header("Content-Type", "text/html; charset=utf-8")
    raise Finish(_PAGE.render(sentence=sentence, seconds=seconds))
