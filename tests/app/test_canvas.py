"""What the canvas shows of a document and its run. Without a browser."""

from app.canvas.view import Canvas
from app.inspector.view import Inspector
from app.session.dataset_card import DatasetCard
from app.session.session import Session
from diffbio_engine.pipelines import presets
from diffbio_engine.pipelines.spec import DATA, Block, PipelineSpec, Wire

KMEANS, VAE = "singlecell.soft_kmeans", "normalization.vae_normalizer"


def meter(canvas):
    return next(n["style"]["--meter"] for n in canvas.flow.nodes if n["id"] == "soft_kmeans")


def test_the_values_of_a_run_stay_on_its_blocks_until_another_document_is_shown():
    session = Session()
    session.document.add_block("singlecell.soft_kmeans")
    canvas = Canvas(session)
    session.run.param.update(id="r", state="running", document=session.document.spec.name)
    session.run.block_values = {"soft_kmeans": "clustering 0.1"}
    assert "clustering 0.1" in meter(canvas)
    session.run.state = "done"  # drawn anew
    assert "clustering 0.1" in meter(canvas)
    session.run.document = "Another pipeline"
    assert "clustering" not in meter(canvas)


def test_blocks_of_one_kind_are_told_apart_by_what_is_particular_of_their_names():
    session = Session()
    for _ in range(2):
        session.document.add_block(KMEANS)
    session.document.add_block(VAE)
    titles = {n["id"]: n["label"] for n in Canvas(session).flow.nodes}
    assert titles["soft_kmeans"] == "Soft k-means" and titles["soft_kmeans_2"] == "Soft k-means (2)"
    assert "(" not in titles["vae_normalizer"].removesuffix("(scVI)")


def test_the_data_block_says_how_many_genes_are_trained_on_and_lets_it_be_changed():
    session = Session(spec=presets()["single_cell"].make(None))
    canvas, inspector = Canvas(session), Inspector(session)
    card = DatasetCard("d", "cells.h5ad", "/cells.h5ad", 3000, 14000, {"counts": "X"})

    def said():
        return next(n["style"]["--meter"] for n in canvas.flow.nodes if n["id"] == DATA)

    assert said() == '""'
    session.use_dataset(card)
    assert "trains on 2\u202f000 variable genes" in said()
    session.document.selected_block = DATA
    assert [(r["name"], r["value"]) for r in inspector._block.rows] == [("variable_genes", 2000)]
    inspector._set("variable_genes", 0)
    assert session.document.spec.variable_genes == 0 and said() == '""'
    session.document.undo()
    assert session.document.spec.variable_genes == 2000


def test_the_browser_is_told_all_wires_anew_after_each_change_by_hand():
    # It draws what a hand does itself, and what it is told twice alike it takes for no change.
    blocks = (Block("soft_kmeans", KMEANS), Block("vae", VAE))
    session = Session(spec=PipelineSpec("P", blocks=blocks))
    flow = Canvas(session).flow
    none = list(flow.edges)
    edge = {"source": "vae", "sourceHandle": "latent", "target": "soft_kmeans",
            "targetHandle": "embeddings", "id": "vae->soft_kmeans"}  # fmt: skip
    flow._handle_msg({"type": "edge_added", "edge": edge})
    assert session.document.spec.wires == (Wire("vae.latent", "soft_kmeans.embeddings"),)
    session.document.undo()  # before the browser has drawn anything
    assert not session.document.spec.wires and not [e for e in flow.edges if not e.get("hidden")]
    assert flow.edges != none
    none = list(flow.edges)
    session.run.param.update(
        pipeline=session.document.spec, is_looked_at=True
    )  # nothing can be wired
    flow._handle_msg({"type": "edge_added", "edge": edge})
    assert not session.document.spec.wires and flow.edges != none
    assert all(e["hidden"] and e["source"] == e["target"] == DATA for e in flow.edges)


def test_escape_shuts_a_dialog_wherever_the_focus_is():
    session = Session()
    canvas = Canvas(session)
    session.showing = "softness"
    canvas._key({"do": "escape"})
    assert session.showing == ""


def test_a_canvas_that_is_behind_its_document_is_drawn_anew():
    session = Session(spec=PipelineSpec("P", blocks=(Block("soft_kmeans", KMEANS),)))
    canvas = Canvas(session)

    def drawn():
        number = canvas.flow.nodes[0]["style"]["--drawn"]
        assert number == str(canvas._hands.drawn)  # what the browser compares
        return int(number)

    first, told = drawn(), list(canvas.flow.edges)
    session.document.param.trigger("problems")  # nothing to be seen: nothing is sent
    assert drawn() == first
    session.document.set_setting("soft_kmeans", "n_clusters", 5)
    assert drawn() > first
    second, nodes = drawn(), canvas.flow.nodes
    canvas._key({"do": "again"})
    assert drawn() > second and canvas.flow.nodes is not nodes and canvas.flow.edges != told
