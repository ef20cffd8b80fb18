"""Training ends when cells that it has not seen are explained no better, and restarts exactly."""

import json

import jax
import numpy as np
import pytest

from diffbio_engine.data import BatchSampler, CellSource, NeighbourSampler
from diffbio_engine.pipelines import Block, Pipeline, PipelineSpec, Wire, plan, ports_of
from diffbio_engine.training import Stage, Training, TrainingState
from diffbio_engine.training.held_out import Plateau, filled_batches, held_out_cells

OPEN = Stage(steps=20, held_out=0.1, most_steps=4000)


@pytest.fixture(scope="module")
def cells():
    rng = np.random.default_rng(0)
    centres = rng.normal(scale=4.0, size=(3, 5))
    points = centres[rng.integers(3, size=300)] + rng.normal(size=(300, 5))
    return CellSource(per_cell={"embeddings": points.astype(np.float32)})


def training(cells, *stages):
    spec = PipelineSpec(
        name="Clusters",
        blocks=(Block("cluster", "singlecell.soft_kmeans", {"n_clusters": 3}),),
        wires=(Wire("data.embeddings", "cluster.embeddings"),),
    )
    pipeline = Pipeline(plan(spec, ports_of(cells, {})), seed=0)
    return Training(pipeline, cells, stages, batch_size=64, learning_rate=0.05)


def test_a_stage_ends_when_held_out_cells_improve_no_longer_and_the_next_begins(cells):
    run = training(cells, OPEN, Stage(name="after", steps=3))
    reports = list(run)
    ended = run.looks.plateau.ended["0"]
    assert 20 <= ended < 4000 and run.total_steps == run.step == ended + 3
    assert [r.stage for r in reports[-4:]] == ["joint", "after", "after", "after"]
    assert run.dials_at(run.step)["learning_rate"] == 0.05, "the next stage has its own rate again"
    looks = [r.step for r in reports if r.held_out is not None]
    assert looks == list(range(50, ended + 1, 50)) and ended == looks[-1]


def test_a_training_restored_on_its_plateau_goes_on_bit_for_bit_and_ends_where_it_would(
    cells, tmp_path
):
    whole = training(cells, OPEN)
    steps = []
    while whole.step < whole.total_steps:
        if whole.looks.plateau.waited == 2 and not (tmp_path / "state").exists():
            whole.state().save(tmp_path / "state")
            steps = []
        steps.append(whole.one_step())
    again = training(cells, OPEN)
    again.restore(TrainingState.load(tmp_path / "state"))
    redone = list(again)
    assert [r.total for r in redone] == [r.total for r in steps]
    assert [r.held_out for r in redone] == [r.held_out for r in steps]
    assert again.looks.plateau == whole.looks.plateau and again.total_steps == whole.total_steps


def test_a_look_at_held_out_cells_teaches_nothing(cells):
    run = training(cells, OPEN)
    run.one_step()
    before = run.state().arrays
    dials = run.dials_at(run.step)
    assert run.looks.losses(dials) == run.looks.losses(dials)
    after = run.state().arrays
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert run.compilations == 1


def test_held_out_cells_are_never_drawn():
    source = CellSource(None, {"embeddings": np.arange(100.0)[:, None]})
    out = held_out_cells(100, 0.2, seed=3)
    assert len(out) == 20
    batches = BatchSampler(source, 16, without=out)
    assert batches.steps_per_epoch == 5
    seen = np.concatenate([next(batches)["cell_index"] for _ in range(10)])
    assert set(seen) == set(range(100)) - set(out)
    graph = (np.tile(out[:5], (100, 1)), np.ones((100, 5)))
    pairs = NeighbourSampler(source, 16, graph, without=out)
    drawn = next(pairs)["cell_index"]
    assert not np.isin(drawn, out).any(), "a cell whose neighbours are all held out is its own"


def test_of_few_cells_none_is_held_out(cells):
    assert not held_out_cells(100, 0.1, seed=0).size
    few = training(cells.subset(np.arange(60)), OPEN)
    assert few.total_steps == 20
    assert held_out_cells(10**6, 0.1, seed=0).size == 2048
    batches = list(filled_batches(np.arange(5), 4))
    assert [list(b) for b in batches] == [[0, 1, 2, 3], [4, 0, 1, 2]]


def test_the_rate_is_lowered_before_the_stage_ends():
    plateau, looks = Plateau(), 0
    losses = iter([10.0, 9.0, *[9.0] * 50])
    while not plateau.look(next(losses), least_reached=True):
        looks += 1
        assert plateau.rate_factor == (1.0 if looks < 6 else 0.1)
    assert looks == 9
    assert Plateau.from_dict(plateau.as_dict()) == plateau
    assert Plateau.from_dict({}) == Plateau()
    assert jax.tree.leaves(Plateau().as_dict())[0] is not np.inf


def test_a_turned_weight_or_a_schedule_that_moves_ends_no_training():
    plateau = Plateau()
    falling = [710.0 - i for i in range(10)]
    for loss in falling:
        assert not plateau.look(loss, True, {"weight:a.loss": 1.0})
    for loss in falling:  # the weight was turned up: 40 more, and falling still
        assert not plateau.look(loss + 40, True, {"weight:a.loss": 2.0})
        assert plateau.rate_factor == 1.0
    for step in range(20):  # a schedule raises the weight, and the loss with it
        assert not plateau.look(800.0 + step, True, {"weight:a.loss": 2.0 + step / 20})
    assert Plateau.from_dict(json.loads(json.dumps(plateau.as_dict()))) == plateau
    rest = [plateau.look(900.0, True, {"weight:a.loss": 3.0}) for _ in range(9)]
    assert rest == [False] * 8 + [True], "under dials that rest it ends as ever"
    old = Plateau.from_dict({"best": 5.0, "waited": 3})
    old.look(5.0, True, {"weight:a.loss": 1.0})
    assert old.lowered, "a checkpoint of before knew no dials, and goes on as it was"


def test_only_dials_that_the_held_out_loss_depends_on_begin_it_anew(cells):
    run = training(cells, OPEN)
    dials = run.dials_at(0)
    assert set(dials) - set(run.dials.that_count(dials)) == {"learning_rate"}
    while run.looks.plateau.waited < 2:
        run.one_step()
    run.turn("learning_rate", 0.001)
    waited = run.looks.plateau.waited
    for _ in range(50):
        run.one_step()
    assert run.looks.plateau.waited in (0, waited + 1)
    run.turn(next(name for name in dials if name.startswith("weight:")), 3.0)
    for _ in range(50):
        run.one_step()
    assert (run.looks.plateau.waited, run.looks.plateau.lowered) == (0, False)
