"""How far a reader is that writes a file: it says so in a small file beside it."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

_EVERY_SECONDS = 0.5


def _beside(file: Path) -> Path:
    return file.with_name(f"{file.name}.progress")


@contextlib.contextmanager
def telling(file: Path) -> Iterator[Callable[[float], None]]:
    """In the reader: a function that is told the share that is done; seldom written down."""
    told, beside = [0.0], _beside(file)

    def tell(share: float) -> None:
        if time.monotonic() - told[0] > _EVERY_SECONDS:
            told[0] = time.monotonic()
            with contextlib.suppress(OSError):  # whoever waits can wait without it
                beside.write_text(f"{share:.4f}")

    try:
        yield tell
    finally:
        beside.unlink(missing_ok=True)


@contextlib.contextmanager
def listening(file: Path, tell: Callable[[float, float], None]) -> Iterator[None]:
    """In the page: calls ``tell(share, seconds left)`` while the reader writes.

    What stands in the file is a claim of a process that reads a stranger's bytes.
    """
    over, began = threading.Event(), time.monotonic()

    def listen() -> None:
        while not over.wait(_EVERY_SECONDS):
            with contextlib.suppress(OSError, ValueError):
                with _beside(file).open("rb") as told:
                    share = float(told.read(16))
                if 0 < share <= 1:
                    tell(share, (time.monotonic() - began) * (1 - share) / share)

    thread = threading.Thread(target=listen, name="join progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        _beside(file).unlink(missing_ok=True)
