"""What a tab wants to see of a map, and how that changes with a run and with what is picked."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from app.map.colouring import CLIP
from app.map.shading import View
from app.style.colour_key import ColourKey
from diffbio_engine.runs import GROUPS, Findings


@dataclass(frozen=True)
class MapViewState:
    """What a tab wants to see.

    Attributes:
        colour: As ``ColourKey``; empty while nobody has chosen: ``first``.
        map: Port of the map; empty for the one that is shown first.
        path, counts: The data set's file, and where its counts lie.
        view: The axes after a zoom; None follows the map.
        only: Categories that are meant; None for all.
        chosen: Which cells of the frame are selected; None for no selection.
        counted_by: A colouring by which selected cells are counted; empty: what is shown.
        kept: Which rows of the data set pass its quality control; None: not known, or all.
        fade: Whether undecided cells are drawn fainter.
        clip: Percent of the cells on the map beyond either end of the colour bar.
        gene_sets: Genes of each set that can colour the cells.
        class_names: By port of shares, what its classes are called.
        kinds: By port, the kind of what can be drawn.
        first: As ``Findings.first``.
        record: What one of the records is called: "cell", "spot", "sample".
    """

    run: str = ""
    map: str = ""
    colour: str = ""
    path: str = ""
    counts: str = "X"
    theme: str = "default"
    size: tuple[int, int] = (640, 440)
    pixel_ratio: float = 1.0
    view: View | None = None
    only: frozenset[int] | None = None
    chosen: np.ndarray | None = None
    counted_by: str = ""
    kept: np.ndarray | None = None
    fade: bool = True
    clip: float = CLIP
    gene_sets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    class_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    first: str = ""
    record: str = "cell"


def of_another_run(state: MapViewState, run: str) -> MapViewState:
    """The state for a run that has just been chosen: its own map, classes and scores."""
    own = ColourKey.parse(state.colour).is_of_one_run
    return replace(
        state, run=run, map="", view=None, only=None, chosen=None, counted_by="", class_names={},
        kinds={}, first="", colour="" if own else state.colour,
    )  # fmt: skip


def with_picked(state: MapViewState, n: int, index: int, *, alone: bool) -> MapViewState:
    """The same state with one of n categories switched on or off, or alone; again: all of them."""
    every = frozenset(range(n))
    only = state.only if state.only is not None else every
    if alone:
        only = every if only == {index} else frozenset({index})
    else:
        only = only ^ {index}
    return replace(state, only=None if only == every or not only else only)


def with_names(state: MapViewState, findings: Findings | None) -> MapViewState:
    """The same state, knowing what the run calls its classes and what its ports mean."""
    if findings is None:
        return state
    names = {
        f.port: tuple(findings.along(f, f.axes[1]))
        for f in findings.found
        if f.axes[:1] == (GROUPS,)
    }
    return replace(state, class_names=names, kinds=findings.kinds, first=findings.first)


def knowing(state: MapViewState, seen: MapViewState) -> MapViewState:
    """The same state with the names that another one of the same run has learned."""
    return replace(state, class_names=seen.class_names, kinds=seen.kinds, first=seen.first)
