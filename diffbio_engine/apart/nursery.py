"""A process that has done the slow imports, and gives birth to a reader for each file.

A reader is a fork of it: it begins within milliseconds, holds nothing of any other file, and dies
with its file. The nursery itself never opens one. It speaks with the page over a socket that is
its standard input: a line of JSON asks, a line answers; with ``fork`` comes the end of a socket on
which the new reader is asked.
"""

import contextlib
import json
import os
import signal
import socket
import sys
from typing import Any


def main() -> None:
    """Serves until the page is gone; then its readers go too."""
    for quiet in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[quiet] = "1"  # before numpy: a process that forks must have one thread
    from diffbio_engine.apart.questions import serve
    from diffbio_engine.data.file_names import all_endings

    all_endings()  # finds, and so imports, every kind of data and every reader
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is the page's
    page = socket.socket(fileno=os.dup(0))
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    children: set[int] = set()
    while asked := _asked(page):
        message, handles = asked
        if message["do"] == "fork":
            pid = os.fork()
            if pid == 0:
                page.close()
                with contextlib.suppress(BaseException):
                    serve(socket.socket(fileno=handles[0]), message)
                os._exit(0)
            os.close(handles[0])
            children.add(pid)
            _answer(page, {"pid": pid})
        else:
            # Not waited for until now, so the number still means this reader.
            _answer(page, {"status": _end(int(message["pid"]))})
            children.discard(int(message["pid"]))
    for pid in children:
        _end(pid)


def _end(pid: int) -> int:
    """Ends a reader; its signal as a negative number, or its exit code."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return 0


def _asked(page: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    line = b""
    handles: list[int] = []
    while not line.endswith(b"\n"):
        piece, some, _, _ = socket.recv_fds(page, 65536, 1)
        if not piece:
            return None
        line += piece
        handles += some
    return json.loads(line), handles


def _answer(page: socket.socket, content: dict[str, Any]) -> None:
    page.sendall(json.dumps(content).encode() + b"\n")


if __name__ == "__main__":
    main()
    sys.exit(0)
