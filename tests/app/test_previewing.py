"""A dial turned after the run has ended: its preview in the tab. Without a browser."""

from types import SimpleNamespace

import numpy as np
import pytest
from panel.models.esm import DataEvent

from app.canvas.view import Canvas
from app.inspector.view import Inspector
from app.map.drawing import draw
from app.map.figure import file_name
from app.map.view import LiveMap
from app.map.view_state import MapViewState
from app.map.words import stage_words
from app.runs.bar import message_of
from app.session.previewing import Previewing, as_trained
from app.session.session import DatasetCard, Session
from diffbio_engine.errors import RunError
from diffbio_engine.pipelines.spec import Block, PipelineSpec
from diffbio_engine.runs import RunFolder
from diffbio_engine.runs.folder.preview_folder import PreviewFolder
from tests.runs.drawn import drawn as snapshot_of

KMEANS = "singlecell.soft_kmeans"
SHOWN = snapshot_of(7, np.random.default_rng(0).normal(size=(20, 2)))


class Previews:
    """Stands for the processes of the server."""

    def __init__(self):
        self.asked, self.ended, self.alive, self.refuses = [], 0, True, ""

    def ask(self, run, dials, by):
        if self.refuses:
            raise RunError(self.refuses)
        self.asked.append(dict(dials))
        return PreviewFolder(run).ask(dials)

    def is_at_work(self, run):
        return self.alive

    def end(self, run, by):
        self.ended += 1


@pytest.fixture
def tab(tmp_path):
    """A tab whose run has ended; ``tab.answer`` is what a process would do."""
    (tmp_path / "blood.h5ad").touch()
    path = str(tmp_path / "blood.h5ad")
    card = DatasetCard("1", "blood.h5ad", path, 20, 5, {"embeddings": "obsm/X_pca"})
    run = RunFolder.create(tmp_path / "runs/r", {"dataset": {"path": path}})
    spec = PipelineSpec("P", blocks=(Block("k", KMEANS, {"n_clusters": 4}),))
    session = Session(spec=spec)
    previews = Previews()
    session.data_dir = tmp_path
    session.engine = SimpleNamespace(folder=lambda *_: run, previews=previews)
    session.previewing = Previewing(session, session.engine)
    session.previews = previews
    session.data.card = card
    session.run.param.update(
        id="r", state="done", document="P", pipeline=spec, dataset=card, snapshot=SHOWN
    )

    def answer(*, moved=True, error=None, state="ready", message=""):
        folder = PreviewFolder(run)
        seq, dials = folder.asked()
        drawn = {}
        if state == "ready" and error is None:
            folder.clear()
            folder.draw(seq, snapshot_of(seq, SHOWN.map + 1))
            drawn = {"dials": dials, "step": 7, "moved": moved}
        number = {} if message else {"seq": seq}
        folder.say(state=state, message=message, error=error, **number, **drawn)
        session.previewing.look(0.0)

    session.answer = answer
    return session


def badge(session):
    return stage_words(session, draw(session.run.map_snapshot, MapViewState(run="r")))


def test_a_dial_turned_after_the_end_is_previewed_and_undo_shows_the_run_again(tab):
    tab.turn("k.temperature", 0.3)
    assert tab.previews.asked == [{"k.temperature": 0.3}]
    said = badge(tab)
    assert said["badge"] == "Preview of temperature 0.3 of Soft k-means: begins."
    assert "Changed since this run: temperature" in message_of(tab)
    tab.answer(state="opening", message="Reading the data")
    assert "The preview begins: reading the data." in badge(tab)["badge"]
    tab.answer()
    assert tab.run.map_snapshot.step == 7 and np.array_equal(
        tab.run.map_snapshot.map, SHOWN.map + 1
    )
    words = "Preview: temperature 0.3 of Soft k-means; weights as trained."
    assert badge(tab)["badge"] == message_of(tab) == words
    assert tab.run.snapshot is SHOWN  # results, other maps and the timeline are the run's
    tab.document.set_setting("k", "n_clusters", 9)
    assert badge(tab)["badge"] == words
    assert message_of(tab) == (
        f"{words} Changed since this run: clusters of Soft k-means. Run again to see it."
    )
    assert len(tab.previews.asked) == 1
    tab.document.undo()
    tab.document.undo()
    assert tab.run.preview is None and tab.run.map_snapshot is SHOWN
    assert badge(tab) == {**badge(tab), "badge": "", "back": ""}


