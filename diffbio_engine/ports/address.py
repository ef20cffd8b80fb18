"""Where something is: a port or a setting of a block, a dial, a wire, an array of a file.

Each is written as one text.
"""

from typing import Any, Self


class InTwoParts(str):
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
        """Both parts; the second is empty if there is none."""
        first, _, second = self.partition(self._sign)
        return first, second


class Address(InTwoParts):
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


class Place(InTwoParts):
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

    @property
    def keys(self) -> list[str]:
        """The way down inside its table, where that holds further ones: ``"uns/a/b"``."""
        return self.name.split("/")

    @property
    def computed_from(self) -> str:
        """What it is computed from where the file has no such array: ``"counts"`` of
        "counts:total", ``"genes"``, or ``"ambient"`` for a profile that is estimated; else empty.
        """
        source, sign, _ = self.table.partition(":")
        return source if sign else ""

    @property
    def recipe(self) -> str:
        """How it is computed: ``"total"`` of "counts:total"; empty where the file has it."""
        return self.table.partition(":")[2]


class Ends(InTwoParts):
    """Both ends of a wire: ``Ends("data.counts", "vae.counts")`` is "data.counts>vae.counts"."""

    _sign = ">"

    def __new__(cls, source: str, target: str) -> Self:
        return str.__new__(cls, f"{source}>{target}")


class DialName(str):
    """What may be turned while a pipeline trains.

    ``DialName("harmony.temperature")`` is a setting of a block, ``DialName.of_loss("vae.kl_loss")``
    the weight of a loss in the objective, and ``DialName("learning_rate")`` of the training.
    """

    _weight = "weight:"

    @classmethod
    def of_loss(cls, port: str) -> Self:
        """The weight of the loss at this port."""
        return cls(cls._weight + port)

    @property
    def is_weight(self) -> bool:
        """Whether it is the weight of a loss."""
        return self.startswith(self._weight)

    @property
    def is_setting(self) -> bool:
        """Whether it is a setting of a block."""
        return not self.is_weight and bool(self.address.port)

    @property
    def address(self) -> Address:
        """The setting or the loss; its ``port`` is empty for a dial of the training."""
        return Address.parse(self.removeprefix(self._weight))
