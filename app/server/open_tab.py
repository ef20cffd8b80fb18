"""A tab opens: its session, joined to the server's engine; and closes."""

import os
import weakref
from collections.abc import Callable
from typing import Any

import panel as pn
from panel.io.resources import get_dist_path

from app.access.gate import ALONE, AS_IT_IS_SERVED, PERSON
from app.server import run_driver as runs
from app.server.attach import attach
from app.session.session import Session
from app.shell.page import Workbench
from diffbio_engine.errors import RunError
from diffbio_engine.runs.queue.administering import engine_options


def server() -> runs.Server:
    """What all tabs share; made at the first call."""

    def make() -> runs.Server:
        # The page itself keeps off the GPU; its workers may take it.
        wanted = os.environ.get("WORKER_JAX_PLATFORMS")
        spare = os.environ.get("SPARE_WORKER", "1") != "0"
        return runs.Server(
            os.environ.get("DATA_DIR", "workspace"),
            worker_env={"JAX_PLATFORMS": wanted},
            spare=spare,
            **engine_options(os.environ),
        )

    return pn.state.as_cached("diffbio-server", make)


def open_tab() -> Workbench:
    """The page of a new tab, with what it showed last time."""
    kept = (pn.state.cookies or {}).get("diffbio-theme") or pn.config.theme
    theme = "dark" if kept == "dark" else "default"
    document = pn.state.curdoc
    session = Session(owner=_owner(document), theme=theme)
    if document is not None and document.session_context is not None:
        session.schedule = _scheduler(weakref.ref(document))
        session.is_connected = _connected(weakref.ref(document))
        # What is drawn before the page is written must not ask Panel's styles from outside.
        document.template_variables["dist_url"] = get_dist_path()
    attach(session, server())
    pn.state.on_session_destroyed(lambda context: session.close())
    return Workbench(session)


def _owner(document: Any) -> str:
    """Who opened the session, as its signed token says; see `app.access.gate`."""
    context = None if document is None else document.session_context
    person = None if context is None else context.token_payload.get(PERSON)
    login = os.environ.get("LOGIN") or pn.config.basic_auth or pn.config.oauth_provider
    if person is None and login:
        raise RunError(
            "People sign in here, and this server does not ask them to.",
            fix=f"Whoever runs it starts it by `{AS_IT_IS_SERVED}`.",
        )
    return person or ALONE


def _scheduler(document: "weakref.ref[Any]") -> Callable[[Callable[[], None]], None]:
    """How another thread gets into this tab's event loop."""

    def schedule(function: Callable[[], None]) -> None:
        alive = document()
        if alive is not None and alive.session_context is not None:
            alive.add_next_tick_callback(function)

    return schedule


def _connected(document: "weakref.ref[Any]") -> Callable[[], bool]:
    """Whether a browser shows this tab now: not before its socket is open, nor once it is lost."""

    def connected() -> bool:
        alive = document()
        context = alive.session_context if alive is not None else None
        # A session that is being taken down has gone before its document.
        browser = context.session if context is not None else None
        return browser is not None and browser.connection_count > 0

    return connected
