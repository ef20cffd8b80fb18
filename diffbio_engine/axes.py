"""Axes: what lies along each dimension of an array, and which of them are rows of a data set."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Axis:
    """What lies along one dimension.

    Attributes:
        name: As ports write it, in the plural: ``"cells"``.
        one: A single one of them: ``"cell"``.
        record: The rows of a data set can be these: mini-batches are drawn of them, a chunk holds
            some of them, and what a block says of each is kept for all. A data set has one kind.
        feature: Columns with names, by which new data are matched to a trained pipeline. Arrays
            over them are wide: computed again rather than kept.
        ragged: Records differ in how many they have, so each chunk is padded to a width of its own.
        general: An input over these takes records of any kind: to normalise, to cluster or to draw
            asks nothing of a cell that a sample or a sequence has not.
    """

    name: str
    one: str
    record: bool = False
    feature: bool = False
    general: bool = False
    ragged: bool = False


# Any other axis (clusters, fates, latent features) is the block's own, and has no entry.
AXES: dict[str, Axis] = {
    axis.name: axis
    for axis in (
        Axis("cells", "cell", record=True, general=True),
        Axis("spots", "spot", record=True),
        Axis("samples", "sample", record=True),
        Axis("sequences", "sequence", record=True),
        Axis("reads", "read", record=True),
        Axis("windows", "window", record=True),
        Axis("molecules", "molecule", record=True),
        Axis("equivalence classes", "equivalence class", record=True),
        Axis("genes", "gene", feature=True),
        Axis("transcripts", "transcript"),
        Axis("iterations", "iteration"),
        # A letter of a sequence has a place and is one of its alphabet; both are short, so neither
        # makes an array wide.
        Axis("positions", "position", ragged=True),
        Axis("letters", "letter"),
    )
}


def axis_of(name: str) -> Axis:
    """The axis of this name; one that nothing is declared of is a block's own."""
    return AXES.get(name) or Axis(name, name.removesuffix("s"))


def numbered(axis: str, length: int) -> list[str]:
    """Names where nothing is known: ``"fate 0"``."""
    return [f"{axis_of(axis).one} {i}" for i in range(length)]


# Not in names of files, folders and places: "cells.csv", "obs/cells".
_SEVERAL, _SEVERAL_FIRST = (
    rf"(?<![\w./\\-]){word}(?![\w/\\-]|\.\w)" for word in ("cells", "Cells")
)


def said_of(axis: Axis, text: str) -> str:
    """A sentence that is written of cells, said of these records instead.

    A single cell only after a word that tells it from types, lines and cycles of cells, and from
    a column that is called so: "each cell", "of a cell". Names of files stay as they are.
    """
    of_these = re.sub(_SEVERAL, axis.name, re.sub(_SEVERAL_FIRST, axis.name.capitalize(), text))
    one = r"\b(a|each|every|one|no|this) cell\b(?![ -](type|line|cycle))"
    return re.sub(one, rf"\1 {axis.one}", of_these)
