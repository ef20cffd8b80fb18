"""A look that nobody waits for any more is ended."""

import threading
from collections.abc import Callable

from diffbio_engine.errors import RunError


class StoppedError(RunError):
    """The person does not want the answer any more."""


class Stop:
    """A person's wish to end a look; it may come before the look has begun."""

    def __init__(self) -> None:
        self._guard, self.is_set = threading.Lock(), False
        self._acts: list[Callable[[], None]] = []

    def set(self) -> None:
        """Ends it."""
        with self._guard:
            self.is_set, acts = True, self._acts
            self._acts = []
        for act in acts:
            act()

    def then(self, act: Callable[[], None]) -> None:
        """Does this when it is asked for; at once if it was asked for already."""
        with self._guard:
            if not self.is_set:
                self._acts.append(act)
                return
        act()

    def check(self) -> None:
        """Raises `StoppedError` if it was asked for."""
        if self.is_set:
            raise StoppedError("The look was stopped.")
