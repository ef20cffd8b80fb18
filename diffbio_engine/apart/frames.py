"""Messages between the page and a reader: JSON and plain arrays of numbers, never a pickle.

A message is 8 bytes with the length of its head, the head as JSON, then the arrays one after the
other. ``head["arrays"]`` says of each array its type and its number of values.
"""

import json
import socket
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from diffbio_engine.errors import RunError

_MOST_HEAD = 256 * 2**20
# Of all arrays of a message.
_MOST_BYTES, _MOST_ARRAYS = 2**32, 8
# What arrays may hold; everything else is no answer.
_TYPES = ("<f4", "<f8", "<i4")


class GarbledError(RunError):
    """What arrived is no message."""


def send(
    connection: socket.socket, content: Mapping[str, Any], arrays: Mapping[str, np.ndarray] = {}
) -> None:
    """Sends a message."""
    plain = {k: np.ascontiguousarray(v) for k, v in arrays.items()}
    told = {k: [v.dtype.str, v.size] for k, v in plain.items()}
    head = json.dumps({"content": content, "arrays": told}, default=_as_json).encode()
    connection.sendall(len(head).to_bytes(8, "big") + head)
    for array in plain.values():
        connection.sendall(memoryview(array).cast("B"))


def _as_json(value: Any) -> Any:
    """Numbers of NumPy, and what else has a form as text."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


def receive(
    connection: socket.socket, until: float | None = None
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Waits for a message; every length is checked before any memory is taken for it.

    Args:
        connection: The other end is not trusted.
        until: By `time.monotonic`; None waits as long as it takes.

    Raises:
        EOFError: If the other end is gone.
        TimeoutError: If the time is over.
        GarbledError: If it is no message.
    """
    length = int.from_bytes(_exactly(connection, 8, until), "big")
    if not 0 < length <= _MOST_HEAD:
        raise GarbledError(f"a head of {length} bytes")
    try:
        head = json.loads(_exactly(connection, length, until))
        content, told = head["content"], head["arrays"]
        sizes = {str(name): (str(kind), int(n)) for name, (kind, n) in told.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise GarbledError("a head that is not the JSON of a message") from None
    wrong = [s for s in sizes.values() if s[0] not in _TYPES or s[1] < 0]
    if wrong or len(sizes) > _MOST_ARRAYS or not isinstance(content, dict):
        raise GarbledError("arrays of another kind than agreed")
    if sum(n * np.dtype(kind).itemsize for kind, n in sizes.values()) > _MOST_BYTES:
        raise GarbledError("arrays of another kind than agreed")
    arrays = {}
    for name, (kind, n) in sizes.items():
        raw = _exactly(connection, n * np.dtype(kind).itemsize, until)
        arrays[name] = np.frombuffer(raw, kind)
    return content, arrays


def _exactly(connection: socket.socket, n: int, until: float | None) -> bytes:
    pieces, missing = [], n
    while missing:
        left = None if until is None else until - time.monotonic()
        if left is not None and left <= 0:
            raise TimeoutError
        connection.settimeout(left)
        piece = connection.recv(min(missing, 1 << 20))
        if not piece:
            raise EOFError
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)
