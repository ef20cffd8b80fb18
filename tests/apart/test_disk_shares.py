"""Of the free disk, what readers may unpack to: of each person, and of all together."""

import os
import shutil
from itertools import pairwise
from pathlib import Path

from diffbio_engine.apart import Readers
from diffbio_engine.apart.disk_shares import DiskShares

GB = 1 << 30


def folders(tmp_path, n):
    made = [tmp_path / str(i) for i in range(n)]
    for folder in made:
        folder.mkdir()
    return [str(f) for f in made]


def test_archives_that_one_person_opens_at_once_hold_half_of_the_free_disk_together(tmp_path):
    shares = DiskShares()
    granted = [shares.grant("eve", f, 64 * GB) for f in folders(tmp_path, 12)]
    assert granted[0] == 16 * GB and sum(granted) <= 32 * GB
    assert all(later <= earlier for earlier, later in pairwise(granted))


def test_what_was_granted_to_others_is_not_free(tmp_path):
    shares, here = DiskShares(), folders(tmp_path, 9)
    total = sum(shares.grant(f"person {i}", f, 64 * GB) for i, f in enumerate(here))
    assert total <= 64 * GB  # nine people at the same moment, before any of them has written


def test_only_what_lies_there_counts_once_a_file_is_open_and_nothing_when_it_is_closed(tmp_path):
    shares, (one, two, three) = DiskShares(), folders(tmp_path, 3)
    first = shares.grant("eve", one, 64 * GB)
    with Path(one, "unpacked").open("wb") as file:
        os.truncate(file.fileno(), 4 * GB)
    during = shares.grant("eve", two, 60 * GB)
    shutil.rmtree(two)
    shares.settle(one)
    after = shares.grant("eve", three, 60 * GB)
    assert (first, after) == (16 * GB, 14 * GB) and during < after
    shutil.rmtree(one)
    shutil.rmtree(three)
    assert shares.grant("eve", str(tmp_path), 64 * GB) == first


def test_a_small_archive_is_looked_at_on_a_disk_that_is_nearly_full(tmp_path):
    assert DiskShares().grant("eve", str(tmp_path), 0) == 16 << 20


def test_readers_count_by_the_person_in_whose_folder_the_files_lie(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/x.csv").write_text("cell,A,B\nc1,1,0\nc2,0,2\n")
    readers = Readers(scratch=tmp_path / "scratch")
    readers.room = lambda: 64 * GB
    try:
        for name in ("one", "two"):
            packed = tmp_path / "owners/eve/datasets" / name / "x"
            packed.parent.mkdir(parents=True)
            shutil.make_archive(str(packed), "zip", tmp_path / "in")
            assert readers.opened(packed.with_suffix(".zip")).n_cells == 2
        kept = readers._shares._shares.values()
        assert [(s.person, s.unpacks) for s in kept] == [("eve", False)] * 2
        assert sum(s.granted for s in kept) < 32 * GB
    finally:
        readers.close()
    assert not readers._shares.grant("eve", str(tmp_path), 64 * GB) < 16 * GB  # all is free again
