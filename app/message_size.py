"""How much one message of a page may hold: its parts wait in memory until the last one is there."""

import logging
from typing import Any

MOST_PART, MOST_WHOLE = 8 << 20, 24 << 20
"""Bytes of a part (the server refuses a larger one), and of all parts of a message."""
_LOG = logging.getLogger("diffbio.app")
_TOO_BIG = 1009  # so does the protocol of sockets call it


def bound_messages(socket: Any) -> None:
    """Closes a socket whose message goes on and on; a message says itself how many parts it has."""
    receive, arrived = socket._receive, 0

    async def bounded(part: str | bytes) -> Any:
        nonlocal arrived
        arrived += len(part)
        if arrived > MOST_WHOLE:
            if socket.ws_connection is not None:
                _LOG.warning("A message of more than %d MB was refused", MOST_WHOLE >> 20)
                socket.receiver = None  # and what it has kept
                socket.close(_TOO_BIG, "This message is too large")
            return None
        message = await receive(part)
        if message is not None:
            arrived = 0
        return message

    socket._receive = bounded