def test_the_map_shows_the_preview_and_then_the_run_again(tab):
    view = LiveMap(tab)
    assert view.drawn.frame.note == "" and not view._stage.back
    tab.turn("k.temperature", 0.3)
    view._timeline.live = False  # an earlier step was looked at
    tab.answer()
    assert view.drawn.frame.note == "temperature 0.3 of Soft k-means" and view._timeline.live
    assert view._stage.badge.startswith("Preview: temperature 0.3") and view._stage.back
    np.testing.assert_array_equal(view.drawn.frame.raw, SHOWN.map + 1)
    view._stage._process_event(DataEvent(view._stage, {"do": "back"}))  # "As trained"
    np.testing.assert_array_equal(view.drawn.frame.raw, SHOWN.map)
    assert not view._stage.badge and not view._stage.back


def test_as_trained_turns_every_dial_back_in_one_step(tab):
    before = tab.document.spec
    tab.turn("k.temperature", 0.3)
    tab.turn("k.temperature", 0.4)
    tab.answer()
    assert badge(tab)["back"] == "As trained"
    as_trained(tab)
    assert tab.run.preview is None and tab.run.map_snapshot is SHOWN
    assert dict(tab.document.spec.block("k").config)["temperature"] == 1.0
    tab.document.undo()
    assert tab.run.preview.dials == {"k.temperature": 0.4}
    tab.document.undo()
    assert tab.document.spec == before and tab.run.preview is None


def test_of_many_turns_in_a_moment_only_the_last_is_asked_for(tab):
    waiting = []
    tab.work = lambda function, then: waiting.append((function, then))
    for value in (0.3, 0.4, 0.5, 0.6):
        tab.turn("k.temperature", value)
    while waiting:
        function, then = waiting.pop(0)
        then(function())
    assert tab.previews.asked == [{"k.temperature": 0.3}, {"k.temperature": 0.6}]


def test_why_there_is_no_preview_is_said_in_words(tab):
    tab.turn("k.temperature", 0.3)
    error = {"kind": "SettingError", "what": "It was learned.", "fix": "Run again.", "where": ""}
    tab.answer(error=error)
    assert "No preview: It was learned. Run again." in badge(tab)["badge"]
    assert tab.run.map_snapshot is SHOWN
    tab.turn("k.temperature", 0.4)
    tab.answer(moved=False)
    assert "Nothing on the map depends on it" in badge(tab)["badge"]
    tab.turn("k.temperature", 0.5)
    tab.previews.alive = False
    tab.previewing.look(1e12)
    assert "ended by itself" in badge(tab)["badge"]
    tab.previews.refuses = "3 previews are at work on this server."
    tab.turn("k.temperature", 0.6)
    assert "No preview: 3 previews are at work" in badge(tab)["badge"]


def test_what_needs_training_begins_no_preview(tab):
    tab.document.set_setting("k", "n_clusters", 9)
    tab.document.set_training("learning_rate", 0.5)
    tab.document.set_weight("k.clustering_loss", 3.0)
    assert not tab.previews.asked and tab.run.preview is None


def test_a_dial_that_was_turned_before_the_tab_was_opened_begins_no_process(tab):
    tab.run.id = ""
    tab.document.set_setting("k", "temperature", 0.3)
    tab.run.id = "r"
    tab.document.move({"k": (900.0, 80.0)})
    assert not tab.previews.asked
    tab.turn("k.temperature", 0.4)
    assert tab.previews.asked


