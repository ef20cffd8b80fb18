"""Batches are drawn in an order that three integers decide, in memory and from disk."""

import itertools

import h5py
import numpy as np
import pytest
import scipy.sparse as sp
import zoo

from diffbio_engine.data import (
    BatchSampler,
    CellSource,
    NeighbourSampler,
    OnDisk,
    SamplerState,
    iterate_chunks,
    read,
    sample_cells,
)
from diffbio_engine.errors import DataError

N, G = 1000, 7
COUNTS = np.random.default_rng(0).poisson(1.0, (N, G)).astype(np.float32)


@pytest.fixture(params=["in memory", "CSR on disk", "dense on disk"])
def source(request, tmp_path, monkeypatch):
    monkeypatch.setattr(OnDisk, "block_rows", 8)
    counts = sp.csr_matrix(COUNTS)
    if request.param != "in memory":
        with h5py.File(tmp_path / "x.h5", "w") as f:
            if request.param == "CSR on disk":
                zoo.write_sparse(f, "X", counts)
            else:
                f["X"] = COUNTS
        counts = OnDisk(tmp_path / "x.h5", "X")
    return CellSource(counts, {"batch_labels": np.arange(N, dtype=np.int32) % 3})


def test_a_batch_holds_the_rows_it_says(source):
    for batch in itertools.islice(BatchSampler(source, 60, seed=1), 40):
        assert batch["counts"].shape == (60, G) and batch["counts"].dtype == np.float32
        np.testing.assert_array_equal(batch["counts"], COUNTS[batch["cell_index"]])
        np.testing.assert_array_equal(batch["batch_labels"], batch["cell_index"] % 3)


def test_an_epoch_shows_each_cell_once_and_epochs_differ(source):
    sampler = BatchSampler(source, 50)
    epochs = [
        np.concatenate([next(sampler)["cell_index"] for _ in range(sampler.steps_per_epoch)])
        for _ in range(2)
    ]
    for epoch in epochs:
        np.testing.assert_array_equal(np.sort(epoch), np.arange(N))
    assert (epochs[0] != epochs[1]).mean() > 0.9


@pytest.mark.parametrize("stop", [0, 7, 16, 33])
def test_a_resumed_sampler_goes_on_bit_for_bit(source, stop):
    whole = [b["cell_index"] for b in itertools.islice(BatchSampler(source, 60, seed=5), 40)]
    first = BatchSampler(source, 60, seed=5)
    for _ in range(stop):
        next(first)
    state = SamplerState(**first.state.as_dict())
    again = BatchSampler(source, 60, state=state)
    for expected in whole[stop:]:
        batch = next(again)
        np.testing.assert_array_equal(batch["cell_index"], expected)
        np.testing.assert_array_equal(batch["counts"], COUNTS[expected])


def test_cells_left_over_differ_from_epoch_to_epoch(source):
    sampler = BatchSampler(source, 300)
    assert sampler.steps_per_epoch == 3
    seen = [{int(c) for _ in range(3) for c in next(sampler)["cell_index"]} for _ in range(2)]
    assert len(seen[0]) == len(seen[1]) == 900 and seen[0] != seen[1]


def test_fewer_cells_than_a_batch_are_repeated_evenly(source):
    few = source.subset(np.arange(30))
    index = next(BatchSampler(few, 64))["cell_index"]
    assert set(np.bincount(index)) == {2, 3}


def test_chunks_come_in_order_and_hold_all_cells(source):
    parts = list(iterate_chunks(source, 128))
    assert [len(p["cell_index"]) for p in parts] == [128] * 7 + [104]
    np.testing.assert_array_equal(np.concatenate([p["counts"] for p in parts]), COUNTS)


def test_scattered_rows_come_in_the_order_that_was_asked(source):
    cells = np.array([999, 0, 5, 6, 7, 5, 300])
    np.testing.assert_array_equal(source.rows("counts", cells), COUNTS[cells])


def ring(k=4):
    indices = (np.arange(N)[:, None] + np.arange(1, k + 1)) % N
    weights = np.tile(np.arange(k, dtype=np.float32), (N, 1))  # the nearest has no weight
    return indices.astype(np.int32), weights


def test_neighbours_are_drawn_in_proportion_to_their_weights():
    source = CellSource(sp.csr_matrix(COUNTS))
    sampler = NeighbourSampler(source, 200, ring(), seed=2)
    steps = np.zeros(5)
    for batch in itertools.islice(sampler, 300):
        anchors, neighbours = np.split(batch["cell_index"], 2)
        steps += np.bincount((neighbours - anchors) % N, minlength=5)
    # Expected 0, 1/6, 2/6, 3/6 of 30 000 draws; four standard errors of a share are 0.012.
    np.testing.assert_allclose(steps / steps.sum(), [0, 0, 1 / 6, 2 / 6, 3 / 6], atol=0.012)
    assert steps[:2].sum() == 0


def test_neighbours_resume_bit_for_bit_and_lonely_cells_are_their_own():
    source = CellSource(sp.csr_matrix(COUNTS))
    whole = [b["cell_index"] for b in itertools.islice(NeighbourSampler(source, 64, ring()), 50)]
    state = SamplerState(seed=0, epoch=1, position=2)
    again = NeighbourSampler(source, 64, ring(), state=state)
    np.testing.assert_array_equal(next(again)["cell_index"], whole[1000 // 32 + 2])
    lonely = NeighbourSampler(source, 64, (np.full((N, 3), -1), np.ones((N, 3))))
    anchors, neighbours = np.split(next(lonely)["cell_index"], 2)
    np.testing.assert_array_equal(anchors, neighbours)


def test_features_without_counts_can_be_drawn():
    source = CellSource(None, {"embeddings": COUNTS})
    batch = next(BatchSampler(source, 10))
    assert set(batch) == {"embeddings", "cell_index"} and source.n_genes == 0
    with pytest.raises(DataError, match=r"labels has 3 cells where 1,000 were expected"):
        CellSource(None, {"embeddings": COUNTS, "labels": np.zeros(3)})


@pytest.mark.parametrize("n, m", [(10, 20), (10, 3), (1000, 999), (100_000, 1000)])
def test_an_even_sample_has_no_repeats_and_no_gaps(n, m):
    cells = sample_cells(n, m, seed=1)
    assert len(cells) == min(n, m) == len(set(cells.tolist()))
    assert (
        np.all(np.diff(cells) > 0) and np.diff(cells, prepend=-1, append=n).max() <= 2 * n / m + 2
    )


def test_csc_on_disk_is_taken_into_memory_or_refused_above_the_limit(tmp_path, monkeypatch):
    adata = zoo.new_anndata()
    adata.X = sp.csc_matrix(zoo.COUNTS)
    adata.write_h5ad(tmp_path / "x.h5ad")
    np.testing.assert_array_equal(
        read(tmp_path / "x.h5ad").matrix("X", backed=True).toarray(), zoo.COUNTS
    )
    monkeypatch.setattr("diffbio_engine.data.matrix.matrices.IN_MEMORY_LIMIT", 100)
    with pytest.raises(DataError, match=r"stored gene by gene \(CSC\).*Save it cell by cell"):
        read(tmp_path / "x.h5ad").matrix("X")
