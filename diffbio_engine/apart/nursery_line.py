"""The page's line to the nursery of readers; a nursery that died is started again."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from typing import Any

COMMAND = (sys.executable, "-m", "diffbio_engine.apart.nursery")
_SECONDS = 60.0


class NurseryLine:
    """Starts the nursery when it is first needed, and asks it.

    Args:
        command: How it is started.
    """

    def __init__(self, command: tuple[str, ...] = COMMAND):
        self._command, self._guard = command, threading.Lock()
        self._nursery: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None

    def begin(self) -> None:
        """Starts it, so that the first look need not wait for its imports."""
        with self._guard:
            self._ready()

    def ask(self, message: dict[str, Any], handle: int | None = None) -> dict[str, Any]:
        """Its answer; nothing if there is no nursery to be had."""
        with self._guard:
            for last in (False, True):
                line = self._ready()
                try:
                    handles = [handle] if handle is not None else []
                    socket.send_fds(line, [json.dumps(message).encode() + b"\n"], handles)
                    answer = b""
                    while not answer.endswith(b"\n"):
                        piece = line.recv(4096)
                        if not piece:
                            raise EOFError
                        answer += piece
                    return json.loads(answer)
                except (OSError, EOFError):
                    line.close()
                    self._line = None
                    # Another nursery knows nothing of this one's readers: they went with it.
                    if last or message["do"] != "fork":
                        return {}
        return {}

    def close(self) -> None:
        """Lets it go, and all its readers with it."""
        with self._guard:
            if self._line is not None:
                self._line.close()
                self._line = None
            if self._nursery is not None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._nursery.wait(timeout=2)
                self._nursery.kill()
                self._nursery.wait()
                self._nursery = None

    def _ready(self) -> socket.socket:
        if self._line is None or self._nursery is None or self._nursery.poll() is not None:
            if self._line is not None:
                self._line.close()
            if self._nursery is not None:
                self._nursery.kill()
                self._nursery.wait()
            ours, theirs = socket.socketpair()
            with theirs:
                self._nursery = subprocess.Popen(
                    self._command,
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    start_new_session=True,
                    env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
                )
            ours.settimeout(_SECONDS)
            self._line = ours
        return self._line
