"""What colours the cells of a map, as one text: of the page's messages, of colourings."""

from typing import Self

from diffbio_engine.ports import InTwoParts


class ColourKey(InTwoParts):
    """``ColourKey("gene", "CD3D")`` is "gene/CD3D"; ``ColourKey("cluster")`` is "cluster".

    Kinds: ``cluster``, ``certainty``, ``class`` and ``score`` of a port, ``obs`` (a column of the
    data), ``gene``, ``set`` (of genes, by its name), ``none``; empty while nobody has chosen.
    """

    _sign = "/"

    def __new__(cls, kind: str, name: str = "") -> Self:
        return str.__new__(cls, f"{kind}/{name}" if name else kind)

    @property
    def kind(self) -> str:
        """What is meant: a gene, a column, a score, ..."""
        return self.parts[0]

    @property
    def name(self) -> str:
        """Which of its kind; empty where there is only one."""
        return self.parts[1]

    @property
    def is_of_one_run(self) -> bool:
        """Whether it means something in one run only: its classes, its scores, its clusters."""
        return self.kind in ("class", "score", "cluster")


CLUSTER = ColourKey("cluster")
