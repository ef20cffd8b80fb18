"""Who asks, and whether they come in: at every page, every socket and every route."""

import logging
import posixpath
import secrets
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from bokeh.server.auth_provider import AuthProvider
from bokeh.server.views.autoload_js_handler import AutoloadJsHandler
from bokeh.server.views.doc_handler import DocHandler
from bokeh.server.views.ws import WSHandler
from bokeh.util.token import check_token_signature, get_session_id, get_token_payload
from panel.config import config
from tornado.web import HTTPError, RequestHandler, decode_signed_value

from app.access.cookies import BEFORE, LOGIN, MARK, USER, cookie_of
from app.access.message_size import Received, bound_messages
from app.access.tabs_open import TabsOpen
from app.login import People
from diffbio_engine.errors import UserError
from diffbio_engine.runs.folder.durable_files import read_json, write_json

_LOG = logging.getLogger("diffbio.app")
ALONE = "local"
"""Who asks where nobody signs in."""
PERSON = "person"
"""In the token of a session: who opened it."""
DAYS = 1.0
"""How long somebody stays signed in."""
_BEFORE_DAYS = 180.0
_NOBODY = {"", ALONE, "guest", "default_user"}
_SESSION_ARGUMENTS = ("bokeh-session-id", "bokeh-token")
_SESSION_HEADERS = ("Bokeh-Session-Id", "Bokeh-Token")

AS_IT_IS_SERVED = "python -m app.serve app"


