"""Snapshots: arrays by port, a map among them or none; those of before open as what they were."""

import numpy as np
import pytest

from diffbio_engine.runs import Snapshot
from diffbio_engine.runs.folder.snapshots import load_snapshot, snapshot_path, write_snapshot

SHARES, TIME = "cluster.cluster_assignments", "order.pseudotime"


def there_and_back(folder, snapshot):
    write_snapshot(snapshot_path(folder, snapshot.step), snapshot)
    return load_snapshot(folder)


def test_a_pipeline_without_a_map_has_no_map_and_keeps_what_it_says_of_each_record(tmp_path):
    time, classes = np.linspace(0, 1, 5, dtype=np.float32), np.arange(5, dtype=np.int16)
    values, kinds = {TIME: time, SHARES: classes}, {TIME: "time", SHARES: "shares"}
    rows = np.array([0, 2, 4, 6, 8], np.int32)
    back = there_and_back(tmp_path, Snapshot(3, values, kinds, "", SHARES, time, rows))
    assert back.map is None and back.maps == {} and back.n == 5
    assert set(back.scores) == {TIME} and set(back.likeliest) == {SHARES}
    np.testing.assert_array_equal(back.labels, classes)
    np.testing.assert_array_equal(back.certainty, time)
    np.testing.assert_array_equal(back.rows, rows)


def test_the_main_map_is_named_by_its_port_though_another_is_the_same(tmp_path):
    xy = np.ones((4, 2), np.float32)
    kinds = {"a.embedding": "map", "b.embedding": "map"}
    back = there_and_back(
        tmp_path, Snapshot(1, dict.fromkeys(kinds, xy), kinds, main="b.embedding")
    )
    assert list(back.maps) == ["b.embedding", "a.embedding"]


def test_arrays_of_other_lengths_are_refused(tmp_path):
    values = {TIME: np.ones(3), SHARES: np.ones(4)}
    with pytest.raises(ValueError, match="has 4 values, the others have 3"):
        write_snapshot(tmp_path / "1.npz", Snapshot(1, values))


def of_before(folder, **arrays):
    """As the versions until November 2026 wrote them."""
    np.savez(snapshot_path(folder, 1), **arrays)
    return load_snapshot(folder)


def test_the_map_of_before_that_stood_twice_is_one_map_with_the_name_of_its_port(tmp_path):
    xy, labels = np.eye(3, 2, dtype=np.float32), np.array([0, 1, 1], np.int16)
    back = of_before(
        tmp_path, map=xy, labels=labels, certainty=labels.astype(np.float32),
        **{"umap.embedding": xy, "phate.embedding": 2 * xy, "data.spatial_coords": 3 * xy,
           f"likeliest:{SHARES}": labels, f"score:{TIME}": xy[:, 0]}, cells=np.arange(3),
    )  # fmt: skip
    assert list(back.maps) == ["umap.embedding", "data.spatial_coords", "phate.embedding"]
    assert back.kinds["data.spatial_coords"] == "coordinates"
    assert (back.main, back.classes) == ("umap.embedding", SHARES) and set(back.scores) == {TIME}
    assert back.rows.tolist() == [0, 1, 2]


def test_the_zeros_of_before_where_there_was_no_map_are_no_map(tmp_path):
    labels = np.array([0, 1, 1], np.int16)
    back = of_before(tmp_path, map=np.zeros((3, 2), np.float32), labels=labels)
    assert back.map is None and back.labels.tolist() == [0, 1, 1] and back.n == 3
