"""How long a run will take is said before it begins. Without a browser."""

from types import SimpleNamespace

import numpy as np
import pytest

from app.how_long import Paces, how_long
from diffbio_engine.data import CellSource
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
    said = how_long(planned(steps=2000), 500, 0.06)
    assert said == "Trains for 2\u202f000 steps: about 2 minutes."
    assert "about 10 seconds" in how_long(planned(steps=100), 500, 0.1)
    assert "the first run of a pipeline shows" in how_long(planned(steps=100), 500, None)
    stages = [{"epochs": 7, "held_out": 0.1, "most_steps": 90}]
    said = how_long(planned(stages=stages), 500, 1.0)
    assert "90 steps at most: about 2 minutes" in said and "held out" in said
    assert how_long(planned(stages=[{"nonsense": 1}]), 500, 1.0) == ""


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
    assert paces.of("ada", same, "/a") == 2  # of the same data first
    assert paces.of("ada", same, "/c") == 3  # then the newest
    assert paces.of("ada", spec_of().with_config("k", n_clusters=5), "/a") is None
