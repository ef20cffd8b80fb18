"""Threads for what must not hold up the page; of each person a few things are done at once."""

import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial


class FairPool:
    """Does what it is given in threads, in each person's order.

    Args:
        threads: How many things are done at once; most of them wait for another process.
        per_person: How many of these for one person: whoever asks much waits for themselves.
    """

    def __init__(self, threads: int = 32, per_person: int = 4):
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="diffbio-page")
        self._per_person, self._guard = per_person, threading.Lock()
        self._at_work: Counter[str] = Counter()
        self._waiting: defaultdict[str, deque[Callable[[], object]]] = defaultdict(deque)

    def submit(self, person: str, function: Callable[..., object], *args: object) -> None:
        """Does it as soon as it is the person's turn."""
        with self._guard:
            self._waiting[person].append(partial(function, *args))
            self._begin(person)

    def shutdown(self) -> None:
        """Begins nothing more."""
        with self._guard:
            self._waiting.clear()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _begin(self, person: str) -> None:
        if self._waiting[person] and self._at_work[person] < self._per_person:
            self._at_work[person] += 1
            self._threads.submit(self._do, person, self._waiting[person].popleft())
        if not self._waiting[person]:
            del self._waiting[person]

    def _do(self, person: str, function: Callable[[], object]) -> None:
        try:
            function()
        finally:
            with self._guard:
                self._at_work[person] -= 1
                if not self._at_work[person]:
                    del self._at_work[person]
                self._begin(person)
