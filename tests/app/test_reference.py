"""A second data set on the page, without a browser: its block, its ports, what is kept and said."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from app.canvas.graph import Drawing
from app.data.beside import offer_beside
from app.data.view import DataPanel
from app.results.exports import command_line
from app.server.run_driver import RunDriver
from app.server.validation import planned_or_not
from app.session.autosave import Autosave
from app.session.datasets import open_preset
from app.session.own_things import delete_dataset
from app.session.return_to_run import open_its_pipeline
from app.session.session import DatasetCard, Session
from app.session.stale import stale_words
from app.shell.header import Header
from diffbio_engine.errors import DataError, RunError
from diffbio_engine.pipelines import presets
from diffbio_engine.runs.folder.run_spec import paths_of_data
from diffbio_engine.workspace import Store

ANNOTATE = "singlecell.cell_annotator"
COLUMN = {"name": "kind", "n_values": 4, "kind": "categorical", "missing": 0, "examples": ["a"]}
TYPES = {"obs": [COLUMN]}
FIELDS = {"counts": "X", "labels": "obs/kind", "total_counts": "counts:total"}


def card(name, **fields):
    there = dict(fields or FIELDS)
    return DatasetCard(name, f"{name}.h5ad", f"/data/{name}.h5ad", 90, 50, there, TYPES)


@pytest.fixture
def session():
    """A tab with data in use, and the block of a reference beside one that takes it."""
    made = Session()
    made.use_dataset(card("cells", counts="X"))
    made.document.add_block("reference")
    made.document.add_block(ANNOTATE)
    made.document.set_setting("cell_annotator", "annotation_mode", "singler")
    made.document.add_wire("reference.profiles", "cell_annotator.reference_profiles")
    return made


class Asked:
    """Stands for the processes that read both files."""

    def __init__(self):
        self.of = []

    def __call__(self, source):
        self.of.append(source)
        return self

    def ask(self, question, **told):
        if question == "genes":
            return {"names": ["A"], "ids": []}, {}
        assert told["names"] == ["A"] and told["fields"] == FIELDS
        return {"notes": ["40 of 50 genes."], "names": ["x", "y"]}, {}


def problems(session):
    document = session.document
    return [str(p) for p in planned_or_not(document.spec, document.data_ports)[0]]


def node(session, block="reference"):
    return next(n for n in Drawing(session, ()).blocks() if n["id"] == block)


def test_its_block_is_put_there_wired_deleted_and_brought_back_by_undo(session):
    document = session.document
    assert document.spec.data_blocks == ("data", "reference")
    whole = document.spec
    assert [w.source for w in whole.wires] == ["data.counts", "reference.profiles"]
    document.add_block("reference")  # there is one already
    assert document.spec is whole
    document.remove(["data", "reference"])  # the data cannot be deleted
    assert document.spec.data_blocks == ("data",) and document.change == "Delete Reference"
    assert [w.source for w in document.spec.wires] == ["data.counts"]
    document.undo()
    assert document.spec == whole and document.spec.layout == whole.layout
    document.copy(["reference", "data", "cell_annotator"])
    document.paste()
    assert [b.id for b in document.spec.blocks] == ["cell_annotator", "cell_annotator_2"]
    document.undo()
    document.tidy()
    places = document.spec.layout
    assert places["reference"][0] == places["data"][0] < places["cell_annotator"][0]
    assert places["reference"][1] > places["data"][1]


def test_a_pipeline_runs_once_a_reference_with_known_types_is_chosen(session):
    assert problems(session) == []  # its shapes can be checked before
    assert session.hindrance == "Choose the reference first: a second data set."
    assert '"Choose a data set"' in node(session)["style"].values()
    session.use_dataset(card("atlas", counts="X"), "reference")
    said = problems(session)[0]
    assert "the reference does not offer" in said and "its counts and labels lie" in said
    drawn = node(session)
    assert "This data set lacks known cell types. Say under Data" in drawn["style"]["--note"]
    assert "broken" in Drawing(session, ()).wires()[1]["className"]
    session.use_dataset(card("atlas"), "reference")
    assert problems(session) == [] and session.hindrance == ""
    assert session.document.data_ports["reference.profiles"].shape == (4, 50)
    assert "atlas" in node(session)["style"]["--setting"]
    assert Header(session)._header.dataset.endswith("· reference: atlas.h5ad")


def test_a_run_is_told_of_both_and_reads_both(session):
    session.use_dataset(card("atlas"), "reference")
    told = session.data.beside_for_a_run(session.document.spec)
    assert told["reference"]["fields"] == {"counts": "X", "labels": "obs/kind"}
    run = {"dataset": session.data.card.for_a_run, "beside": told}
    assert paths_of_data(run) == ["/data/cells.h5ad", "/data/atlas.h5ad"]
    line = command_line(session)
    assert "--data cells.h5ad --reference atlas.h5ad" in line
    assert "--field reference.labels=obs/kind" in line
    told = replace(card("atlas"), reading={"orientation": "genes in rows"})
    session.use_dataset(told, "reference")
    assert "--reference-read 'orientation=genes in rows'" in command_line(session)
    session.document.remove(["reference"])
    assert session.data.beside_for_a_run(session.document.spec) == {}
    assert "--reference" not in command_line(session)


def test_a_run_is_refused_where_the_person_does_not_reach_one_of_the_two(session, monkeypatch):
    session.use_dataset(card("atlas"), "reference")
    asked, started = [], []

    def reach(of, path):
        asked.append(str(path))
        if "atlas" in str(path):
            raise DataError("It is not yours.")

    monkeypatch.setattr("app.server.run_driver.whole_within_reach", reach)
    server = SimpleNamespace(engine=SimpleNamespace(start=lambda *_: started.append(1)))
    RunDriver(session, server, SimpleNamespace()).start()
    assert asked == ["/data/cells.h5ad", "/data/atlas.h5ad"]
    assert session.notice["text"] == "It is not yours." and not started and not session.run.state


def test_a_run_with_another_reference_is_said_to_be_of_that(session):
    session.use_dataset(card("atlas"), "reference")
    shown = {"id": "r1", "document": session.document.spec.name, "pipeline": session.document.spec}
    had = {"reference": DatasetCard.told(card("atlas").for_a_run)}
    session.run.param.update(**shown, dataset=session.data.card, beside=had)
    assert stale_words(session) == ""
    session.use_dataset(card("other"), "reference")
    assert "This run had the reference atlas.h5ad, not other.h5ad." in stale_words(session)
    session.run.is_looked_at = True
    looked_at = session.shown_data_of("reference")
    assert looked_at.name == "atlas.h5ad" and looked_at.size == ""  # its file was not looked at


def test_the_pipeline_of_a_run_comes_back_with_both_data_sets(session, monkeypatch):
    atlas, spec = card("atlas"), session.document.spec
    run = {"id": "r1", "document": "Then", "pipeline": replace(spec, name="Then")}
    had = {"reference": DatasetCard.told(atlas.for_a_run)}
    monkeypatch.setattr("app.session.datasets.card_at", lambda session, path, reading: atlas)
    session.store = session.document.store = SimpleNamespace(
        load_pipeline=lambda *_: run["pipeline"].to_json(), pipelines=lambda _: []
    )
    session.run.driver = SimpleNamespace(forget=session.run.clear, watch=lambda _: None)
    session.run.param.update(**run, dataset=session.data.card, beside=had, is_looked_at=True)
    assert "atlas.h5ad" in node(session)["style"]["--setting"]  # as the run had it
    open_its_pipeline(session)
    assert session.document.spec.name == "Then" and session.data.of("reference") == atlas


def test_both_are_found_again_and_follow_into_another_tab(session, tmp_path):
    files = {name: tmp_path / f"{name}.h5ad" for name in ("cells", "atlas")}
    for path in files.values():
        path.touch()
    store, session.data_dir = Store(tmp_path), tmp_path
    session.engine = SimpleNamespace(runs=lambda owner: [])
    for block, name in (("data", "cells"), ("reference", "atlas")):
        known = store.register("local", files[name])
        session.use_dataset(replace(card(name), id=known.id, path=str(files[name])), block)
    session.store = session.document.store = store
    autosave = Autosave(session, store, tmp_path)
    autosave.save_soon()
    autosave.save_now()
    assert session.document.saved == "saved"
    again = Session()
    again.data_dir, again.engine, again.store = tmp_path, session.engine, store
    Autosave(again, store, tmp_path).bring_back()
    assert again.data.card == session.data.card and again.data.beside == session.data.beside
    assert again.document.spec.layout["reference"] == session.document.spec.layout["reference"]
    other = Session()
    other.mirror(session)
    assert other.data.beside == session.data.beside


def test_a_reference_that_a_run_reads_is_not_deleted(session, tmp_path):
    path = tmp_path / "atlas.h5ad"
    path.touch()
    store = Store(tmp_path)
    known = store.register("local", path)
    told = {"dataset": {"path": "/x"}, "beside": {"reference": {"path": str(known.path)}}}
    run = SimpleNamespace(id="r1", state="running", title="Names cells")
    session.store = store
    session.engine = SimpleNamespace(
        runs=lambda owner: [run], folder=lambda run_id, owner: SimpleNamespace(run=told)
    )
    with pytest.raises(RunError, match=r"is being read by 1 of your runs .*Names cells"):
        delete_dataset(session, known.id)


def test_the_data_panel_offers_it_only_where_the_pipeline_has_such_a_block(session, monkeypatch):
    monkeypatch.setattr(DataPanel, "_list_all", lambda self, folder: None)
    monkeypatch.setattr("app.data.view.offer", lambda session, card: {})
    session.store = session.room = SimpleNamespace()
    plain = Session()
    plain.store = plain.room = session.store
    assert DataPanel(plain)._desk.beside == []
    panel = DataPanel(session)
    (offered,) = panel._desk.beside
    assert offered["title"] == "reference" and not offered["first"]
    panel.card = card("atlas", counts="X")
    (told,) = offer_beside(session, panel.card)
    assert told["why"] == "Say above where its counts and labels lie: a reference needs them."
    panel.card = card("atlas")
    asked = Asked()
    monkeypatch.setattr("app.data.beside.opened", asked)
    (told,) = offer_beside(session, panel.card)
    assert told["sentence"] == "2 types. 40 of 50 genes." and not told["why"]
    assert asked.of == ["/data/cells.h5ad", "/data/atlas.h5ad"]
    panel._asked({"do": "use", "block": "elsewhere"})
    assert session.data.beside == {}
    panel._asked({"do": "use", "block": "reference"})
    assert session.data.of("reference") is panel.card and session.data.card.name == "cells.h5ad"
    assert session.notice["text"] == "atlas.h5ad is in use as reference."
    session.document.selected_block, session.showing = "data", "data"
    assert panel.card is session.data.card
    session.showing = ""
    session.document.selected_block, session.showing = "reference", "data"
    assert panel.card.name == "atlas.h5ad" and panel._desk.beside[0]["first"]


def test_a_ready_pipeline_waits_for_its_second_data_set():
    session = Session()
    session.use_dataset(card("cells", counts="X"))
    open_preset(session, presets()["reference_annotation"])
    document = session.document
    assert {b.id for b in document.spec.blocks} == {"normalize", "annotate", "umap", "cluster"}
    assert session.hindrance == "Choose the reference first: a second data set."
    assert document.spec.layout["reference"] != document.spec.layout["data"]
    bare = Session()
    bare.use_dataset(card("cells", embeddings="obsm/X_pca"))
    open_preset(bare, presets()["reference_annotation"])
    assert "needs raw counts" in bare.notice["text"] and not bare.document.spec.blocks
