"""How much a page may send: the parts of a message wait in memory until the last one is there."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

MOST_PART, MOST_WHOLE = 8 << 20, 24 << 20
"""Bytes of a part (the server refuses a larger one), and of all parts of a message."""
_AT_ONCE, _A_SECOND = 256 << 20, 64 << 10
# Where nobody signs in, all who come are one person.
_PEOPLE_IN_ONE = 10
_LOG = logging.getLogger("diffbio.app")
# So does the protocol of sockets call them.
_TOO_BIG, _NOT_ALLOWED = 1009, 1008


class Received:
    """How much each person's pages may send: much at once (256 MB), and then 64 kB a second.

    What a page sends may stay in its session. A hand sends some hundred bytes for each gesture, and
    a megabyte for a lasso around a hundred thousand cells.

    Args:
        is_shared: Whether all who come are one person.
        clock: Seconds.
    """

    def __init__(self, *, is_shared: bool = False, clock: Callable[[], float] = time.monotonic):
        people = _PEOPLE_IN_ONE if is_shared else 1
        self._most, self._a_second = float(_AT_ONCE * people), float(_A_SECOND * people)
        self._clock, self._guard = clock, threading.Lock()
        self._left: dict[str, tuple[float, float]] = {}

    def takes(self, person: str, n_bytes: int) -> bool:
        """Whether so much more may come; it counts then."""
        now = self._clock()
        with self._guard:
            left, when = self._left.get(person, (self._most, now))
            left = min(left + (now - when) * self._a_second, self._most)
            if fits := n_bytes <= left:
                left -= n_bytes
            self._left[person] = left, now
        return fits


def bound_messages(socket: Any, takes: Callable[[int], bool]) -> None:
    """Closes a socket whose message goes on and on; a message says itself how many parts it has.

    Args:
        socket: Its handler.
        takes: Whether so many bytes more may come from its person.
    """
    receive, arrived = socket._receive, 0

    def close(code: int, why: str) -> None:
        if socket.ws_connection is not None:
            _LOG.warning("A socket was closed: %s", why)
            socket.receiver = None  # and what it has kept
            socket.close(code, why)

    async def bounded(part: str | bytes) -> Any:
        nonlocal arrived
        arrived += len(part)
        if arrived > MOST_WHOLE:
            return close(_TOO_BIG, f"a message of more than {MOST_WHOLE >> 20} MB")
        if not takes(len(part)):
            return close(_NOT_ALLOWED, "its person has sent very much; wait a minute")
        message = await receive(part)
        if message is not None:
            arrived = 0
        return message

    socket._receive = bounded
