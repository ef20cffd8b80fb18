"""A browser without a screen: cookies, pages, and the protocol of the page's socket."""

import asyncio
import contextlib
import http.client
import json
import re
import urllib.parse
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any

from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect


@dataclass
class Answer:
    """What the server answered."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    @property
    def token(self) -> str:
        """The token of the session that this page opens."""
        found = re.search(r'"token":"([^"]+)"', self.text)
        assert found, self.text[:300]
        return found[1]


class Visitor:
    """Sends what a person, or an attacker, may send; keeps cookies; follows no redirect."""

    def __init__(self, home: str):
        self.home, self.cookies = home, dict[str, str]()

    def ask(self, path: str, method: str = "GET", body: Any = None, **headers: str) -> Answer:
        """One request; ``X_Desk="..."`` is a header."""
        there = urllib.parse.urlsplit(self.home)
        line = http.client.HTTPConnection(there.hostname or "", there.port, timeout=60)
        if isinstance(body, dict):
            body = urllib.parse.urlencode(body)
            headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        with contextlib.closing(line):
            line.request(method, path, body, {"Cookie": self.cookie, **sent})
            reply = line.getresponse()
            answer = Answer(reply.status, reply.headers, reply.read())
        for cookie in answer.headers.get_all("Set-Cookie") or ():
            for name, morsel in SimpleCookie(cookie).items():
                self.cookies[name] = morsel.coded_value
        return answer

    @property
    def cookie(self) -> str:
        """All cookies, as a header."""
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    @property
    def mark(self) -> str:
        """What a page of the server puts into a form so that no other page can."""
        return next((v for n, v in self.cookies.items() if n.startswith("_xsrf-")), "")

    def sign_in(self, name: str, password: str, **headers: str) -> Answer:
        """Fills in the form."""
        self.ask("/login")
        form = {"_xsrf": self.mark, "username": name, "password": password}
        return self.ask("/login", "POST", form, **headers)

    async def socket(self, token: str, origin: str = "") -> Any:
        """The socket of a session; raises where it is refused."""
        headers = {"Cookie": self.cookie, "Origin": origin or self.home}
        request = HTTPRequest("ws" + self.home[4:] + "/app/ws", headers=headers)
        return await websocket_connect(request, subprotocols=["bokeh", token])

    async def tab(self) -> "Tab":
        """An open page."""
        for _ in range(60):
            page = self.ask("/app")
            tab = Tab(await self.socket(page.token))
            await tab.hear()  # that the socket is open
            await tab.pull()
            if tab.has("HeaderStrip"):
                return tab
            tab.line.close()
            await asyncio.sleep(0.5)  # it is still starting
        raise AssertionError("the workbench did not start")


@dataclass
class Tab:
    """A page with its components, to which anything may be said."""

    line: Any
    heard: list[str] = field(default_factory=list)
    ids: dict[str, str] = field(default_factory=dict)
    data_ids: dict[str, str] = field(default_factory=dict)
    n: int = 0

    def has(self, component: str) -> bool:
        """Whether the page has it already."""
        return component in self.ids

    async def pull(self) -> None:
        """Asks for the whole document."""
        await self._send("PULL-DOC-REQ", {})
        await self.until("PULL-DOC-REPLY", of_kind=True)

    async def say(self, component: str, message: dict[str, Any]) -> None:
        """What the component's script would say to the server."""
        for _ in range(40):
            if self.has(component):
                break
            await self.hear()
        values = {
            "type": "map",
            "entries": [["model", {"id": self.ids[component]}], ["data", _plain(message)]],
        }
        event = {"type": "event", "name": "data_event", "values": values}
        sent = {"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": event}
        await self._send("PATCH-DOC", {"events": [sent]})

    async def put(self, component: str, name: str, value: Any) -> None:
        """Sets a property, as a script in the page can."""
        changed = {"kind": "ModelChanged", "model": {"id": self.data_ids[component]}}
        await self._send("PATCH-DOC", {"events": [{**changed, "attr": name, "new": value}]})

    async def until(self, text: str, *, of_kind: bool = False, seconds: float = 30.0) -> str:
        """Waits until the server has said something with this text in it."""
        async with asyncio.timeout(seconds):
            while True:
                for said in self.heard:
                    if re.search(text, said):
                        self.heard.clear()
                        return said
                await self.hear(of_kind=of_kind)

    async def hear(self, *, of_kind: bool = False) -> None:
        """One message."""
        head, _, content = [await self._frame() for _ in range(3)]
        about = json.loads(head)
        for _ in range(2 * about.get("num_buffers", 0)):
            await self._frame()
        self.heard.append(about["msgtype"] if of_kind else content)
        self._learn(json.loads(content))

    async def _frame(self) -> str:
        frame = await asyncio.wait_for(self.line.read_message(), 30)
        assert frame is not None, "the server closed the socket"
        return frame if isinstance(frame, str) else ""

    def _learn(self, said: Any) -> None:
        if isinstance(said, dict):
            attributes = said.get("attributes") or {}
            if "class_name" in attributes and "id" in said:
                self.ids[attributes["class_name"]] = said["id"]
                self.data_ids[attributes["class_name"]] = attributes["data"]["id"]
            for value in said.values():
                self._learn(value)
        elif isinstance(said, list):
            for value in said:
                self._learn(value)

    async def _send(self, kind: str, content: Any) -> None:
        self.n += 1
        for part in ({"msgid": str(self.n), "msgtype": kind}, {}, content):
            await self.line.write_message(json.dumps(part))


def _plain(message: dict[str, Any]) -> dict[str, Any]:
    return {"type": "map", "entries": [[key, value] for key, value in message.items()]}
