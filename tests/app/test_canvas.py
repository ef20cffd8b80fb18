"""What the canvas shows of a document and its run. Without a browser."""

from app.session import Session
from app.views.canvas import Canvas

KMEANS, VAE = "singlecell.soft_kmeans", "normalization.vae_normalizer"


def meter(canvas):
    return next(n["style"]["--meter"] for n in canvas.flow.nodes if n["id"] == "soft_kmeans")


def test_the_values_of_a_run_stay_on_its_blocks_until_another_document_is_shown():
    session = Session()
    session.add_block("singlecell.soft_kmeans")
    canvas = Canvas(session)
    session.param.update(run_id="r", run_state="running", run_document=session.spec.name)
    session.block_values = {"soft_kmeans": "clustering 0.1"}
    assert "clustering 0.1" in meter(canvas)
    session.param.update(run_state="done", problems=[])  # drawn anew
    assert "clustering 0.1" in meter(canvas)
    session.param.update(run_document="Another pipeline")
    assert "clustering" not in meter(canvas)


def test_blocks_of_one_kind_are_told_apart_by_what_is_particular_of_their_names():
    session = Session()
    for _ in range(2):
        session.add_block(KMEANS)
    session.add_block(VAE)
    titles = {n["id"]: n["label"] for n in Canvas(session).flow.nodes}
    assert titles["soft_kmeans"] == "Soft k-means" and titles["soft_kmeans_2"] == "Soft k-means (2)"
    assert "(" not in titles["vae_normalizer"].removesuffix("(scVI)")
