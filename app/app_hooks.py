"""The server starts and stops: engine on, engine off."""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import threading
from typing import Any

import panel as pn


def on_server_loaded(server_context: Any) -> None:
    """Starts the engine, so that the first tab need not wait for it."""
    from app.opening import server
    from app.shading import warm_up

    server()
    # Compiling the kernels of the map takes seconds the first time; nobody is to wait for it.
    threading.Thread(target=warm_up, name="diffbio-warm-up", daemon=True).start()


def on_server_unloaded(server_context: Any) -> None:
    """Runs go on; only the looking ends."""
    shared = pn.state.cache.get("diffbio-server")
    if shared is not None:
        shared[0].close() if isinstance(shared, tuple) else shared.close()
