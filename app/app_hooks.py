"""The server starts and stops: engine on, engine off."""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")

from pathlib import Path
from typing import Any

import panel as pn
from bokeh.embed.bundle import extension_dirs

from app.access.bounded_log import bound_the_log
from app.access.gate import PERSON
from app.serve import without_the_gate
from app.server import lazy_start

_ASSETS = Path(__file__).resolve().parents[1] / "assets"
# Panel's own pages (login, errors) come before the first tab: they, too, ask nothing from outside.
extension_dirs["diffbio-workbench"] = _ASSETS
pn.config.page_config = str(_ASSETS / "pages.json")  # type: ignore[misc]


def process_request(request: Any) -> dict[str, Any]:
    """What goes into the signed token of a session: who opened it, as the gate found out."""
    person = getattr(request, "person", None)
    return {} if person is None else {PERSON: person}


def on_server_loaded(server_context: Any) -> None:
    """Begins to import the page and starts the engine; the server answers meanwhile."""
    bound_the_log()
    if not lazy_start.is_guarded:
        without_the_gate()
    lazy_start.begin()


def on_server_unloaded(server_context: Any) -> None:
    """Runs go on; only the looking ends."""
    shared = pn.state.cache.get("diffbio-server")
    if shared is not None:
        shared[0].close() if isinstance(shared, tuple) else shared.close()
