"""A loop that fails at every turn says so once, and again after a while: a log is to be read."""

import time

_SAME_AGAIN_SECONDS = 600.0
_MOST = 100


class Said:
    """What was said already: the same is news again after ten minutes."""

    def __init__(self, seconds: float = _SAME_AGAIN_SECONDS):
        self._seconds, self._when = seconds, dict[str, float]()

    def is_news(self, error: BaseException) -> bool:
        """Whether this was not said a short while ago."""
        now, what = time.monotonic(), f"{type(error).__name__}: {error}"[:300]
        self._when = {k: t for k, t in self._when.items() if now - t < self._seconds}
        if what in self._when or len(self._when) >= _MOST:
            return False
        self._when[what] = now
        return True
