"""Rows of different lengths: padded to a few widths, drawn, cut and kept apart without a copy."""

import numpy as np
import pytest

from diffbio_engine.data import BatchSampler, Ragged, Records, iterate_chunks
from diffbio_engine.errors import DataError
from diffbio_engine.pipelines import ports_of
from diffbio_engine.ports.alphabets import PAST_THE_END

LENGTHS = np.random.default_rng(0).integers(0, 101, 300)


@pytest.fixture
def rows():
    return [np.full(n, i % 4, np.uint8) for i, n in enumerate(LENGTHS)]


@pytest.fixture
def records(rows):
    quality = Ragged.of([np.full(len(r), 30, np.uint8) for r in rows])
    letters = Ragged.of(rows, PAST_THE_END)
    fields = {"sequences": letters, "quality": quality, "labels": np.arange(300, dtype=np.int32)}
    return Records(None, fields, {"background": np.full(4, 0.25, np.float32)},
                   record="sequences", along={"letters": list("ACGT")})  # fmt: skip


def test_a_batch_is_as_wide_as_its_longest_row_needs_and_there_are_four_widths_at_most(records):
    long, short = int(LENGTHS.argmax()), int(LENGTHS.argmin())
    assert records.fields == {"sequences": (104,), "quality": (104,), "labels": ()}
    batch = records.batch(np.array([short, long]))
    assert batch["sequences"].shape == batch["quality"].shape == (2, 104)
    assert batch["sequences"].dtype == np.uint8
    assert (batch["sequences"][1, :100] == long % 4).all()
    assert (batch["sequences"][1, 100:] == PAST_THE_END).all()
    assert (batch["sequences"][0] == PAST_THE_END).sum() == 104 - LENGTHS[short]
    assert (batch["quality"][1, 100:] == 0).all()
    widths = {records.rows("sequences", [i]).shape[1] for i in range(300)}
    assert widths == {16, 32, 56, 104}
    assert set(ports_of(records, {"labels": 300})) == {*records.fields, "background"}
    assert list(records.names["letters"]) == list("ACGT")


def test_rows_of_one_length_are_never_padded():
    alike = Ragged.of([np.zeros(202)] * 3, PAST_THE_END)
    assert alike.widths == (202,) and alike.rows(np.array([2])).shape == (1, 202)
    assert Ragged.of([np.zeros(0)] * 2).rows(np.array([0, 1])).shape == (2, 1)
    assert Ragged.of([np.zeros(9), np.zeros(10)]).widths == (16,)


def test_samples_held_out_rows_and_whole_passes_have_the_rows_that_were_asked_for(records, rows):
    some = records.subset(np.array([7, 3]))
    np.testing.assert_array_equal(some.rows("sequences", [0])[0, : LENGTHS[7]], rows[7])
    assert some.fields["sequences"] == (104,)  # no new shape where only some rows are looked at
    held_out = np.arange(40)
    sampler = BatchSampler(records, 32, without=held_out)
    batch = next(sampler)
    assert not set(batch["cell_index"]) & set(held_out)
    seen = (batch["sequences"] != PAST_THE_END).sum(axis=1)
    np.testing.assert_array_equal(seen, LENGTHS[batch["cell_index"]])
    lengths = [(chunk["quality"] > 0).sum(axis=1) for chunk in iterate_chunks(records, 128)]
    np.testing.assert_array_equal(np.concatenate(lengths), LENGTHS)
    np.testing.assert_array_equal(records.empty, LENGTHS == 0)


def test_longer_rows_can_be_cut_without_a_copy(records):
    letters = records.per_record["sequences"]
    cut = letters.up_to(40)
    assert cut.flat is letters.flat and cut.shape == (300, 40)
    np.testing.assert_array_equal(cut.lengths, np.minimum(LENGTHS, 40))
    assert len(cut.row(int(LENGTHS.argmax()))) == 100


def test_offsets_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match="do not fill"):
        Ragged(np.zeros(5, np.uint8), np.array([0, 2]))
