"""What no longer belongs to the picture is said. Without a browser."""

import json
from dataclasses import replace

import pytest

from app.canvas.view import Canvas
from app.map.words import stage_words
from app.runs.bar import message_of
from app.session.session import DatasetCard, Session
from app.session.stale import changed_since, stale_words
from diffbio_engine.declare import find_operator
from diffbio_engine.pipelines.spec import Block, PipelineSpec

KMEANS, VAE = "singlecell.soft_kmeans", "normalization.vae_normalizer"
CELLS = DatasetCard("1", "blood.h5ad", "/blood.h5ad", 30, 5, {"embeddings": "obsm/X_pca"})


@pytest.fixture
def ended():
    """A tab whose run has ended, with nothing changed since."""
    spec = PipelineSpec("P", blocks=(Block("k", KMEANS, {"n_clusters": 4}), Block("v", VAE)))
    session = Session(spec=spec)
    session.data.card = CELLS
    session.run.param.update(id="r", state="done", document="P", pipeline=spec, dataset=CELLS)
    return session


class Frame:
    step, note = 7, ""


class Drawn:
    frame = Frame()


def test_nothing_is_stale_until_something_is_changed_and_undo_makes_it_fresh(ended):
    canvas = Canvas(ended)
    assert not stale_words(ended)
    ended.document.move({"k": (900.0, 80.0)})
    ended.document.rename("Q")
    assert not stale_words(ended)
    ended.document.set_setting("k", "n_clusters", 9)
    assert stale_words(ended) == (
        "Changed since this run: clusters of Soft k-means. Run again to see it."
    )
    assert message_of(ended) and stage_words(ended, Drawn())["badge"] == stale_words(ended)
    styles = {n["id"]: n["className"].split() for n in canvas.flow.nodes}
    assert "stale" in styles["k"] and "done" in styles["v"]
    ended.run.state = "stopped"
    styles = {n["id"]: n["className"].split() for n in canvas.flow.nodes}
    assert "stale" in styles["k"] and "stale" not in styles["v"]
    ended.document.undo()
    assert not stale_words(ended) and not stage_words(ended, Drawn())["badge"]


def test_a_dial_turned_while_it_ran_is_the_runs_own_and_one_turned_after_it_is_not(ended):
    ended.run.dials = {"k.temperature": 0.2}  # as the run's events told
    ended.document.set_setting("k", "temperature", 0.2)
    assert not stale_words(ended)
    ended.turn("k.temperature", 2.0)
    assert "temperature of Soft k-means" in stale_words(ended)


def test_blocks_weights_and_training_are_named_and_many_are_counted(ended):
    ended.document.add_block(KMEANS)
    ended.document.set_weight("k.clustering_loss", 3.0)
    ended.document.set_training("steps", 50)
    ended.document.set_setting("k", "n_clusters", 5)
    blocks, said = changed_since(ended)
    assert "k" in blocks and "v" not in blocks
    assert {"loss weights", "steps"} <= set(said)
    assert f"and {len(said) - 3} more" in stale_words(ended)


def test_other_data_make_the_picture_stale_but_what_was_applied_to_them_is_not(ended):
    ended.use_dataset(replace(CELLS, id="2", name="other.h5ad", path="/other.h5ad"))
    assert "These are the cells of blood.h5ad, not of other.h5ad." in stale_words(ended)
    ended.use_dataset(replace(CELLS, id="3", path="/again/blood.h5ad"))
    assert "the cells of another blood.h5ad, not of the one in use." in stale_words(ended)
    ended.run.applies = "blood.h5ad"
    assert not stale_words(ended)


def test_settings_in_another_form_are_no_change(ended):
    # As `run.json` keeps them: lists for tuples, and what is usual is said.
    config = find_operator(VAE).make.Config().to_dict()
    spec = ended.document.spec
    said = replace(spec, blocks=(spec.blocks[0], Block("v", VAE, json.loads(json.dumps(config)))))
    ended.run.pipeline = said
    assert not stale_words(ended)
