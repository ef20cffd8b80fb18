"""A run that is opened from the list: its own pipeline, dials and results. Without a browser."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from app.canvas.view import Canvas
from app.inspector.view import Inspector
from app.map.words import map_title, stage_words
from app.results.view import FindingsView
from app.runs.bar import RunBar, state_in_words
from app.server.run_driver import RunDriver
from app.session.looked_at import does_the_same, pipeline_of
from app.session.return_to_run import open_its_pipeline
from app.session.session import DatasetCard, Session
from app.shell.header import Header
from diffbio_engine.errors import TrainingError
from diffbio_engine.pipelines.spec import Block, PipelineSpec, Wire
from diffbio_engine.runs import RunFolder

KMEANS, UMAP = "singlecell.soft_kmeans", "normalization.umap"
CANVAS = PipelineSpec("Mine", blocks=(Block("k", KMEANS, {"n_clusters": 4}),))
OLD = PipelineSpec(
    "Mine",
    blocks=(Block("groups", KMEANS, {"n_clusters": 9, "temperature": 2.0}),),
    wires=(Wire("data.embeddings", "groups.embeddings"),),
    training={"learning_rate": 0.02, "steps": 77},
)
CELLS = DatasetCard(
    "1", "then.h5ad", "/then.h5ad", 30, 5, {"embeddings": "obsm/X_pca"}, {"rows": "spots"}
)


class Driver:
    """Stands for the one that reads runs."""

    def __init__(self, session, runs):
        self.session, self.runs, self.asked = session, runs, []

    def forget(self):
        self.session.run.clear()

    def watch(self, run):
        self.forget()
        spec, dials, state = self.runs[run]
        pipeline = pipeline_of({"pipeline": spec.to_json()}, dials)
        self.session.run.param.update(
            id=run, state=state, document=spec.name, pipeline=pipeline, dials=dials, dataset=CELLS
        )

    def start(self):
        self.asked.append("start")

    def turn(self, dial, value):
        self.asked.append((dial, value))


@pytest.fixture
def session():
    session = Session(spec=CANVAS)
    runs = {
        "old": (OLD, {"groups.temperature": 0.25}, "done"),
        "live": (OLD, {}, "running"),
        "same": (replace(CANVAS, name="Other"), {}, "done"),
    }
    session.run.driver = Driver(session, runs)
    return session


def values(form):
    return {row["name"]: row["value"] for row in form.rows}


def test_a_run_from_the_list_shows_its_own_blocks_settings_and_dials(session):
    canvas, inspector, header = Canvas(session), Inspector(session), Header(session)
    bar = RunBar(session, lambda: None)
    session.document.selected_block = "k"
    session.watch_run("old")
    assert [n["id"] for n in canvas.flow.nodes] == ["data", "groups"]
    assert "then.h5ad" in canvas.flow.nodes[0]["style"]["--setting"]
    dials = values(inspector._dials)
    assert dials["groups.temperature"] == 0.25 and dials["learning_rate"] == 0.02
    assert dials["steps"] == 77 and not any(name.startswith("k.") for name in dials)
    session.document.selected_block = "groups"
    assert values(inspector._block)["n_clusters"] == 9 and inspector._block.locked
    assert header._header.dataset.startswith("then.h5ad") and header._header.looks
    assert bar._bar.leave[0] == "Back to 'Mine'" and bar._bar.back[0] == "Open its pipeline"
    assert session.document.spec is CANVAS and '"n_clusters": 9' in session.export_json()

    bar._take({"do": "leave"})
    assert [n["id"] for n in canvas.flow.nodes] == ["data", "k"]
    assert not session.run.id and "k.temperature" in values(inspector._dials)


def test_what_is_looked_at_is_not_changed_by_a_hand_nor_run_again(session):
    session.watch_run("old")
    session.document.set_setting("k", "n_clusters", 5)
    session.document.add_block(KMEANS)
    session.document.undo()
    session.turn("learning_rate", 1.0)
    session.press_run()
    assert session.document.spec is CANVAS and not session.run.driver.asked
    assert "Open its pipeline" in session.notice["text"]


def test_a_dial_of_a_live_run_that_is_looked_at_reaches_the_run_and_not_the_canvas(session):
    session.watch_run("live")
    session.turn("groups.temperature", 0.5)
    assert session.run.driver.asked == [("groups.temperature", 0.5)]
    assert session.run.dials["groups.temperature"] == 0.5 and session.document.spec is CANVAS


def test_dials_that_were_tried_out_come_along_with_the_pipeline_as_a_step_of_their_own(session):
    session.watch_run("old")
    session.turn("groups.temperature", 0.4)
    assert session.document.spec is CANVAS and session.run.tried == {"groups.temperature": 0.4}
    session.store = SimpleNamespace(load_pipeline=lambda *_: OLD.to_json(), pipelines=lambda _: [])
    open_its_pipeline(session)
    assert (
        session.document.spec.block("groups").config["temperature"] == 0.4 and not session.run.tried
    )
    session.document.undo()
    assert session.document.spec.block("groups").config["temperature"] == 0.25


def test_a_run_says_at_once_how_it_stands_and_that_its_map_is_on_its_way(tmp_path):
    folder = RunFolder.create(tmp_path / "r", {"pipeline": OLD.to_json()})
    status = {"state": "done", "step": 77, "total_steps": 77, "message": "Results as of the end."}
    folder.status_file.write_text(json.dumps(status))
    server = SimpleNamespace(
        engine=SimpleNamespace(folder=lambda *_: folder), snapshot=lambda *_: None
    )
    session = Session(spec=CANVAS)
    session.store = SimpleNamespace(datasets=lambda _: [])
    session.run.driver = driver = RunDriver(session, server, SimpleNamespace(look=lambda now: None))
    driver.watch("r")
    assert (session.run.state, session.run.step, session.run.total) == ("done", 77, 77)
    assert state_in_words(session) == "Done" and not session.run.is_running
    opening = stage_words(session, None)
    assert opening["title"] == "The run is being opened" and opening["waits"]
    driver.look()
    assert stage_words(session, None)["title"] == "This run has no map"


def test_a_run_of_the_very_pipeline_on_the_canvas_leaves_the_canvas_free(session):
    session.watch_run("same")
    assert not session.run.is_looked_at
    session.document.set_setting("k", "n_clusters", 6)
    assert session.document.spec.block("k").config["n_clusters"] == 6


def test_turned_dials_are_settings_of_the_pipeline_that_a_run_trains():
    dials = {"weight:groups.loss": 3.0, "learning_rate": 0.5, "groups.temperature": 0.1,
             "gone.temperature": 1.0, "groups.n_clusters": None}  # fmt: skip
    spec = pipeline_of({"pipeline": OLD.to_json()}, dials)
    assert spec.weights == {"groups.loss": 3.0} and spec.training["learning_rate"] == 0.5
    config = spec.block("groups").config
    assert (config["n_clusters"], config["temperature"]) == (9, 0.1)
    assert not does_the_same(spec, OLD) and does_the_same(OLD, replace(OLD, name="Else"))
    assert pipeline_of({"pipeline": {"blocks": "no"}}, {}) is None


def test_a_map_is_called_after_the_block_of_its_run(session):
    assert map_title("map", session) == "Map"
    session.run.driver.runs["umap"] = (PipelineSpec("U", blocks=(Block("umap", UMAP),)), {}, "done")
    session.watch_run("umap")
    assert map_title("map", session) == "UMAP"


def test_no_table_of_one_run_is_seen_under_another(session, monkeypatch, tmp_path):
    sheet = SimpleNamespace(
        id="s", title="Genes", block="groups", form="table", doc="", of_the_model=False,
        usual=False, asked=False,
        make=lambda: ({"rows": [1], "groups": ["all cells", "slice 1"]}, None),
    )  # fmt: skip
    found = SimpleNamespace(step=3)
    monkeypatch.setattr(
        "app.results.view.RunReader", lambda _: SimpleNamespace(findings=lambda: found)
    )
    monkeypatch.setattr("app.results.view.sheets_of", lambda found: [sheet])
    session.run.driver.folder = lambda: tmp_path
    waiting = []
    session.work = lambda function, then=None: waiting.append((function, then))

    def work_off():
        while waiting:
            function, then = waiting.pop(0)
            then(function())

    view, seen = FindingsView(session), []
    view._desk.param.watch(lambda e: seen.append((session.run.id, e.new.get("id"))), "content")
    session.showing = "findings"
    session.watch_run("old")
    work_off()
    assert view._desk.content["id"] == "s"
    assert view._desk.content["groups"] == ["all spots", "slice 1"]  # as the rows are called
    session.watch_run("live")
    assert view._desk.content["id"] == "" and not view._desk.sheets  # before anything is read
    late = waiting.pop(0)
    session.watch_run("same")
    late[1](late[0]())  # what was read of the run before
    assert view._desk.content["id"] == "" and not view._desk.sheets
    work_off()
    assert view._desk.content["id"] == "s"
    session.data.card = session.run.dataset = CELLS
    monkeypatch.setattr("app.results.view.counts_of_gene", lambda *_: {"name": "GATA1"})
    session.read = session.work
    asked = {"do": "counts", "id": "s", "name": "GATA1"}
    view._asked(asked)
    work_off()
    assert view._desk.gene["name"] == "GATA1"
    view._asked(asked)
    session.watch_run("live")
    work_off()
    assert view._desk.gene == {}  # neither what was read before, nor what came late
    assert np.all([run != "" for run, sheet in seen if sheet])


def test_what_is_shown_of_a_run_does_not_follow_the_canvas(session, monkeypatch, tmp_path):
    shares = SimpleNamespace(
        id="s", title="Genes", block="groups", form="table", doc="", of_the_model=False,
        usual=False, asked=False,
        make=lambda: ({"rows": [1]}, None),
    )  # fmt: skip
    found = SimpleNamespace(step=3)
    monkeypatch.setattr(
        "app.results.view.RunReader", lambda _: SimpleNamespace(findings=lambda: found)
    )
    monkeypatch.setattr("app.results.view.sheets_of", lambda found: [shares])
    trained = replace(OLD, blocks=(*OLD.blocks, Block("umap", UMAP)))
    session.run.driver.runs["own"] = (trained, {"groups.temperature": 0.25}, "running")
    session.run.driver.folder = lambda: tmp_path
    session.document.restore(trained)
    session.run.watch("own")
    inspector, bar = Inspector(session), RunBar(session, lambda: None)
    results = FindingsView(session)
    session.showing = "findings"
    session.run.errors = [TrainingError("became infinite.", fix="Wait.", where="groups")]

    def seen():
        dials = {n: v for n, v in values(inspector._dials).items() if "." in n}
        desk = results._desk
        return dials, map_title("map", session), desk.sheets, desk.content["id"]

    before = seen()
    assert before[0]["groups.temperature"] == 0.25 and before[1] == "UMAP"
    assert before[2][0]["block"] == "Soft k-means"
    session.document.remove(["groups", "umap"])
    for _ in range(2):
        session.document.add_block(KMEANS)
    assert session.is_of_this_document and seen() == before
    session.turn("groups.temperature", 0.5)  # of a block that the canvas has no more
    session.turn("soft_kmeans.temperature", 0.7)  # of a block that the run has not
    assert session.run.driver.asked == [("groups.temperature", 0.5)]
    assert session.document.spec.block("soft_kmeans").config["temperature"] == 0.7
    session.run.state = "failed"
    assert bar._bar.problem.startswith("Soft k-means became infinite.")
