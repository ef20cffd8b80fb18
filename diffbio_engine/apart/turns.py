"""Who may look at a file now: a few at a time, few of each person, and nobody is passed over."""

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator

from diffbio_engine.apart.stop import Stop
from diffbio_engine.errors import RunError

_MOST_WAITING = 50


class Turns:
    """Turns in the order of asking, among those who have least at work.

    Args:
        most: How many may be at work at the same time.
        per_person: How many of these for one person.
    """

    def __init__(self, most: int, per_person: int):
        self.most, self.per_person = most, max(1, min(per_person, most - 1))
        self._changed = threading.Condition()
        self._at_work: Counter[str] = Counter()
        self._waiting: list[tuple[str, object]] = []

    @contextlib.contextmanager
    def turn(self, person: str, stop: Stop | None = None) -> Iterator[None]:
        """Waits for a turn, and gives it back at the end.

        Raises:
            RunError: If the person has very many waiting, or does not want it any more.
        """
        mine, stop = (person, object()), stop or Stop()
        stop.then(self._wake)
        with self._changed:
            if sum(1 for p, _ in self._waiting if p == person) >= _MOST_WAITING:
                raise RunError(
                    f"{_MOST_WAITING} files of yours wait to be looked at.",
                    fix="Wait until some of them are done.",
                )
            self._waiting.append(mine)
            try:
                self._changed.wait_for(lambda: stop.is_set or self._next() is mine)
                stop.check()
            except BaseException:
                self._waiting.remove(mine)
                raise
            self._waiting.remove(mine)
            self._at_work[person] += 1
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._at_work[person] -= 1
                self._at_work += Counter()  # forgets who has none
                self._changed.notify_all()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _next(self) -> tuple[str, object] | None:
        if self._at_work.total() >= self.most:
            return None
        able = [w for w in self._waiting if self._at_work[w[0]] < self.per_person]
        return min(able, key=lambda w: self._at_work[w[0]], default=None)
