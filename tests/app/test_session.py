"""What one tab holds: gestures, undo, names, autosave. Without a browser."""

import itertools
from dataclasses import replace
from types import SimpleNamespace

from app.geometry.layout import height
from app.geometry.ports import WIDTH, port_height
from app.server import run_poll
from app.server.validation import planned_or_not
from app.session.autosave import Autosave, without_odd_settings
from app.session.datasets import left_out
from app.session.session import DatasetCard, Session
from app.session.shared_document import SharedDocument
from diffbio_engine.declare import find_operator
from diffbio_engine.pipelines import DataPort, presets
from diffbio_engine.pipelines.spec import Block, PipelineSpec, Wire
from diffbio_engine.ports import DATA_PORTS
from diffbio_engine.runs.folder.said_once import Said
from diffbio_engine.workspace import Store

KMEANS = "singlecell.soft_kmeans"
BATCHES = DataPort.named("batch_labels", n_classes=2)
VAE = "normalization.vae_normalizer"


def wired():
    document = SharedDocument()
    document.add_block(VAE)
    document.add_block(KMEANS)
    return document


def test_undo_takes_back_every_gesture_one_by_one_and_redo_gives_the_same_document():
    document = wired()
    document.set_setting("soft_kmeans", "n_clusters", 7)
    document.move({"soft_kmeans": (900.0, 80.0)})
    whole, steps = document.spec, 0
    while document.can_undo:
        document.undo()
        steps += 1
    assert steps >= 4 and not document.spec.blocks
    while document.can_redo:
        document.redo()
    assert document.spec == whole


def test_copied_blocks_are_pasted_with_the_wires_among_them_in_one_step():
    document = wired()
    document.copy(["vae_normalizer", "soft_kmeans"])
    before = document.spec
    document.paste()
    assert [b.id for b in document.spec.blocks[2:]] == ["vae_normalizer_2", "soft_kmeans_2"]
    among = [w for w in document.spec.wires if w.target == "soft_kmeans_2.embeddings"]
    assert [w.source.split(".")[0] for w in among] == ["vae_normalizer_2"]
    document.undo()
    assert document.spec == before


def test_a_new_pipeline_never_takes_the_name_of_a_saved_one(tmp_path):
    document = wired()
    document.store = Store(tmp_path)
    document.store.save_pipeline("local", "Single cell", document.spec.to_json())
    document.store.save_pipeline("local", "Single cell 2", document.spec.to_json())
    document.open_pipeline(PipelineSpec("Single cell", blocks=(Block("k", KMEANS),)))
    assert document.spec.name == "Single cell 3"


def test_run_resumes_what_is_paused_and_says_why_it_cannot_begin():
    asked = []
    session = Session()
    session.run.driver = SimpleNamespace(start=lambda: asked.append("start"), ask=asked.append)
    session.press_run()
    assert session.notice["text"] == "Put a block on the canvas first." and not asked
    session.document.add_block(KMEANS)
    session.press_run()
    assert session.showing == "data" and not asked
    session.use_dataset(DatasetCard("1", "cells", "/x.h5ad", 10, 5, {"embeddings": "obsm/X_pca"}))
    session.press_run()
    session.run.state = "paused"
    session.press_run()
    session.run.state = "running"
    session.press_run()
    assert asked == ["start", "resume"]


def test_what_a_block_needs_is_said_by_what_it_is_and_by_the_name_on_the_canvas():
    session = Session()
    session.use_dataset(DatasetCard("1", "cells", "/x.h5ad", 10, 5, {"embeddings": "obsm/X_pca"}))
    spec = PipelineSpec("P", blocks=(Block("h", "singlecell.harmony"),))
    wires = (Wire("data.embeddings", "h.embeddings"), Wire("data.batch_labels", "h.batch_labels"))
    session.document.open_pipeline(replace(spec, wires=wires))
    document = session.document
    document.problems = planned_or_not(document.spec, document.data_ports)[0]
    assert session.hindrance == (
        "Harmony batch correction needs the batch of each cell, which the data does not offer. "
        "Choose where it lies (field 'batch_labels') where the data set is opened."
    )
    document.open_pipeline(replace(spec, wires=wires[1:]))
    document.problems = planned_or_not(document.spec, {"batch_labels": BATCHES})[0]
    assert session.hindrance.startswith("Harmony batch correction: embeddings is not wired.")


