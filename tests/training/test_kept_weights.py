"""What a training leaves are the weights that explained held-out cells best, part by part."""

import numpy as np
import pytest

from diffbio_engine.data import CellSource
from diffbio_engine.pipelines import Block, Pipeline, PipelineSpec, Wire, plan, ports_of, presets
from diffbio_engine.pipelines.wiring import DataPort
from diffbio_engine.training import Stage, Training, TrainingState
from diffbio_engine.training.kept_weights import KeptWeights, parts_of

OPEN = Stage(steps=20, held_out=0.1, most_steps=4000)


@pytest.fixture(scope="module")
def cells():
    rng = np.random.default_rng(0)
    centres = rng.normal(scale=4.0, size=(3, 5))
    points = centres[rng.integers(3, size=300)] + rng.normal(size=(300, 5))
    return CellSource(per_cell={"embeddings": points.astype(np.float32)})


def training(cells, *stages, rate=2.0, ids=("cluster",)):
    """At a rate at which steps overshoot, so that the best weights are not the last."""
    spec = PipelineSpec(
        name="Clusters",
        blocks=tuple(
            Block(b, "singlecell.soft_kmeans", {"n_clusters": 3 + i}) for i, b in enumerate(ids)
        ),
        wires=tuple(Wire("data.embeddings", f"{b}.embeddings") for b in ids),
    )
    pipeline = Pipeline(plan(spec, ports_of(cells, {})), seed=0)
    return Training(pipeline, cells, stages, batch_size=64, learning_rate=rate)


def loss_now(run):
    return sum(run.looks.losses(run.dials_at(run.step)).values())


def test_the_weights_of_the_least_held_out_loss_are_kept_be_it_that_of_the_start(cells):
    run = training(cells, OPEN)
    run.prepare()
    run._drawn.draw()
    start = loss_now(run)
    seen = [r.held_out for r in run if r.held_out is not None]
    run.settle()
    assert loss_now(run) == pytest.approx(min(start, *seen), rel=1e-6)
    assert run.looks.kept.steps == {"cluster": 0} and start < seen[-1]
    (said,) = run.how_it_ended()
    assert "Kept is the start, before any step, where these cells were explained best." in said


def test_the_rate_is_lowered_from_the_best_weights_on(cells):
    run = training(cells, OPEN)
    while not run.looks.plateau.lowered:
        report = run.one_step()
    assert report.refreshed, "who draws a map is told that the weights jumped"
    assert loss_now(run) == pytest.approx(run.looks.kept.losses["cluster"], rel=1e-6)
    assert run.dials_at(run.step)["learning_rate"] == pytest.approx(0.2)


def test_the_next_stage_begins_with_the_best_weights_of_the_one_before(cells):
    first = Stage(steps=60, held_out=0.1)
    run = training(cells, first, Stage(name="after", steps=2, learns=()))
    least = [run.one_step() for _ in range(60)] and min(run.looks.kept.losses.values())
    assert loss_now(run) == pytest.approx(least, rel=1e-6)


def test_a_run_killed_and_continued_keeps_the_same_weights_bit_for_bit(cells, tmp_path):
    whole, again = training(cells, OPEN), training(cells, OPEN)
    while not whole.looks.plateau.lowered:
        whole.one_step()
    for _ in range(30):
        whole.one_step()
    whole.state().save(tmp_path / "state")
    again.restore(TrainingState.load(tmp_path / "state"))
    for run in (whole, again):
        list(run)
        run.settle()
    assert whole.step == again.step and whole.looks.kept.steps == again.looks.kept.steps
    one, other = (run.state().arrays for run in (whole, again))
    assert one.keys() == other.keys() and any(name.startswith("kept/") for name in one)
    assert all(np.array_equal(one[name], other[name]) for name in one)
    old = whole.state()
    del old.facts["kept"]
    old.arrays = {k: v for k, v in old.arrays.items() if not k.startswith("kept/")}
    again.restore(old)
    assert not again.looks.kept.steps, "a checkpoint of before goes on as it was"
    again.settle()


