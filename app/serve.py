"""Serves the workbench: ``python -m app.serve app``, with the options of ``panel serve``.

What Panel leaves to whoever runs it is on here: signed sessions that belong to a person, the gate,
headers on every answer, tokens against forged requests, a data folder for this account alone.
"""

import argparse
import contextlib
import hashlib
import hmac
import os
import resource
import secrets
import sys
from pathlib import Path
from typing import Any

import panel as pn
from bokeh.server.server import DEFAULT_SERVER_PORT
from bokeh.server.util import bind_sockets
from panel.command.serve import Serve
from panel.io.liveness import LivenessHandler
from panel.io.server import ComponentResourceHandler
from tornado.ioloop import PeriodicCallback
from tornado.web import HTTPError, RequestHandler

from app.access.answers import Guarding
from app.access.cookies import MARK, cookie_of
from app.access.gate import AS_IT_IS_SERVED, DAYS, Gate
from app.access.message_size import MOST_PART
from app.login import People
from app.server import lazy_start
from diffbio_engine.errors import DataError, UserError
from diffbio_engine.quantities import number_set

_LINES = 65_536
_COMPONENTS = ("panel", "panel_material_ui", "panel_reactflow", "app")


def guarding(gate: Gate, secret: str) -> dict[str, Any]:
    """What Bokeh's server is to be made with, so that everything goes through the gate.

    Args:
        secret: Known to this server only; signs cookies and sessions.
    """
    gate.secret = secret
    return {
        "auth_provider": gate,
        "cookie_secret": secret,
        "secret_key": hmac.digest(secret.encode(), b"sessions", hashlib.sha256),
        "sign_sessions": True,
        "generate_session_ids": True,
        "session_token_expiration": int(DAYS * 86_400),
        "xsrf_cookies": True,
        "xsrf_cookie_name": cookie_of(MARK, secret),
        "xsrf_cookie_kwargs": {"path": pn.config.cookie_path},
        "transforms": [Guarding],
        # The token of a session can be read in the page: no cookie belongs into it.
        "include_headers": ["Host"],
        "include_cookies": ["diffbio-theme"],
    }


class Components(ComponentResourceHandler):
    """Files of components that the page has loaded; Panel would import any module that is named."""

    def parse_url_path(self, path: str) -> str:
        """The file of a component."""
        module = path.split("/")[0]
        if module.split(".")[0] not in _COMPONENTS or module not in sys.modules:
            raise HTTPError(404, reason="There is no such component")
        return super().parse_url_path(path)


class Alive(RequestHandler):
    """``GET liveness``: Panel's would also open a page, of nobody, for whoever asks."""

    def initialize(self, **_: Any) -> None:
        """Needs no applications."""

    def get(self) -> None:
        """The server answers."""
        self.write({self.request.path: True})


_OF_RUNS = ("LAUNCHER", "DASK_SCHEDULER", "MAX_RUNNING", "PAUSED_MINUTES")
_OF_ROOM = ("QUOTA_GB", "TRASH_DAYS")
_OF_READERS = ("READ_SECONDS", "READ_MEMORY_GB")
_INSTEAD = {ComponentResourceHandler: Components, LivenessHandler: Alive}


class _Serve(Serve):
    """``panel serve``, with the gate."""

    def customize_kwargs(self, args: Any, server_kwargs: dict[str, Any]) -> dict[str, Any]:
        data_dir, login = Path(os.environ["DATA_DIR"]), os.environ.get("LOGIN", "")
        secret = pn.config.cookie_secret or kept_secret(data_dir)
        pn.config.cookie_secret = secret  # type: ignore[misc]
        if pn.config.cookie_path == "/" and (prefix := (args.prefix or "").strip("/")):
            pn.config.cookie_path = f"/{prefix}"  # type: ignore[misc]
        kwargs = super().customize_kwargs(args, server_kwargs)
        inner = kwargs.get("auth_provider") if pn.config.oauth_provider else None
        if login and inner is not None:
            raise DataError("LOGIN and PANEL_OAUTH_PROVIDER are both set.", fix="Choose one.")
        people = People(login) if login else None
        gate = Gate(people, inner, secret, data_dir / ".signed-out.json", most_tabs())
        gate.tabs.is_starting = lazy_start.is_under_way
        kwargs |= guarding(gate, secret)
        kwargs["extra_patterns"] = [
            (route, _INSTEAD.get(handler, handler), *rest)
            for route, handler, *rest in kwargs["extra_patterns"]
        ]
        kwargs["websocket_max_message_size"] = MOST_PART
        # Of a request whose body is not streamed; slices of uploads say their own limit.
        kwargs["http_server_kwargs"] = {
            "max_body_size": 2 << 20,
            "max_header_size": 64 << 10,
            # Of a line that says nothing, and of one that says it ever so slowly.
            "idle_connection_timeout": 120,
            "body_timeout": 1800,
        }
        self.gate = gate
        lazy_start.is_guarded = True
        return kwargs

    def customize_server(self, server: Any) -> Any:
        look = PeriodicCallback(self.gate.look_after_sockets, 2000)
        server.io_loop.add_callback(look.start)
        return super().customize_server(server)


