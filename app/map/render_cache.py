"""Pictures of maps that are finished, kept for all tabs."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future


class Rendered:
    """Finished pictures, shared by all tabs; whoever asks for one in the making waits for it."""

    def __init__(self, most_bytes: int = 64 << 20):
        self._most, self._bytes, self._lock = most_bytes, 0, threading.Lock()
        self._pictures: OrderedDict[Hashable, Future[str]] = OrderedDict()
        self.made = 0

    def get(self, key: Hashable, make: Callable[[], str]) -> str:
        """The picture called `key`, made if nobody has made it yet."""
        with self._lock:
            future = self._pictures.get(key)
            mine = future is None
            if future is None:
                future = self._pictures[key] = Future()
            self._pictures.move_to_end(key)
        if not mine:
            return future.result(timeout=30)
        try:
            url = make()
        except BaseException as error:
            with self._lock:
                self._pictures.pop(key, None)
            future.set_exception(error)
            raise
        future.set_result(url)
        with self._lock:
            self.made += 1
            self._bytes += len(url)
            while self._bytes > self._most and len(self._pictures) > 1:
                oldest, gone = next(iter(self._pictures.items()))
                if not gone.done():
                    break
                del self._pictures[oldest]
                self._bytes -= len(gone.result())
        return url


RENDERED = Rendered()
