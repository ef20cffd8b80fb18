"""The page in real Chromium: the app served from a thread of the test, and a tab that may not fail.

Every test fails on an error of the page and on any request that leaves the machine.
"""

import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("JAX_PLATFORMS", "cpu")


@dataclass
class Served:
    """The app, served: its address, its data folder, and the Python side of its open tabs."""

    url: str
    data_dir: Path
    server: Any

    @property
    def session(self) -> Any:
        """The session of the tab that was opened last."""
        return max((d.session for d in self.server.drivers), key=lambda s: s.opened)

    def forget_tabs(self) -> None:
        """The next tab opens empty."""
        shutil.rmtree(self.data_dir / "tabs", ignore_errors=True)


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The whole app with a real engine, on a free port."""
    import panel as pn

    data_dir = tmp_path_factory.mktemp("data")
    os.environ["DATA_DIR"] = str(data_dir)
    os.environ.setdefault("SPARE_WORKER", "0")
    pn.extension(reconnect=True)
    from app import opening

    try:
        from app.transfer import ROUTES
    except ImportError:
        ROUTES = []
    pn.state.cache.pop("diffbio-server", None)
    shared = opening.server()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    http = pn.serve(
        {"app": lambda: opening.open_tab().page},
        port=port,
        address="127.0.0.1",
        threaded=True,
        show=False,
        verbose=False,
        extra_patterns=list(ROUTES),
        websocket_origin="*",
        unused_session_lifetime_milliseconds=1000,
        check_unused_sessions_milliseconds=500,
    )
    try:
        yield Served(f"http://127.0.0.1:{port}/app", data_dir, shared)
    finally:
        shared.close()
        http.stop()


@pytest.fixture
def browser_context_args(browser_context_args: dict) -> dict:
    """A desktop window, light unless a test says otherwise."""
    return {**browser_context_args, "viewport": {"width": 1600, "height": 950}}


@pytest.fixture
def page(page: Any, served: Served) -> Iterator[Any]:
    """Playwright's page, watched: see the first lines of this file."""
    errors, outside = [], []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "console",
        lambda said: errors.append(said.text) if said.type == "error" else None,
    )

    def asked(request: Any) -> None:
        home = served.url.rsplit("/", 1)[0]
        local = (home, home.replace("http", "ws", 1), "data:", "blob:", "about:")
        if not request.url.startswith(local):
            outside.append(request.url)

    page.on("request", asked)
    page.on("websocket", lambda socket: asked(type("Asked", (), {"url": socket.url})))
    page.set_default_timeout(20_000)
    page.set_default_navigation_timeout(60_000)
    yield page
    assert not outside, f"left the machine: {outside}"
    assert not errors, f"the page reported: {errors}"


@pytest.fixture
def tab(page: Any, served: Served) -> Any:
    """A new, empty tab of the workbench."""
    served.forget_tabs()
    page.goto(served.url)
    page.wait_for_selector(".react-flow__pane")
    page.wait_for_selector(".palette .item")
    return page


@pytest.fixture
def eventually() -> Callable[[Callable[[], Any]], Any]:
    """Waits until something is true in the Python of the server."""

    def wait(true: Callable[[], Any], seconds: float = 10.0) -> Any:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = true()
            if found:
                return found
            time.sleep(0.03)
        raise AssertionError("it did not come true")

    return wait