def prepared(data_dir: str | os.PathLike) -> Path:
    """The data folder, made if need be, for this account alone; a sentence if it cannot be used."""
    folder = Path(data_dir).absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = folder / f".probe-{secrets.token_hex(4)}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise DataError(
            f"DATA_DIR={folder} cannot be written by the server's account, number {os.getuid()} "
            f"({error.strerror}).",
            fix="Give that account the right to write there, or name another folder: DATA_DIR=...",
        ) from None
    if folder.stat().st_mode & 0o077:
        try:
            folder.chmod(0o700)
        except OSError:
            print(
                f"{folder} belongs to another account and can be read by others.", file=sys.stderr
            )
    return folder


def kept_secret(data_dir: Path) -> str:
    """The server's secret, kept over restarts so that nobody is thrown out by one."""
    file = data_dir / ".cookie-secret"
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        file.chmod(0o600)
        known = file.read_text().strip()
        if len(known) >= 32:
            return known
        handle = os.open(file, os.O_WRONLY | os.O_TRUNC)  # it was never written whole
    made = secrets.token_hex(32)
    with os.fdopen(handle, "w") as kept:
        kept.write(made)
    return made


def most_tabs() -> int | None:
    """What ``MOST_TABS`` says; None if nothing."""
    most = number_set(os.environ, "MOST_TABS", least=1, most=10_000, whole=True, of=" of tabs")
    return None if most is None else int(most)


def _as_many_lines_as_may_be() -> None:
    """Many systems give a program 1,024 open files and lines unless it asks: few idle ones do."""
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _LINES if most == resource.RLIM_INFINITY else min(most, _LINES)
    if now < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def _check_port(address: str | None, port: int | None) -> None:
    """Refuses before the greeting what could not be reached there."""
    if port == 0:
        return
    port = DEFAULT_SERVER_PORT if port is None else port
    try:
        sockets, _ = bind_sockets(address, port)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise DataError(
            f"Nothing can listen on port {port} of {address or 'this machine'}: {why}.",
            fix="Choose another port, such as PORT=5007, or stop what has this one.",
        ) from None
    for socket in sockets:
        socket.close()


def _warn_if_open(address: str | None) -> None:
    """Says so where others can come in and nobody has to sign in."""
    guarded = os.environ.get("LOGIN") or pn.config.oauth_provider
    if not guarded and address not in ("127.0.0.1", "localhost", "::1"):
        print(
            "Without LOGIN everybody who reaches this port can read all data in it and compute "
            "here; the README says how people sign in.",
            file=sys.stderr,
        )


def _check_settings() -> None:
    """Refuses what the administrator has mistyped, and a cluster that does not answer, at once."""
    most_tabs()
    # The imports take long; a server without such settings should not wait for them.
    if _are_set(_OF_ROOM):
        from app.server.disk_cleanup import room_settings

        room_settings()
    if _are_set(_OF_READERS):
        from diffbio_engine.apart import limits_for

        limits_for(os.environ["DATA_DIR"] + "/nothing")
    if not _are_set(_OF_RUNS):
        return
    from diffbio_engine.runs.queue.administering import engine_options

    launcher = engine_options(os.environ)["launcher"]
    if launcher is not None:
        launcher.close()


def without_the_gate() -> None:
    """What can still be done, and is said, where plain ``panel serve`` has started the server."""
    os.umask(0o077)
    print(
        "The workbench was started by `panel serve`: nobody has to sign in, everybody who reaches "
        "this port can read all data in it and compute here, and its pages carry no guards. "
        f"Start it by `{AS_IT_IS_SERVED}`.",
        file=sys.stderr,
        flush=True,
    )
    try:
        os.environ["DATA_DIR"] = str(prepared(os.environ.get("DATA_DIR") or "workspace"))
        _check_settings()
    except UserError as error:
        print(error, file=sys.stderr, flush=True)


def _are_set(names: tuple[str, ...]) -> bool:
    return any(os.environ.get(name) for name in names)


def main(words: list[str] | None = None) -> int:
    """Serves until it is stopped; 2 if it may not be served like this, which is said in words."""
    os.umask(0o077)
    parser = argparse.ArgumentParser(prog="python -m app.serve")
    command = _Serve(parser)
    asked = parser.parse_args(words)
    # What the page needs however it is started: scripts of this server, and its own routes.
    os.environ.setdefault("BOKEH_RESOURCES", "server")
    asked.plugins = asked.plugins or ["app.transfer"]
    try:
        os.environ["DATA_DIR"] = str(prepared(os.environ.get("DATA_DIR") or "workspace"))
        if asked.basic_auth or pn.config.basic_auth:
            raise DataError(
                "Panel's basic authentication keeps plain passwords and is not used here.",
                fix="Use LOGIN=users.json instead; the README says how.",
            )
        if os.environ.get("LOGIN"):
            People(os.environ["LOGIN"])
        _check_settings()
        _check_port(asked.address, asked.port)
        _warn_if_open(asked.address)
        _as_many_lines_as_may_be()
        print(os.environ.pop("GREETING", ""), flush=True)
        command.invoke(asked)
    except UserError as error:
        print(f"The workbench was not started. {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
