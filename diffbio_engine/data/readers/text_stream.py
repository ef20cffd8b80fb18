"""Lines of text as a file that is read from."""

import io
from collections.abc import Iterator


class Stream(io.TextIOBase):
    """Lines as a file that pandas reads."""

    def __init__(self, lines: Iterator[str]):
        self._lines, self._rest = lines, ""

    def readable(self) -> bool:
        """It can be read."""
        return True

    def read(self, size: int | None = -1) -> str:
        """At least one line, about ``size`` letters; empty at the end."""
        if size is None or size < 0:
            size = 2**62
        parts, n = [self._rest], len(self._rest)
        for line in self._lines:
            parts.append(line + "\n")
            n += len(line) + 1
            if n >= size:
                break
        text = "".join(parts)
        self._rest = text[size:]
        return text[:size]