def test_what_a_ready_pipeline_is_opened_without_is_said_with_the_reason():
    single_cell, fields = presets()["single_cell"], dict.fromkeys(DATA_PORTS, "obs/x")
    assert left_out(single_cell, fields) == ""
    del fields["batch_labels"]
    assert left_out(single_cell, fields).startswith(
        "Opened without Harmony batch correction: this data set lacks the batch of each cell."
    )
    fields["ambient_profile"] = "ambient:mean-of-low-count-cells"  # an estimate is no profile
    assert "lacks the profile of empty droplets and the batch of" in left_out(single_cell, fields)


def test_settings_that_cannot_be_are_saved_as_they_were_and_the_rest_is_kept(tmp_path):
    good = PipelineSpec("P", blocks=(Block("k", KMEANS, {"n_clusters": 7}),))
    bad = PipelineSpec(
        "P", blocks=(Block("k", KMEANS, {"n_clusters": 1}), Block("v", VAE, {"latent_dim": 12}))
    )
    kept, odd = without_odd_settings(bad, good)
    assert odd is not None and odd.where.startswith("k")
    assert kept.block("k").config["n_clusters"] == 7
    assert kept.block("v").config["latent_dim"] == 12
    session = Session(spec=bad)
    autosave = Autosave(session, Store(tmp_path), tmp_path)
    autosave.save_soon()
    autosave.save_now()
    assert session.document.saved.startswith("Saved without one setting") and autosave.file.exists()


def test_a_data_set_that_was_chosen_before_any_block_is_found_again(tmp_path):
    file = tmp_path / "cells.h5ad"
    file.touch()
    session = Session()
    autosave = Autosave(session, Store(tmp_path), tmp_path)
    session.use_dataset(DatasetCard("cells", "cells.h5ad", str(file), 3, 2, {"counts": "X"}, {}))
    autosave.save_soon()
    autosave.save_now()
    again = Session()
    again.engine, again.data_dir = SimpleNamespace(runs=lambda owner: []), tmp_path
    assert Autosave(again, Store(tmp_path), tmp_path).bring_back() == ""
    assert again.data.card == session.data.card and not again.document.spec.blocks
    assert not Store(tmp_path).pipelines("local")  # an empty canvas is no pipeline


def overlapping(spec):
    blocks = [b.id for b in spec.blocks]
    boxes = {
        b: (*spec.layout[b], WIDTH, height(find_operator(spec.block(b).operator))) for b in blocks
    }
    return [
        (a, b)
        for a, b in itertools.combinations(blocks, 2)
        if abs(boxes[a][0] - boxes[b][0]) < WIDTH
        and boxes[a][1] < boxes[b][1] + boxes[b][3]
        and boxes[b][1] < boxes[a][1] + boxes[a][3]
    ]


def test_blocks_that_are_dropped_or_pasted_on_others_find_room_beside_them():
    document = SharedDocument()
    for operator in (VAE, KMEANS, "normalization.umap", "singlecell.harmony", KMEANS):
        document.add_block(operator, (400.0, 100.0))
    assert document.spec.layout["vae_normalizer"] == (400.0, 100.0)
    assert not overlapping(document.spec)
    document.copy([b.id for b in document.spec.blocks])
    document.paste()
    assert len(document.spec.blocks) == 10 and not overlapping(document.spec)


def test_a_dropped_block_goes_a_little_out_of_the_way_of_wires():
    document = SharedDocument()
    document.add_block(VAE, (336.0, 0.0))
    document.add_block("normalization.umap", (1400.0, 0.0))
    assert any(
        w.source.startswith("vae") and w.target.startswith("umap") for w in document.spec.wires
    )
    document.add_block("singlecell.simulator", (860.0, 0.0))  # in the middle of that wire
    (x, y), tall = document.spec.layout["simulator"], height(find_operator("singlecell.simulator"))
    start = port_height(0)
    assert x == 860.0 and (y > start - 12 or y + tall < start + 12)


def test_a_tab_that_opens_while_runs_are_looked_at_does_not_end_the_looking():
    class Changing:
        times = 0

        def __iter__(self):
            self.times += 1
            if self.times == 1:
                raise RuntimeError("Set changed size during iteration")
            return iter([driver])

    seen = []
    driver = SimpleNamespace(look=lambda: seen.append(1))
    run_poll._look_once(SimpleNamespace(drivers=Changing()), Said())
    assert seen == [1]
