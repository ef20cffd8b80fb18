"""The page in real Chromium: the app served from a thread of the test, and tabs that may not fail.

Every test fails on an error of the page and on any request that leaves the machine.
"""

import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.conftest import FAST_COMPILE

os.environ.setdefault("JAX_PLATFORMS", "cpu")
if os.environ.get("XLA_FLAGS") == FAST_COMPILE:
    del os.environ["XLA_FLAGS"]

APP = Path(__file__).resolve().parents[2] / "app"
expect.set_options(timeout=45_000)
DESKTOP = {"width": 1600, "height": 950}


@dataclass
class Served:
    """The app, served: its address, its data folder, and the Python side of its open tabs."""

    url: str
    data_dir: Path
    server: Any

    @property
    def sessions(self) -> list[Any]:
        """The sessions of all tabs, the one that was opened last at the end."""
        return sorted((d.session for d in list(self.server.drivers)), key=lambda s: s.opened)

    @property
    def session(self) -> Any:
        """The session of the tab that was opened last."""
        return self.sessions[-1]

    def forget_tabs(self) -> None:
        """The next tab opens empty."""
        shutil.rmtree(self.data_dir / "tabs", ignore_errors=True)


@dataclass
class Watch:
    """What a page did that it should not."""

    home: str
    errors: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)

    def over(self, page: Any) -> None:
        """Begins to watch a page."""
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._said)
        page.on("request", lambda request: self._asked(request.url))
        page.on("websocket", lambda websocket: self._asked(websocket.url))

    def _said(self, message: Any) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def _asked(self, url: str) -> None:
        local = (self.home, self.home.replace("http", "ws", 1), "data:", "blob:", "about:")
        if not url.startswith(local):
            self.outside.append(url)

    def judge(self) -> None:
        """Fails if there was something; forgets it."""
        errors, self.errors = self.errors, []
        outside, self.outside = self.outside, []
        assert not outside, f"left the machine: {outside}"
        assert not errors, f"the page reported: {errors}"


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The whole app with a real engine, on a free port."""
    import panel as pn
    from panel.io.application import build_single_handler_application

    data_dir = tmp_path_factory.mktemp("data")
    os.environ["DATA_DIR"] = str(data_dir)
    os.environ.setdefault("SPARE_WORKER", "0")
    from app.access.gate import Gate
    from app.serve import guarding
    from app.server import open_tab
    from app.transfer import ROUTES

    pn.state.cache.pop("diffbio-server", None)
    shared = open_tab.server()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # The folder, with all that guards it, as `app.serve` would run it.
    http = pn.serve(
        {"app": build_single_handler_application(APP)},
        **guarding(Gate(), "a secret of the tests"),
        port=port,
        address="127.0.0.1",
        threaded=True,
        show=False,
        verbose=False,
        extra_patterns=list(ROUTES),
        websocket_origin=[f"127.0.0.1:{port}"],
        unused_session_lifetime_milliseconds=1000,
        check_unused_sessions_milliseconds=500,
    )
    try:
        yield Served(f"http://127.0.0.1:{port}/app", data_dir, shared)
    finally:
        shared.close()
        http.stop()


def new_page(browser: Any, watch: Watch) -> Any:
    """A desktop window, light unless a test says otherwise."""
    page = browser.new_context(viewport=DESKTOP, accept_downloads=True).new_page()
    watch.over(page)
    page.set_default_timeout(45_000)
    page.set_default_navigation_timeout(60_000)
    return page


@pytest.fixture
def page(browser: Any, served: Served) -> Iterator[Any]:
    """A window of its own, watched; for what the shared `tab` cannot show."""
    watch = Watch(served.url.rsplit("/", 1)[0])
    page = new_page(browser, watch)
    yield page
    page.context.close()
    watch.judge()


@pytest.fixture(scope="module")
def _window(browser: Any, served: Served) -> Iterator[tuple[Any, Watch]]:
    watch = Watch(served.url.rsplit("/", 1)[0])
    served.forget_tabs()
    page = new_page(browser, watch)
    open_app(page, served)
    yield page, watch
    page.context.close()


def open_app(page: Any, served: Served) -> None:
    """Goes to the workbench and waits until it can be used."""
    page.goto(served.url)
    # On a busy machine the page, which is more than a megabyte of scripts, may take its time.
    page.wait_for_selector(".react-flow__pane", timeout=90_000)
    page.wait_for_selector(".palette .item", timeout=90_000)


@pytest.fixture
def tab(_window: tuple[Any, Watch], served: Served) -> Iterator[Any]:
    """A tab with an empty canvas. The tests of a file share the window and its session."""
    page, watch = _window
    session = served.session
    for _ in range(400):  # a page that was loaded anew looks on until the one before is gone
        if not session.document.read_only:
            break
        time.sleep(0.05)
    session.later(lambda: emptied(session))
    page.wait_for_selector(".welcome.begin")
    yield page
    watch.judge()


@pytest.fixture
def compiled_in_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that compile most of their time: their code need not be fast."""
    monkeypatch.setenv("XLA_FLAGS", FAST_COMPILE)


def emptied(session: Any) -> None:
    """As new: no blocks, no data, no run, nothing to undo."""
    from diffbio_engine.pipelines.spec import PipelineSpec

    session.run.forget()
    session.data.param.update(card=None, beside={})
    session.param.update(theme="default", showing="")
    session.document.selected_block = ""
    session.document.restore(PipelineSpec("Untitled pipeline"))


@pytest.fixture
def eventually() -> Callable[[Callable[[], Any]], Any]:
    """Waits until something is true in the Python of the server."""

    def wait(true: Callable[[], Any], seconds: float = 30.0) -> Any:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = true()
            if found:
                return found
            time.sleep(0.03)
        raise AssertionError("it did not come true")

    return wait
