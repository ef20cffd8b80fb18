"""The server answers at once: what takes seconds to import is fetched beside, in a thread."""

import logging
import threading

from panel.custom import JSComponent

_LOG = logging.getLogger("diffbio.app")
_thread: threading.Thread | None = None


class Waiting(JSComponent):
    """Shown until the workbench can be; looks again by itself."""

    _esm = """
    export function render() {
      const said = document.createElement("div")
      said.style.cssText = `position:fixed;inset:0;display:grid;place-items:center;
        font:500 15px Inter,system-ui,sans-serif;color:#5b6876;background:#f4f6f8`
      said.textContent = "The workbench is starting…"
      setTimeout(() => window.location.reload(), 1000)
      return said
    }
    """


def begin() -> None:
    """Imports the page and its engine in the background, once for each server."""
    global _thread
    if _thread is None:
        _thread = threading.Thread(target=_prepare, name="diffbio-start", daemon=True)
        _thread.start()


def is_under_way() -> bool:
    """Whether the page would have to wait for the imports."""
    return _thread is not None and _thread.is_alive()


def _prepare() -> None:
    try:
        from app.opening import server

        server()
    except Exception:
        _LOG.exception("The workbench could not start; the page will say why")
