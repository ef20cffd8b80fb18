"""Training: the loss falls, dials turn without recompiling, and a restart changes nothing."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse as sp

from diffbio_engine.data import CellSource
from diffbio_engine.errors import DataError, SettingError, TrainingError
from diffbio_engine.pipelines import Block, Pipeline, PipelineSpec, Wire, plan, ports_of
from diffbio_engine.pipelines.wiring import DataPort
from diffbio_engine.training import (
    Stage,
    Training,
    TrainingState,
    fit,
    schedule_from,
    train,
    warm_up,
)


@pytest.fixture
def cells():
    rng = np.random.default_rng(0)
    centres = rng.normal(scale=4.0, size=(3, 5))
    points = centres[rng.integers(3, size=300)] + rng.normal(size=(300, 5))
    return CellSource(per_cell={"embeddings": points.astype(np.float32)})


def training(cells, steps=30, **options):
    spec = PipelineSpec(
        name="Clusters",
        blocks=(Block("cluster", "singlecell.soft_kmeans", {"n_clusters": 3}),),
        wires=(Wire("data.embeddings", "cluster.embeddings"),),
    )
    pipeline = Pipeline(plan(spec, ports_of(cells, {})), seed=0)
    stages = options.pop("stages", (Stage(steps=steps),))
    return Training(pipeline, cells, stages, batch_size=64, learning_rate=0.05, **options)


def test_training_lowers_the_loss_from_a_bad_start(cells):
    run = training(cells, steps=150)
    run.prepared = True  # without k-means as a start
    run._take_pipeline()
    totals = [report.total for report in run]
    assert np.mean(totals[-10:]) < 0.5 * np.mean(totals[:10])


def test_turning_a_dial_acts_at_the_next_step_and_does_not_recompile(cells):
    run = training(cells)
    before = [run.one_step().total for _ in range(5)]
    run.turn("cluster.temperature", 10.0)
    run.turn("learning_rate", 0.0)
    run.turn("weight:cluster.clustering_loss", 3.0)
    after = run.one_step()
    assert abs(after.total - 3.0 * after.losses["cluster.clustering_loss"]) < 1e-5
    assert abs(after.losses["cluster.clustering_loss"] - before[-1] / 0.1) > 0.05
    assert run.compilations == 1


def test_a_restored_training_goes_on_bit_for_bit(cells, tmp_path):
    whole = training(cells, steps=40)
    totals = [report.total for report in whole]
    first = training(cells, steps=40)
    for _ in range(17):
        first.one_step()
    first.state().save(tmp_path / "17.safetensors")
    second = training(cells, steps=40)
    second.restore(TrainingState.load(tmp_path / "17.safetensors"))
    assert [report.total for report in second] == totals[17:]


def test_a_turned_dial_overrides_its_schedule_until_it_is_given_back(cells):
    cooling = schedule_from({"kind": "exponential", "initial": 10, "final": 0.1, "steps": 10})
    run = training(cells, schedules={"cluster.temperature": cooling})
    assert run.dials_at(0)["cluster.temperature"] == 10
    assert run.dials_at(5)["cluster.temperature"] == pytest.approx(1.0)
    run.turn("cluster.temperature", 0.5)
    assert run.dials_at(5)["cluster.temperature"] == 0.5
    run.turn("cluster.temperature", None)
    assert run.dials_at(50)["cluster.temperature"] == pytest.approx(0.1)


def test_warm_up_is_the_formula_of_the_seeds():
    schedule = warm_up(100)
    assert [schedule(epoch) for epoch in (0, 50, 100, 200)] == [0.0, 0.5, 1.0, 1.0]


def test_a_block_that_does_not_learn_keeps_its_weights(cells):
    run = training(cells, stages=(Stage(steps=5, learns=()),))
    run.prepare()
    before = np.array(run.pipeline.blocks["cluster"].centroids[...])
    list(run)
    np.testing.assert_array_equal(run.sync().blocks["cluster"].centroids[...], before)


def test_a_value_that_is_not_finite_stops_with_its_place_and_keeps_the_last_weights(cells):
    run = training(cells)
    run.one_step()
    good = np.array(run.sync().blocks["cluster"].centroids[...])
    run.cells.per_cell["embeddings"][:] = np.nan
    run._take_pipeline()
    with pytest.raises(TrainingError, match=r"^cluster\.\w+: became infinite or undefined at step"):
        run.one_step()
    np.testing.assert_array_equal(run.sync().blocks["cluster"].centroids[...], good)


def test_a_gradient_that_is_not_finite_is_told_of_the_block_where_it_arose(cells, monkeypatch):
    run = training(cells)
    block = type(run.pipeline.blocks["cluster"])
    plain = block.__call__

    def with_a_corner(self, *args, **arrays):
        out = plain(self, *args, **arrays)
        # Zero, with a slope that is not a number.
        corner = jnp.sqrt(0.0 * jnp.sum(self.centroids[...]))
        return {**out, "clustering_loss": out["clustering_loss"] + corner}

    monkeypatch.setattr(block, "__call__", with_a_corner)
    with pytest.raises(TrainingError, match=r"^cluster: its gradient became infinite"):
        run.one_step()


@pytest.mark.parametrize(
    "name, value, sentence",
    [
        ("cluster.temperatur", 1.0, "Did you mean 'cluster.temperature'?"),
        ("cluster.temperature", 100.0, "outside 0.01 to 10"),
        ("learning_rate", -1.0, "Use 0 or more"),
    ],
)
def test_a_dial_that_cannot_be_is_refused_in_words(cells, name, value, sentence):
    with pytest.raises(SettingError, match=sentence):
        training(cells).turn(name, value)


def test_train_is_a_generator_that_leaves_the_weights_in_the_pipeline(cells):
    run = training(cells)
    start = np.array(run.pipeline.blocks["cluster"].centroids[...])
    reports = list(train(run.pipeline, cells, [Stage(steps=3)]))
    assert [r.step for r in reports] == [1, 2, 3]
    assert not np.allclose(run.pipeline.blocks["cluster"].centroids[...], start)


def test_a_pipeline_without_a_loss_is_refused(cells):
    spec = PipelineSpec(
        "Only a pseudotime",
        (Block("time", "singlecell.pseudotime", {"method": "diffusion"}),),
        (Wire("data.embeddings", "time.embeddings"),),
    )
    pipeline = Pipeline(plan(spec, ports_of(cells, {})))
    assert not pipeline.plan.losses
    with pytest.raises(TrainingError, match=r"No block of the pipeline has a loss"):
        next(train(pipeline, cells, [Stage(steps=3)]))


def test_fit_trains_on_arrays_and_names_what_is_missing(cells):
    run = training(cells)
    before = np.array(run.pipeline.blocks["cluster"].centroids[...])
    reports = fit(run.pipeline, {"embeddings": cells.per_cell["embeddings"]}, steps=4)
    assert len(reports) == 4 and run.pipeline.blocks["cluster"].fitted
    assert not np.allclose(run.pipeline.blocks["cluster"].centroids[...], before)
    with pytest.raises(ValueError, match=r"data\.embeddings: is missing"):
        fit(run.pipeline, {})


def test_fit_trains_as_the_pipeline_suggests_unless_told_otherwise(cells):
    suggested = {"stages": [{"steps": 3}], "batch_size": 150, "learning_rate": 0.0}
    spec = replace(training(cells).pipeline.plan.spec, training=suggested)
    moved = []
    for options in ({}, {"learning_rate": 0.5}):
        pipeline = Pipeline(plan(spec, ports_of(cells, {})), seed=0)
        reports = fit(pipeline, {"embeddings": cells.per_cell["embeddings"]}, **options)
        assert [r.epoch for r in reports] == [0, 1, 1], "300 cells are two batches of 150"
        moved.append(reports[-1].losses != reports[0].losses and reports[-1].total)
    assert moved[0] != moved[1]


def test_fit_takes_sparse_counts_and_refuses_what_the_page_would():
    spec = PipelineSpec(
        "Classes",
        (Block("annotate", "singlecell.cell_annotator", {}),),
        (Wire("data.counts", "annotate.counts"), Wire("data.labels", "annotate.labels")),
    )
    counts = np.random.default_rng(0).poisson(2.0, (40, 6))
    labels = np.arange(40) % 3
    data = {
        "counts": DataPort.named("counts", 6),
        "labels": DataPort.named("labels", n_classes=3),
    }
    pipeline = Pipeline(plan(spec, data), seed=0)
    sparse = {"counts": sp.csr_matrix(counts), "labels": labels}
    assert len(fit(pipeline, sparse, steps=1)) == 1
    one, other = (pipeline.apply({**sparse, "counts": c})[0] for c in (sparse["counts"], counts))
    probabilities = "annotate.cell_type_probabilities"
    np.testing.assert_array_equal(one[probabilities], other[probabilities])
    for wrong, said in (
        ({"counts": np.log1p(counts)}, "log-normalised values"),
        ({"counts": counts[:, :5]}, r"has the shape \(5,\), and the pipeline was made for \(6,\)"),
        ({"labels": labels.astype(str)}, "holds words where numbers"),
        ({"labels": labels + 1}, "goes up to 3, and the pipeline was made for 3 classes"),
    ):
        with pytest.raises(DataError, match=said):
            fit(pipeline, {**sparse, **wrong})


def test_whoever_leaves_the_loop_has_the_last_weights(cells):
    whole, left = training(cells), training(cells).pipeline
    for report in train(left, cells, [Stage(steps=30)], batch_size=64, learning_rate=0.05):
        if report.step == 4:
            break
    for _ in range(4):
        whole.one_step()
    found = np.array(left.blocks["cluster"].centroids[...])
    np.testing.assert_array_equal(found, whole.sync().blocks["cluster"].centroids[...])


def test_few_cells_are_seen_more_often_and_refreshed_no_more_often_than_pays():
    stage = Stage(epochs=12, least_steps=240, refresh_every=3)
    assert [stage.n_steps(per_epoch) for per_epoch in (1, 20, 100)] == [240, 240, 1200]
    assert [stage.epochs_to_refresh(per_epoch) for per_epoch in (1, 20, 100)] == [60, 3, 3]
    assert Stage(steps=5, least_steps=240).n_steps(1) == 5  # a number of steps is meant as it is
    assert Stage(epochs=2).epochs_to_refresh(1) == 0


def test_the_mean_of_the_count_autoencoder_moves_four_times_as_far_as_its_decoder():
    x = np.random.default_rng(0).poisson(2.0, (64, 20)).astype(np.float32)
    spec = PipelineSpec(
        name="Counts",
        blocks=(
            Block("n", "normalization.vae_normalizer", {"latent_dim": 2, "hidden_dims": (8,)}),
        ),
        wires=(Wire("data.counts", "n.counts"),),
    )
    counts = CellSource(x)
    pipeline = Pipeline(plan(spec, ports_of(counts, {})), seed=0)
    run = Training(pipeline, counts, (Stage(steps=1),), batch_size=32, learning_rate=1e-3)
    run.prepare()
    before = run.state()
    run.restore(before)  # the pace is no part of what is saved, and is kept
    run.one_step()
    after = run.state().arrays
    far = {k: np.abs(after[k] - v).max() for k, v in before.arrays.items() if v.size}
    assert far["blocks/n/encoder/line/kernel"] == pytest.approx(4e-3, rel=1e-2)
    assert far["blocks/n/decoder/line/kernel"] == pytest.approx(1e-3, rel=1e-2)
