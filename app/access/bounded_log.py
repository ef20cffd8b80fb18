"""The server's log is bounded: what a stranger sends is not written whole, nor without end.

Bokeh logs each message that it cannot read, with all of it (a page may send 20 MB), and Tornado
each line that it cannot accept. Either fills a disk.
"""

import logging
import threading
import time
from collections.abc import Callable

LONGEST, LONGEST_TRACE = 2_000, 8_000
MOST_A_MINUTE, MOST_TRACES_A_MINUTE = 300, 30


class Bounded(logging.Filter):
    """Cuts what is long, and lets each place in the code say so many things a minute.

    What is left out is counted, and said with the next that is let through.

    Args:
        clock: Seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        super().__init__()
        self._clock, self._guard = clock, threading.Lock()
        # Place: when its minute began, how many were let through in it, how many left out since.
        self._said: dict[tuple[str, int], tuple[float, int, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is written; it may be shorter then."""
        left_out = self._left_out(record)
        if left_out is None:
            return False
        said = record.getMessage()
        if len(said) > LONGEST or left_out:
            cut = said if len(said) <= LONGEST else f"{said[:LONGEST]}... ({len(said):,} letters)"
            record.msg = f"{cut} ({left_out:,} more were left out)" if left_out else cut
            record.args = ()
        if record.exc_info and not record.exc_text:
            trace = logging.Formatter().formatException(record.exc_info)
            half = LONGEST_TRACE // 2
            record.exc_text = (
                trace if len(trace) <= LONGEST_TRACE else f"{trace[:half]}\n...\n{trace[-half:]}"
            )
        return True

    def _left_out(self, record: logging.LogRecord) -> int | None:
        """How many were left out before this one; None if it is, too."""
        most = MOST_TRACES_A_MINUTE if record.exc_info else MOST_A_MINUTE
        place, now = (record.pathname, record.lineno), self._clock()
        with self._guard:
            began, n, left_out = self._said.get(place, (now, 0, 0))
            if now - began >= 60:
                began, n = now, 0
            if n >= most:
                self._said[place] = began, n, left_out + 1
                return None
            self._said[place] = began, n + 1, 0
            return left_out


def bound_the_log() -> None:
    """From now on whatever this process writes into its log is bounded."""
    bounded, known = Bounded(), logging.root.manager.loggerDict.values()
    loggers = [logging.root, *(found for found in known if isinstance(found, logging.Logger))]
    handlers = {id(h): h for logger in loggers for h in logger.handlers}
    for handler in [*handlers.values(), logging.lastResort]:
        if handler is not None and not any(isinstance(f, Bounded) for f in handler.filters):
            handler.addFilter(bounded)
