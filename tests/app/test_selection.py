"""Which cells a hand has meant on the map, who they are, and what lies under the pointer."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from app.map.components import legend_of
from app.map.drawing import draw
from app.map.pointing import Pointing, told_of
from app.map.selection import (
    MOST_LISTED,
    combined,
    nearest,
    not_grey,
    outlined,
    selection_card,
)
from app.map.shading import Colouring
from app.map.view_state import MapViewState
from tests.runs.drawn import drawn as snapshot_of

XY = np.array([[0, 0], [1, 0], [2, 0], [0, 5], [1, 5]], np.float32)
LABELS = np.array([0, 0, 1, 1, 1], np.int16)
CERTAINTY = np.array([0.9, 0.4, 0.8, np.nan, 1.0], np.float32)
STATE = MapViewState(run="selection")


@pytest.fixture
def frame():
    return draw(snapshot_of(3, XY, LABELS, CERTAINTY), STATE).frame


def colouring(**what):
    return Colouring("obs/x", "donor", **what)


def test_boxes_and_lassos_mean_the_cells_inside_whichever_way_they_were_drawn(frame):
    box = {"type": "rect", "x0": 1.5, "x1": -0.5, "y0": 1, "y1": -1}
    assert outlined(frame, box).tolist() == [True, True, False, False, False]
    lasso = {"type": "poly", "x": [-1, 3, 3, -1], "y": [4, 4, 6, 6]}
    assert outlined(frame, lasso).tolist() == [False, False, False, True, True]
    assert not outlined(frame, {"type": "poly", "x": [0], "y": [0]}).any()


def test_what_the_legend_or_quality_control_has_made_grey_is_not_selected():
    state = replace(STATE, only=frozenset({1}), kept=np.array([1, 1, 1, 0, 1], bool))
    state = replace(state, chosen=np.array([1, 0, 0, 0, 0], bool))  # what was before rules nothing
    shown = draw(snapshot_of(3, XY, LABELS, CERTAINTY), state)
    everything = np.ones(5, bool)
    assert not_grey(everything, shown, state).tolist() == [False, False, True, False, True]
    assert not_grey(everything, shown, STATE).all()


def test_a_selection_is_added_to_or_taken_from_and_an_empty_one_is_none():
    one, two = np.array([True, True, False]), np.array([False, True, True])
    assert combined(None, one, "add").tolist() == one.tolist()
    assert combined(one, two, "add").all()
    assert combined(one, two, "subtract").tolist() == [True, False, False]
    assert combined(one, two, "").tolist() == two.tolist()
    assert combined(one, one, "subtract") is None and combined(None, one, "subtract") is None
    # Of another map with other cells nothing can be taken.
    assert combined(np.ones(7, bool), two, "add").tolist() == two.tolist()


def test_the_card_counts_n_of_all_by_any_column_and_says_how_many_are_undecided(frame):
    chosen = np.array([True, True, True, False, False])
    codes = np.array([1, 1, -1, 0, 1], np.int32)
    donor = colouring(codes=codes, names=("a", "b"), colors=("#000000", "#ffffff"))
    card = selection_card(frame, donor, chosen)
    assert (card["n"], card["of"], card["none"], card["more"]) == (3, 5, 1, 0)
    assert card["rows"] == [
        {"name": "b", "color": "#ffffff", "n": 2, "share": 2 / 3, "covered": 2 / 3}
    ]
    assert card["certainty"] == pytest.approx(0.7) and card["undecided"] == 1

    gene = Colouring("gene/A", "A", values=np.array([1, 2, np.nan, 8, 9], np.float32))
    card = selection_card(frame, gene, chosen, donor)
    assert (card["mean"], card["mean_of"], card["title"]) == (1.5, "A", "donor")
    here, everywhere = selection_card(frame, donor, chosen, gene)["numbers"]
    assert here == {"name": "selected", "n": 2, "quartiles": [1.25, 1.5, 1.75]}
    assert everywhere["n"] == 4 and everywhere["quartiles"][1] == 5

    many = colouring(
        codes=np.arange(20), names=tuple("abcdefghijklmnopqrst"), colors=("#000000",) * 20
    )
    card = selection_card(replace(frame, certainty=None), many, np.ones(20, bool))
    assert len(card["rows"]) == MOST_LISTED and card["more"] == 20 - MOST_LISTED


def test_while_a_gene_is_shown_the_selected_are_counted_by_cluster_until_another_is_asked(frame):
    score = np.linspace(0, 1, 5, dtype=np.float32)
    snapshot = snapshot_of(3, XY, LABELS, CERTAINTY, **{"score:doublets.doublet_scores": score})
    chosen = np.array([True, False, True, True, False])
    state = replace(STATE, colour="score/doublets.doublet_scores", chosen=chosen)
    card = legend_of(drawn := draw(snapshot, state), state)["card"]
    assert [(r["name"], r["n"]) for r in card["rows"]] == [("1", 2), ("0", 1)]
    assert card["mean"] == pytest.approx(score[chosen].mean()) and drawn.counted.key == "cluster"
    state = replace(state, counted_by="certainty")
    card = legend_of(draw(snapshot, state), state)["card"]
    assert not card["rows"] and card["numbers"][0]["n"] == 2


def test_under_the_pointer_lies_the_nearest_cell_within_a_few_pixels(frame):
    view, size = (0.0, 10.0, 0.0, 10.0), (1000, 500)
    assert nearest(XY, (1.05, 0.1), view, size) == 1
    assert nearest(XY, (1.5, 0.0), view, size) == -1
    assert nearest(np.full((3, 2), np.nan, np.float32), (0, 0), view, size) == -1
    drawn = draw(snapshot_of(3, XY, LABELS, CERTAINTY), STATE)
    assert told_of(drawn, STATE, 2) == [
        ["Cell", "row 2"], ["Cluster", "1"], ["Certainty", "0.80"],
    ]  # fmt: skip
    # The pointer is faster than the answers: of the places meanwhile the last is looked at.
    waiting, stage = [], SimpleNamespace(told={})
    tab = SimpleNamespace(work=lambda work, then: waiting.append((work, then)))
    pointing = Pointing(tab, stage)
    for x in (100, 150, 200):
        pointing.at(drawn, STATE, view, size, x, 500)
    while waiting:
        work, then = waiting.pop()
        then(work())
    assert stage.told == {"x": 200, "y": 500, "lines": told_of(drawn, STATE, 2)}
    pointing.leave()
    assert stage.told == {}
