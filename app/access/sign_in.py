"""The pages on which one signs in and out."""

import asyncio
import logging
import re
import unicodedata
from typing import Any

import jinja2
from tornado.escape import url_escape
from tornado.web import RequestHandler

from app.access.attempts import Attempts
from app.style import theme

_LOG = logging.getLogger("diffbio.app")
_PAGE = jinja2.Environment(autoescape=True).from_string(
    (theme.ASSETS / "login.html").read_text(encoding="utf-8")
)
_WRONG = (
    "This name and password do not belong together. Check both, or ask whoever runs this server."
)
ATTEMPTS = Attempts()
# Hashes take memory and time on purpose; more than these wait for their turn.
_AT_ONCE = asyncio.Semaphore(2)


class _Page(RequestHandler):
    def show(self, status: int = 200, **said: Any) -> None:
        """The page, with what it is to say."""
        self.set_status(status)
        self.set_header("Cache-Control", "no-store")
        form = {
            "xsrf": self.xsrf_token.decode(),
            "next": self.wanted,
            "leaving": False,
            "wrong": "",
        }
        self.finish(_PAGE.render({**form, **said}))

    @property
    def gate(self) -> Any:
        """Who decides."""
        return self.application.auth_provider  # type: ignore[attr-defined]

    @property
    def wanted(self) -> str:
        """The page that was asked for, on this server; the workbench if it is none."""
        home = f"{self.application.prefix}/app"  # type: ignore[attr-defined]
        asked = self.get_argument("next", "")
        plain = re.fullmatch(r"/(?!/)[\w./~%?=&+-]*", asked, re.ASCII)
        return asked if plain and len(asked) < 500 else home

    def write_error(self, status_code: int, **_: Any) -> None:
        """Says it on the same page."""
        self.show(status_code, wrong=f"{self._reason}. Reload this page, then try again.")


class SignIn(_Page):
    """``GET login`` asks who one is, ``POST login`` says it."""

    def get(self) -> None:
        """The form."""
        self.show(wrong=_WRONG if self.get_argument("error", "") else "")

    async def post(self) -> None:
        """Lets in who brings name and password, as often as `Attempts` allows."""
        name = unicodedata.normalize("NFC", self.get_body_argument("username", ""))[:64]
        password = self.get_body_argument("password", "", strip=False)
        address = str(self.request.remote_ip)
        known = self.gate.has_been_here(self, name)
        if wait := ATTEMPTS.wait(name, address, known):
            return self._wait(wait, name, address)
        async with _AT_ONCE:
            # Others may have failed meanwhile.
            if wait := ATTEMPTS.wait(name, address, known):
                return self._wait(wait, name, address)
            ATTEMPTS.failed(name, address)  # taken back if it is right: a burst counts too
            right = await asyncio.to_thread(self.gate.people.are, name, password)
        if not right:
            _LOG.warning("Sign-in as %s from %s failed", self._told(name), address)
            wanted = url_escape(self.wanted)
            return self.redirect(f"login?error=1&next={wanted}", status=303)
        ATTEMPTS.succeeded(name, address)
        _LOG.info("%r signed in from %s", name, address)
        self.gate.sign_in(self, name)
        self.redirect(self.wanted, status=303)

    def _told(self, name: str) -> str:
        """For the log: some type their password where the name belongs."""
        return repr(name) if self.gate.people.mark(name) else "somebody unknown"

    def _wait(self, seconds: float, name: str, address: str) -> None:
        told = self._told(name)
        _LOG.warning("Sign-in as %s from %s has to wait %.0f s", told, address, seconds)
        self.set_header("Retry-After", str(int(seconds) + 1))
        self.show(429, wrong=f"Too many attempts. Wait {_in_words(seconds)}, then try again.")


class SignOut(_Page):
    """``GET logout`` asks whether one is sure, ``POST logout`` does it."""

    def get(self) -> None:
        """The question: a link of another page cannot sign anybody out."""
        self.show(leaving=True, name=self.gate.person(self) or "")

    def post(self) -> None:
        """Signs out, here and in all tabs of this browser."""
        _LOG.info("%r signed out", self.gate.person(self))
        self.gate.sign_out(self)
        self.redirect("login", status=303)


def _in_words(seconds: float) -> str:
    return f"{int(seconds) + 1} seconds" if seconds < 90 else f"{int(seconds / 60) + 1} minutes"