@pytest.mark.parametrize(
    "change",
    [lambda tab: setattr(tab.document, "read_only", True),
     lambda tab: setattr(tab.run, "state", "queued"),
     lambda tab: setattr(tab.run, "id", "other"),
     lambda tab: setattr(tab.run, "is_looked_at", True),
     lambda tab: setattr(tab.data, "card", DatasetCard("2", "b", "/b.h5ad", 3, 3, {}))],
    ids=["another tab edits", "it goes on", "another run", "looked at", "other data"],
)  # fmt: skip
def test_a_preview_ends_where_it_no_longer_belongs(tab, change):
    tab.turn("k.temperature", 0.3)
    tab.answer()
    change(tab)
    assert tab.run.preview is None and tab.previews.ended == 1
    tab.previewing.close()
    assert tab.previews.ended == 1


def test_a_map_that_is_saved_says_that_it_is_a_preview(tab):
    tab.turn("k.temperature", 0.3)
    tab.answer()
    drawn = draw(tab.run.map_snapshot, MapViewState(run="r"))
    name = "UMAP Cluster step 7 preview temperature 0.3 of Soft k-means.png"
    assert file_name(drawn, "UMAP", "png").endswith(name.removeprefix("UMAP Cluster"))
    assert "preview" not in file_name(draw(SHOWN, MapViewState(run="r")), "UMAP", "png")


def test_a_dial_of_a_run_from_the_list_is_tried_out_and_neither_run_nor_document_changes(tab):
    mine = PipelineSpec("Mine", blocks=(Block("other", KMEANS, {"n_clusters": 9}),))
    tab.document.restore(mine)
    tab.data.card = None
    tab.run.is_looked_at = True
    canvas, inspector, view = Canvas(tab), Inspector(tab), LiveMap(tab)
    tab.document.selected_block = "k"
    assert inspector._block.locked and "temperature" in inspector._block.free
    assert "n_clusters" not in inspector._block.free and "k.temperature" in inspector._dials.free
    assert message_of(tab) == "Pipeline, settings and data as then."

    inspector._turned("k.temperature", 0.3)
    assert tab.previews.asked == [{"k.temperature": 0.3}]
    assert "Changed since this run: temperature" in message_of(tab)
    styles = {n["id"]: n["className"].split() for n in canvas.flow.nodes}
    assert "stale" in styles["k"]
    tab.answer()
    words = "Preview: temperature 0.3 of Soft k-means; weights as trained."
    assert badge(tab)["badge"] == message_of(tab) == view._stage.badge == words
    shown = {row["name"]: row["value"] for row in inspector._dials.rows}
    assert shown["k.temperature"] == 0.3
    assert tab.document.spec is mine and not tab.document.can_undo and tab.run.snapshot is SHOWN
    assert "0.3" not in tab.export_json()  # what it has trained

    for turn in (("learning_rate", 0.5), ("weight:k.clustering_loss", 3.0)):
        tab.turn(*turn)  # these act in training only
        assert "You look at a run as it was" in tab.notice["text"]
    view._stage._process_event(DataEvent(view._stage, {"do": "back"}))  # "As trained"
    assert tab.run.preview is None and not tab.run.tried and tab.run.map_snapshot is SHOWN
    assert message_of(tab) == "Pipeline, settings and data as then."


def test_what_was_turned_in_the_run_itself_is_no_preview_of_it(tab):
    tab.run.param.update(is_looked_at=True, dials={"k.temperature": 0.7})  # as its events told
    assert not tab.previews.asked and message_of(tab) == "Pipeline, settings and data as then."
    tab.turn("k.temperature", 0.7)
    assert not tab.previews.asked


def test_the_inspector_shows_the_document_once_the_run_has_ended(tab):
    inspector = Inspector(tab)
    tab.run.param.update(state="running", dials={"k.temperature": 0.2})
    shown = lambda: {row["name"]: row["value"] for row in inspector._dials.rows}  # noqa: E731
    assert shown()["k.temperature"] == 0.2
    tab.run.state = "done"
    tab.turn("k.temperature", 0.5)
    assert shown()["k.temperature"] == 0.5
