"""A worker that is asked to leave (SIGTERM: a cluster needs its place) saves first, then goes."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

from diffbio_engine.runs.folder.writer import EXIT_START_AGAIN


class Preemption:
    """Listens for SIGTERM while it is entered.

    Attributes:
        can_wait: Whether the worker looks at ``asked`` soon by itself. While it does not (reading,
            preparing, writing results) there is nothing to save, and it leaves at once with
            ``EXIT_START_AGAIN``.
        asked: Whether the worker has been asked to leave.
    """

    def __init__(self) -> None:
        self.can_wait = False
        self.asked = False
        self._before: Any = None

    def __enter__(self) -> Self:
        # Signals can only be heard in the main thread; elsewhere (a test) nobody sends any.
        self._hears = threading.current_thread() is threading.main_thread()
        if self._hears:
            self._before = signal.signal(signal.SIGTERM, self._hear)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._hears:
            signal.signal(signal.SIGTERM, self._before)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        if not self.can_wait:
            raise SystemExit(EXIT_START_AGAIN)
