"""What is drawn first of a pipeline that makes several maps."""

from dataclasses import replace

import numpy as np
import pytest

from diffbio_engine.data import CellSource
from diffbio_engine.declare import DATA_PORTS, find_operator
from diffbio_engine.pipelines import DataPort, presets
from diffbio_engine.pipelines.plan import plan
from diffbio_engine.pipelines.population import is_kept
from diffbio_engine.runs.folder.snapshots import load_snapshot, snapshot_path, write_snapshot
from diffbio_engine.runs.worker import snapshot_maker
from diffbio_engine.runs.worker.shown_ports import map_ports
from diffbio_engine.runs.worker.snapshot_maker import SnapshotMaker

DATA = {
    "counts": DataPort(DATA_PORTS["counts"], (200,), 0),
    "batch_labels": DataPort(DATA_PORTS["batch_labels"], (), 3),
}


@pytest.fixture(scope="module")
def three_ways():
    return plan(presets()["integration"].make(None), DATA)


def test_the_map_that_a_pipeline_names_as_its_result_is_shown_first(three_ways):
    assert map_ports(three_ways)[0] == "umap_harmony.embedding"
    assert len(map_ports(three_ways)) == 4


def test_where_none_is_named_the_map_behind_a_correction_is_shown_before_the_one_beside_it(
    three_ways,
):
    unnamed = replace(three_ways, spec=replace(three_ways.spec, outputs={}))
    maps = map_ports(unnamed)
    assert maps[0] == "umap_harmony.embedding"
    assert maps.index("umap_uncorrected.embedding") > 0


def test_a_cell_without_counts_is_drawn_in_no_cluster():
    planned = plan(presets()["integration"].make(None), DATA)
    counts = np.ones((5, 200), np.float32)
    counts[2] = 0
    maker = SnapshotMaker(planned, CellSource(counts))
    maker._known = dict.fromkeys((*maker.maps, *maker.scores), np.zeros((5, 2)))
    maker._known |= dict.fromkeys(maker.shares, np.full((5, 3), 1 / 3))
    drawn = maker._drawn()
    assert drawn.labels.tolist() == [0, 0, -1, 0, 0] and drawn.certainty[2] == 0


def test_of_more_records_than_are_drawn_a_snapshot_need_hold_no_array(
    three_ways, tmp_path, monkeypatch
):
    monkeypatch.setattr(snapshot_maker, "MOST_DRAWN", 3)
    maker = SnapshotMaker(three_ways, CellSource(np.ones((5, 200), np.float32)))
    maker.maps = maker.shares = maker.scores = maker.main = ()
    write_snapshot(snapshot_path(tmp_path, 1), maker._drawn())
    back = load_snapshot(tmp_path)
    assert back.n == 0 and back.rows is None


def test_what_is_said_along_positions_alone_is_shown(three_ways):
    maker = SnapshotMaker(three_ways, CellSource(np.ones((5, 200), np.float32)))
    maker.ports, maker.tracks = (), ()
    assert not maker.drawable
    maker.tracks = ("states.soft_path",)
    assert maker.drawable


def test_values_along_positions_are_never_given_to_a_chunk_that_is_less_wide():
    """Two hidden Markov models in a row could not be prepared of sequences of other lengths."""
    hmm = find_operator("statistical.hmm")
    along = {p.name: is_kept(p) for p in hmm.outputs if p.per_record}
    assert along["log_likelihood"] and not along["viterbi_path"]
    assert not is_kept(DATA_PORTS["sequences"]) and is_kept(DATA_PORTS["embeddings"])
