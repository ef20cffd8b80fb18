"""How long a run will take is said before it begins. Without a browser."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from app.server.paces import Paces, Taken, taken_by
from app.server.run_duration import how_long, how_many
from diffbio_engine.data import CellSource
from diffbio_engine.errors import UserError
from diffbio_engine.pipelines import Block, Pipeline, PipelineSpec, Wire, plan, ports_of
from diffbio_engine.runs import RunFolder
from diffbio_engine.training import Training, planned_steps, stages_from

KMEANS = "singlecell.soft_kmeans"
CELLS = CellSource(per_cell={"embeddings": np.zeros((500, 3), np.float32)})


def spec_of(**training):
    return PipelineSpec(
        "P", blocks=(Block("k", KMEANS, {"n_clusters": 3}),),
        wires=(Wire("data.embeddings", "k.embeddings"),), training=training,
    )  # fmt: skip


def planned(**training):
    return plan(spec_of(**training), ports_of(CELLS, {}))


@pytest.mark.parametrize("held_out", [0.0, 0.1])
def test_the_steps_that_are_said_are_those_that_are_taken(held_out):
    stages = [{"epochs": 7, "held_out": held_out, "most_steps": 90}, {"steps": 5}]
    of = planned(stages=stages, batch_size=64)
    least, most = planned_steps(of, 500, stages_from(stages, of), 64)
    training = Training(Pipeline(of, seed=0), CELLS, stages_from(stages, of), batch_size=64)
    assert most == training.total_steps
    assert least == 7 * training.steps_per_epoch + 5
    assert (least < most) == bool(held_out)


def test_steps_and_time_are_said_in_words():
    said = how_long(planned(steps=2000), 500, Taken(0.06, 1.0, 2.0))
    assert said == "Trains for 2\u202f000 steps: about 2 min."
    said = how_long(planned(steps=1), 500, None)
    assert said == "Trains for 1 step: the first run shows how long that takes."
    said = how_long(planned(steps=100), 500, None)
    assert said == "Trains for 100 steps: the first run shows how long that takes."
    said = how_long(planned(steps=100), 500, None, 43.0)
    assert said.endswith("Other runs took up to 45 s to begin.")
    stages = [{"epochs": 7, "held_out": 0.1, "most_steps": 90}]
    said = how_long(planned(stages=stages), 500, Taken(1.0, 1.0, 1.0))
    assert "90 steps at most: about 90 s" in said and "held-out cells" in said
    assert how_many(planned(stages=stages), 500) == "90 steps at most"
    said = how_long(planned(stages=stages), 500, None, rows="sequences")
    assert said.endswith("Ends earlier where held-out sequences gain no more.")
    assert how_long(planned(stages=[{"nonsense": 1}]), 500, Taken(1.0)) == ""


def test_the_pace_is_that_of_the_last_run_of_the_same_pipeline(tmp_path):
    def ended(name, spec, pace, path="/a"):
        run = {"pipeline": spec.to_json(), "dataset": {"path": path}}
        folder = RunFolder.create(tmp_path / name, run)
        folder.status_file.write_text(f'{{"seconds_per_step": {pace}}}')
        return folder

    same, warm = spec_of(), spec_of(learning_rate=0.1).with_config("k", temperature=0.2)
    other = spec_of().with_config("k", n_clusters=9)
    folders = [ended("new", other, 9), ended("elsewhere", warm, 3, "/b"), ended("old", same, 2)]
    by_name = {folder.path.name: folder for folder in folders}
    lines = [SimpleNamespace(id=name, state="done") for name in by_name]
    paces = Paces(SimpleNamespace(runs=lambda o: lines, folder=lambda run, o: by_name[run]))
    assert paces.of("ada", same, "/a") == Taken(2)  # of the same data first
    assert paces.of("ada", same, "/c") == Taken(3, same_data=False)  # then the newest
    assert paces.of("ada", spec_of().with_config("k", n_clusters=5), "/a") is None


def test_runs_that_are_no_longer_among_the_last_are_forgotten(tmp_path):
    lines = [SimpleNamespace(id=f"r{i}", state="done") for i in range(30)]
    looked_at = []

    def folder(run, owner):
        looked_at.append(run)
        raise UserError("It is damaged.")

    paces = Paces(SimpleNamespace(runs=lambda o: lines, folder=folder))
    for _ in range(20):
        paces.to_begin("ada")
        paces.to_begin("ada")  # those that are known are not read again
        lines.insert(0, lines.pop())
    assert len(paces._known["ada"]) == 12
    assert len(looked_at) == 12 + 19


def test_starting_compiling_and_writing_are_counted_with_the_steps():
    said = how_long(planned(steps=100), 500, Taken(0.8, 40.0, 10.0))
    assert said == (
        "Trains for 100 steps: about 2 min (40 s to begin, 80 s to train, 10 s to write)."
    )
    said = how_long(planned(steps=100), 500, Taken(0.2, 31.0, same_data=False))
    assert "about 50 s (30 s to begin, 20 s to train)" in said
    assert "without writing the results" in said and "on other data" in said
    said = how_long(planned(steps=100), 500, Taken(0.3))
    assert "about 30 s, and what it takes to begin" in said


def run_of(path, *, attempt=1, created=100.0, paused=False):
    """As a worker leaves it: began at 104, first step done at 130, ended training at 190."""
    run = {"created": created, "pipeline": spec_of().to_json(), "dataset": {"path": "/a"}}
    folder = RunFolder.create(path, run)
    happened = {"started": 110.0, "compiled": 130.0, **({"paused": 140.0} if paused else {})}
    happened |= {"checkpoint": 190.0, "finished": 195.0}
    lines = [json.dumps({"kind": kind, "t": t}) for kind, t in happened.items()]
    folder.events_file.write_text("\n".join(lines) + "\n")
    status = {"seconds_per_step": 0.5, "attempt": attempt, "started": 104.0, "step": 61}
    folder.status_file.write_text(json.dumps(status))
    return folder


def test_what_a_run_took_is_read_from_what_it_left(tmp_path):
    assert taken_by(run_of(tmp_path / "a")) == Taken(1.0, 30.0, 5.0)
    # A pause is no training, a wait for a place no start.
    assert taken_by(run_of(tmp_path / "b", paused=True)) == Taken(0.5, 30.0, 5.0)
    assert taken_by(run_of(tmp_path / "c", created=4.0)).before == 20.0 + 26.0
    assert taken_by(run_of(tmp_path / "d", attempt=2)) == Taken(0.5)


def test_what_was_compiled_once_is_not_counted_again(tmp_path):
    folders = {"warm": run_of(tmp_path / "warm", created=103.0), "cold": run_of(tmp_path / "cold")}
    lines = [SimpleNamespace(id=name, state="done") for name in ("cold", "warm")]
    paces = Paces(SimpleNamespace(runs=lambda o: lines, folder=lambda run, o: folders[run]))
    assert paces.of("ada", spec_of(), "/a").before == 27.0
    assert paces.to_begin("ada") == 30.0
