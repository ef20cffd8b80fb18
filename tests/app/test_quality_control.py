"""Limits of quality control on the page, without a browser: what a hand does, and what is said."""

from types import SimpleNamespace

import numpy as np
import pytest

from app.canvas.view import Canvas
from app.data import quality_control
from app.data.quality_control import QualityPane
from app.map.cells_shown import cells_in_words
from app.map.drawing import meant
from app.map.view_state import MapViewState
from app.session.session import DatasetCard, Session
from app.session.stale import stale_words
from diffbio_engine.pipelines.spec import Block, PipelineSpec
from diffbio_engine.ports.quality_control import Limit, QualityControl

COLUMNS = [
    {"name": "day", "kind": "number", "n_values": 3},
    {"name": "sample", "kind": "categorical", "n_values": 2},
    {"name": "percent_mt", "kind": "number", "n_values": 90},
]
CARD = DatasetCard("1", "a.h5ad", "/a.h5ad", 200, 9, {"counts": "X"}, {"obs": COLUMNS})
SHARES = np.r_[np.full(80, 2.0), np.linspace(3.0, 40.0, 20)]


@pytest.fixture
def pane(monkeypatch):
    """The pane of two samples of 100 cells, the second of which is the worse one."""
    asked = []

    def ask(question, **told):
        asked.append(told)
        arrays = {
            "n_genes_by_counts": np.tile(np.arange(100, 200, dtype=np.int32), 2),
            "total_counts": np.tile(np.geomspace(300, 3000, 100).round(), 2),
            "pct_counts_mt": np.r_[SHARES, 2 * SHARES],
            "samples": np.repeat(np.arange(2, dtype=np.int32), 100),
        }
        return {"samples": ["A", "B"], "n_mitochondrial": 13, "columns": ["mt"]}, arrays

    monkeypatch.setattr(quality_control, "opened", lambda source: SimpleNamespace(ask=ask))
    block = Block("k", "singlecell.soft_kmeans", {"n_clusters": 4})
    session = Session(spec=PipelineSpec("P", blocks=(block,)))
    session.data.card, session.showing = CARD, "quality"
    made = QualityPane(session)
    made.asked = asked
    return made


def kept(pane):
    return [after for _, _, after in pane._desk.counted["samples"]]


def test_automatic_limits_are_proposed_by_the_column_of_samples_and_nothing_is_applied(pane):
    assert pane.asked == [{"place": "X", "mitochondrial": "", "samples": "obs/sample"}]
    words = pane._desk.words
    assert words["unapplied"] and words["proposed"] and words["same"] and words["several"]
    assert not pane.session.document.spec.quality_control.removes
    # Of all 200 shares the median is 4 and the median absolute deviation 2: 4 + 3 x 2.
    assert pane._desk.limits["pct_counts_mt"] == {"": [None, 10.0]}
    assert kept(pane) == [(SHARES <= 10).sum(), (2 * SHARES <= 10).sum()]
    (mt,) = [m for m in pane._desk.metrics if m["name"] == "pct_counts_mt"]
    assert np.sum(mt["heights"], axis=1).tolist() == [100, 100]
    assert [o["place"] for o in pane._desk.options["mitochondrial"]] == [
        "", "var/mt", "obs/percent_mt"
    ]  # fmt: skip


def test_limits_of_one_sample_are_moved_applied_undone_and_said_to_be_stale(pane):
    session, canvas = pane.session, Canvas(pane.session)
    before = session.document.spec
    session.run.param.update(id="r", state="done", document="P", pipeline=before, dataset=CARD)
    pane._take({"do": "clear"})
    most = {"do": "limit", "metric": "pct_counts_mt", "end": "most"}
    pane._take({**most, "value": 12})
    pane._take({"do": "same", "value": False})
    pane._take({**most, "value": 30, "sample": "B"})
    assert kept(pane) == [(SHARES <= 12).sum(), (2 * SHARES <= 30).sum()]
    assert pane._desk.words["unapplied"] and not stale_words(session)
    pane._take({"do": "apply"})
    applied = session.document.spec.quality_control
    assert applied.samples == "obs/sample" and not pane._desk.words["unapplied"]
    assert set(applied.limits) == {
        Limit("pct_counts_mt", None, 12.0),
        Limit("pct_counts_mt", None, 12.0, "A"),
        Limit("pct_counts_mt", None, 30.0, "B"),
    }
    assert "Changed since this run: quality control" in stale_words(session)
    assert "stale" in next(n for n in canvas.flow.nodes if n["id"] == "k")["className"]
    assert "B: of at most 30 %" in pane._desk.counted["methods"]
    pane._take({**most, "value": 1, "sample": "A"})
    pane._take({"do": "discard"})
    assert kept(pane)[0] == (SHARES <= 12).sum()
    session.document.undo()
    assert session.document.spec == before and not stale_words(session)
    assert kept(pane) == [100, 100]
    session.document.redo()
    assert pane.draft.control == applied


def test_what_a_browser_may_send_besides_is_no_limit(pane):
    pane._take({"do": "clear"})
    for wrong in (
        {"metric": "pct_counts_mt", "end": "most", "value": float("nan")},
        {"metric": "pct_counts_mt", "end": "most", "value": "<b>"},
        {"metric": "nothing", "end": "most", "value": 1},
        {"metric": "pct_counts_mt", "end": "__class__", "value": 1},
        {"metric": "pct_counts_mt", "end": "most", "value": 1, "sample": "another"},
    ):
        pane._take({"do": "limit", **wrong})
    pane._take({"do": "samples", "value": "obs/../../etc/passwd"})
    assert pane.draft.control == QualityControl(samples="obs/sample") and len(pane.asked) == 1
    pane.session.data.card = DatasetCard("2", "b", "/b", 9, 9, {}, {"rows": "samples"})
    assert "cells and spots, and these are samples" in pane._desk.words["problem"]


def test_the_map_shows_in_grey_what_the_limits_remove(pane):
    frame = SimpleNamespace(xy=np.zeros((200, 2)), cells=None)
    shown = SimpleNamespace(key="", codes=None)
    session = pane.session
    of_map = MapViewState(kept=session.data.passing["kept"])
    grey = ~meant(shown, of_map, frame)
    assert grey.sum() == 200 - sum(kept(pane)) > 0
    assert cells_in_words(frame, session) == (f"200 cells shown, {grey.sum()} removed (grey)")
    session.showing = ""  # not applied, and closed
    assert cells_in_words(frame, session) == "200 cells shown"
    some = SimpleNamespace(xy=np.zeros((2, 2)), cells=np.array([0, 199]))  # rows of the file
    assert meant(shown, of_map, some).tolist() == [True, False]