def test_a_run_that_is_stopped_between_looks_is_looked_at_once_more(cells):
    run = training(cells, OPEN, rate=1e-3)
    for _ in range(60):
        run.one_step()
    assert run.looks.kept.looked == 50
    run.settle()
    assert run.looks.kept.looked == 60


def test_parts_that_no_wire_joins_are_each_kept_at_their_best(cells):
    run = training(cells, OPEN, ids=("cluster", "finer"))
    assert [part.name for part in parts_of(run.pipeline.plan)] == ["cluster", "finer"]
    run.prepare()
    looks = run.looks.kept
    weights = {f"blocks/{b}/centroids": np.zeros(1) for b in ("cluster", "finer")}
    parts = parts_of(run.pipeline.plan)
    looks.look(50, {"cluster": 2.0, "finer": 5.0}, parts, lambda: weights)
    looks.look(100, {"cluster": 3.0, "finer": 4.0}, parts, lambda: weights)
    assert looks.steps == {"cluster": 50, "finer": 100}
    said = looks.in_words(run.pipeline.plan, 120)
    assert said.endswith("Soft k-means: step 50 of 120; Soft k-means: step 100 of 120.")
    assert KeptWeights().in_words(run.pipeline.plan, 120) == ""


def test_after_a_dial_was_turned_kept_weights_are_measured_anew(cells):
    run = training(cells, OPEN)
    for _ in range(50):
        run.one_step()
    before = run.looks.kept.losses["cluster"]
    run.turn("weight:cluster.clustering_loss", 3.0)
    for _ in range(50):
        run.one_step()
    assert run.looks.kept.steps["cluster"] == 0, "at this rate the start is still the best"
    assert run.looks.kept.losses["cluster"] == pytest.approx(30 * before, rel=1e-5), (
        "weighed 0.1 before"
    )


def test_only_losses_that_a_cell_has_by_itself_say_which_weights_are_best():
    data = {
        "counts": DataPort.named("counts", 50),
        "batch_labels": DataPort.named("batch_labels", n_classes=2),
    }
    fields = {"counts": "X", "batch_labels": "obs/batch"}
    planned = plan(presets()["integration"].make(fields), data)
    parts = parts_of(planned)
    assert {part.name: bool(part.losses) for part in parts} == {
        "normalize": True,
        "mmd": False,
        "wgan": False,
    }
    named = {port for part in parts for port in part.losses}
    assert not any(port.startswith(("umap", "wgan", "mmd")) for port in named)
    assert {"harmony", "umap_harmony", "cluster"} < set(parts[0].blocks)
    said = KeptWeights(steps={"normalize": 50}).in_words(planned, 450)
    assert "Count autoencoder (scVI): step 50 of 450; Batch correction (MMD" in said
    assert said.count("the last step, as its losses compare cells") == 2


def test_a_part_that_begins_to_count_later_is_kept_from_then_on(cells):
    run = training(cells, OPEN, ids=("cluster", "finer"))
    run.turn("weight:finer.clustering_loss", 0.0)
    for _ in range(50):
        run.one_step()
    assert set(run.looks.kept.steps) == {"cluster"}
    run.turn("weight:finer.clustering_loss", 1.0)
    for _ in range(100):
        run.one_step()
    assert run.looks.kept.steps["finer"] == 100, "the first look under this weight"
    kept = KeptWeights(losses={"cluster": 1.0}, steps={"cluster": 50})
    kept.measured_anew({"cluster": float("nan"), "finer": 2.0})
    assert kept.losses == {}, "a loss that is no number does not keep others out"


def test_a_stage_without_held_out_cells_leaves_its_last_weights_and_says_nothing_else(cells):
    run = training(cells, Stage(steps=50, held_out=0.1), Stage(name="all", steps=5), rate=1e-3)
    list(run)
    last = run.state().arrays["blocks/cluster/centroids"]
    run.settle()
    assert not run.looks.kept.steps and run.how_it_ended() == []
    np.testing.assert_array_equal(run.state().arrays["blocks/cluster/centroids"], last)
