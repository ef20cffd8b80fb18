"""Where something is: a port or a setting of a block, an array of a file. Written as one text."""

from typing import Any, Self


class _InTwoParts(str):
    """A text of two parts, taken apart once.

    It is its text: a key of a saved file, of a dictionary of arrays or of a message stays what it
    was, and either finds the other.
    """

    _sign = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """From its text; one that has no second part is all first part."""
        return text if isinstance(text, cls) else str.__new__(cls, text)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).parse, (str(self),)

    @property
    def parts(self) -> tuple[str, str]:
        first, _, second = self.partition(self._sign)
        return first, second


class Address(_InTwoParts):
    """A port (or a setting) of a block: ``Address("harmony", "latent")`` is "harmony.latent"."""

    _sign = "."

    def __new__(cls, block: str, port: str) -> Self:
        return str.__new__(cls, f"{block}.{port}")

    @property
    def block(self) -> str:
        """Id of the block; ``"data"`` for a field of the data."""
        return self.parts[0]

    @property
    def port(self) -> str:
        """Name of the port, or of the setting that a dial turns; empty if only a block is named."""
        return self.parts[1]


class Place(_InTwoParts):
    """An array of a file: ``Place("obs", "batch")`` is "obs/batch", ``Place("X")`` is "X"."""

    _sign = "/"

    def __new__(cls, table: str, name: str = "") -> Self:
        return str.__new__(cls, f"{table}/{name}" if name else table)

    @property
    def table(self) -> str:
        """``"obs"``, ``"obsm"``, ``"layers"``, ``"uns"``; or the whole, as "X", "counts:total"."""
        return self.parts[0]

    @property
    def name(self) -> str:
        """Name of the column, table or matrix in it; empty where it is the whole."""
        return self.parts[1]