class Gate(AuthProvider):
    """Bokeh asks it about each request for a page or a socket; our own routes ask it too.

    Args:
        people: Who may sign in by a file; None where nobody has to.
        inner: A provider of Panel's own (OAuth) that knows the person instead.
        secret: Signs cookies.
        left: Where it is kept who has signed out, so that it holds after a restart.
        most_tabs: How many tabs each may have open; by default as `TabsOpen` has it.
    """

    def __init__(
        self,
        people: People | None = None,
        inner: AuthProvider | None = None,
        secret: str = "",
        left: Path | None = None,
        most_tabs: int | None = None,
    ):
        self.people, self.inner, self.secret, self._left_file = people, inner, secret, left
        self._guard = threading.Lock()
        self.tabs = TabsOpen(most_tabs, is_shared=not self.is_on)
        self._received = Received(is_shared=not self.is_on)
        kept = read_json(left) if left is not None else {}
        self._left = {login: float(when) for login, when in kept.items()}
        super().__init__()

    # -- what Bokeh asks of a provider -----------------------------------------------------------

    @property
    def get_user(self) -> Callable[[Any], Any] | None:
        """Who asks, where that needs no other server."""
        return None if self.inner is not None else self._admitted

    @property
    def get_user_async(self) -> Callable[[Any], Awaitable[Any]] | None:
        """Who asks, where a provider of Panel's knows."""
        if self.inner is None:
            return None
        asked = self.inner

        async def find(handler: Any) -> str | None:
            if asked.get_user_async is not None:
                found: Any = await asked.get_user_async(handler)
            else:
                found = asked.get_user(handler) if asked.get_user is not None else None
            return self._let_in(handler, found)

        return find

    @property
    def login_url(self) -> str:
        """Where one signs in."""
        return (self.inner and self.inner.login_url) or "/login"

    @property
    def login_handler(self) -> type[RequestHandler] | None:
        """The page on which one signs in."""
        if self.inner is not None:
            return self.inner.login_handler
        from app.access.sign_in import SignIn

        return SignIn if self.people is not None else None

    @property
    def logout_url(self) -> str | None:
        """Where one signs out."""
        return (self.inner.logout_url if self.inner else "/logout") if self.is_on else None

    @property
    def logout_handler(self) -> type[RequestHandler] | None:
        """The page on which one signs out."""
        if self.inner is not None:
            return self.inner.logout_handler
        from app.access.sign_in import SignOut

        return SignOut if self.people is not None else None

    # -- who asks --------------------------------------------------------------------------------

    @property
    def is_on(self) -> bool:
        """Whether one has to sign in."""
        return self.people is not None or self.inner is not None

    def person(self, handler: RequestHandler) -> str | None:
        """The person of a request by its signed cookies; None if nobody has signed in."""
        if not self.is_on:
            return ALONE
        name = self._cookie(handler, USER)
        if name is None or name.lower() in _NOBODY:
            return None
        if self.people is None:
            return name
        return name if self._is_in(name, self._cookie(handler, LOGIN) or "") else None

    def _is_in(self, name: str, said: str) -> bool:
        """Whether the login that a cookie tells of still holds."""
        mark, _, login = said.partition(".")
        known = self.people.mark(name) if self.people is not None else ""
        return bool(known) and secrets.compare_digest(mark, known) and login not in self._left

    def look_after_sockets(self) -> None:
        """Closes the open pages of those who were removed or got another password."""
        for socket, (name, said) in self.tabs.open_now():
            if self.people is not None and not self._is_in(name, said):
                socket.close()

    def _named(self, what: str) -> str:
        """The cookie's name; a provider of Panel's has names of its own."""
        return what if self.inner is not None else cookie_of(what, self.secret)

    def _cookie(self, handler: RequestHandler, what: str, days: float = DAYS) -> str | None:
        name, secret = self._named(what), self.secret or config.cookie_secret
        kept = handler.get_cookie(name)
        if not kept or not secret:
            return None
        value = decode_signed_value(secret, name, kept, max_age_days=days)
        return value.decode("utf-8", "replace") if value else None

    def _admitted(self, handler: Any) -> str | None:
        return self._let_in(handler, self.person(handler))

    def _let_in(self, handler: Any, person: str | None) -> str | None:
        """The person, if the session that they ask for is theirs."""
        request = handler.request
        if any(name in request.arguments for name in _SESSION_ARGUMENTS) or any(
            name in request.headers for name in _SESSION_HEADERS
        ):
            raise HTTPError(403, reason="A session is opened by the page only")
        if isinstance(handler, AutoloadJsHandler):
            raise HTTPError(403, reason="The workbench is not shown inside other pages")
        if person is None or (self.is_on and person.lower() in _NOBODY):
            # Panel's would be right one folder deep only.
            form, here = (
                handler.application.prefix + self.login_url,
                posixpath.dirname(request.path),
            )
            handler.get_login_url = lambda: posixpath.relpath(form, here or "/")
            return None
        if isinstance(handler, WSHandler):
            if not self._opened_by(handler, person):
                return None
            login = self._cookie(handler, LOGIN) or ""
            self.tabs.let_in_socket(handler, person, login, is_new=not _has_session(handler))
            bound_messages(handler, lambda n_bytes: self._received.takes(person, n_bytes))
        elif request.method == "GET":
            if isinstance(handler, DocHandler):
                self.tabs.let_in_page(handler, person)
            request.person = person  # into the token of the session, by app/app_hooks.py
            _ = handler.xsrf_token  # sets its cookie
        return person

    def _opened_by(self, handler: Any, person: str) -> bool:
        """Whether the token that a socket brings was given to this person by this server."""
        token, app = _token_of(handler), handler.application
        try:
            signed = check_token_signature(token, secret_key=app.secret_key, signed=True)
            theirs = signed and get_token_payload(token).get(PERSON) == person
        except Exception:  # whatever a stranger sends as a token
            theirs = False
        if not theirs:
            _LOG.warning("A socket from %s was refused: no session of theirs", _address(handler))
        return theirs

    # -- signing in and out ----------------------------------------------------------------------

    def sign_in(self, handler: RequestHandler, name: str) -> None:
        """Gives the browser the cookies that say who it is."""
        assert self.people is not None
        login = f"{self.people.mark(name)}.{secrets.token_urlsafe(12)}"
        before = self.people.mark(name)
        for what, value, days in (
            (USER, name, DAYS), (LOGIN, login, DAYS), (BEFORE, before, _BEFORE_DAYS)
        ):  # fmt: skip
            handler.set_signed_cookie(
                self._named(what), value, expires_days=days, httponly=True, path=config.cookie_path
            )

    def has_been_here(self, handler: RequestHandler, name: str) -> bool:
        """Whether this person has signed in from this browser, with the password of today."""
        mark = self.people.mark(name) if self.people is not None else ""
        before = self._cookie(handler, BEFORE, _BEFORE_DAYS) or ""
        return bool(mark) and secrets.compare_digest(mark.encode(), before.encode())

    def sign_out(self, handler: RequestHandler) -> None:
        """Takes them back, also from whoever has a copy, and closes the open pages."""
        login = self._login_of(handler)
        with self._guard:
            now = time.time()  # what is older than a cookie may be forgotten
            left = {of: when for of, when in self._left.items() if now - when < DAYS * 86_400}
            self._left = {**left, login: now} if login else left
            if self._left_file is not None:
                with suppress(OSError, UserError):  # it holds until the restart, then
                    write_json(self._left_file, self._left)
        for what in (USER, LOGIN, MARK):
            handler.clear_cookie(self._named(what), path=config.cookie_path)
        self.look_after_sockets()

    def _login_of(self, handler: RequestHandler) -> str:
        return (self._cookie(handler, LOGIN) or "").partition(".")[2]


def _token_of(handler: Any) -> str:
    """What a socket brings to say which session it belongs to."""
    return handler.request.headers.get("Sec-WebSocket-Protocol", "").split(",")[-1].strip()


def _has_session(handler: Any) -> bool:
    """Whether the session of a socket is there, as its page made it."""
    known = get_session_id(_token_of(handler))
    return any(session.id == known for session in list(handler.application_context.sessions))


def _address(handler: RequestHandler) -> str:
    return str(handler.request.remote_ip)


def person_of(handler: RequestHandler) -> str:
    """The person who asks one of our own routes; 403 if nobody has signed in and they have to."""
    gate = getattr(handler.application, "auth_provider", None)
    if isinstance(gate, Gate):
        person = gate.person(handler)
        if person is None:
            raise HTTPError(403, reason="Please sign in")
        return person
    if gate is not None and (gate.get_user or gate.get_user_async):
        raise HTTPError(403, reason="This server was not started by app.serve")
    return ALONE
