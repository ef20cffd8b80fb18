"""The server answers at once: what takes seconds to import is fetched beside, in a thread."""

import logging
import threading

import panel as pn
from panel.custom import JSComponent

from diffbio_engine.errors import UserError

_LOG = logging.getLogger("diffbio.app")
is_guarded = False
"""Whether `app.serve` has started this server."""
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


def could_not_open(error: Exception) -> pn.viewable.Viewable:
    """A page with the one sentence that a person needs; the log has all of it."""
    _LOG.error("A page could not be opened", exc_info=error)
    if isinstance(error, UserError):
        said = str(error)
    elif isinstance(error, OSError):
        said = (
            f"The workbench cannot use its folder of data ({error.strerror or 'no access'}). "
            "Ask whoever runs this server to look at DATA_DIR and at the server's log."
        )
    else:
        said = "The workbench could not open this page. Ask whoever runs this server to look at "
        said += "its log, then reload."
    return pn.pane.Str(said, styles={"font": "500 15px Inter,system-ui,sans-serif"}, margin=40)


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
        from app.server.open_tab import server

        server()
    except Exception:
        _LOG.exception("The workbench could not start; the page will say why")
