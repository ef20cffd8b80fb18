"""A file that breaks its reader breaks nothing else, and is refused in words."""

import os
import shutil
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from diffbio_engine.apart import Readers, Stop, StoppedError, clear_left_behind, limits_for
from diffbio_engine.apart.opened import LetGoError, Opened, whose
from diffbio_engine.apart.turns import Turns
from diffbio_engine.errors import DataError, RunError, SettingError

ODD = (sys.executable, str(Path(__file__).with_name("odd_nursery.py")))


@pytest.fixture(scope="module")
def readers(tmp_path_factory):
    found = Readers(command=ODD, scratch=tmp_path_factory.mktemp("scratch"), most=3)
    yield found
    found.close()


@pytest.fixture
def file(tmp_path):
    def made(name):
        (tmp_path / name).write_bytes(b"x" * 1000)
        return tmp_path / name

    return made


@pytest.mark.parametrize(
    "name, sentence",
    [
        ("crash.h5ad", r"crash\.h5ad could not be read: .* broke down \(SIGSEGV\)"),
        ("abort.mtx", r"abort\.mtx could not be read: .* broke down \(SIGABRT\)"),
        ("garbage.h5ad", r"its reader gave no answer that makes sense"),
        ("odd.h5ad", r"its reader gave no answer that makes sense"),
        ("gulp.h5ad", r"needs more memory than the 1\.5 GB that a file of 1 kB may take here"),
        ("mistake.zip", r"it is damaged, or of a make that is not known here \(ValueError: Error"),
    ],
)
def test_a_file_that_breaks_its_reader_is_refused_in_words_and_the_next_one_is_read(
    readers, file, name, sentence
):
    with pytest.raises(DataError, match=sentence):
        readers.inspect(file(name))
    assert readers.inspect(file("fine.h5ad"))["n_cells"] == 3
    assert os.listdir(readers.scratch) == []


@pytest.mark.parametrize("how", ["hang.h5ad", "spin.h5ad"])
def test_a_look_that_takes_too_long_is_ended_and_says_how_long_it_may_take(
    readers, file, monkeypatch, how
):
    monkeypatch.setenv("READ_SECONDS", "0.3")
    with pytest.raises(DataError, match=r"took longer than the 0 seconds .* READ_SECONDS"):
        readers.inspect(file(how))


def test_a_look_that_nobody_waits_for_is_ended_at_once(readers, file):
    stop, caught = Stop(), []

    def look():
        try:
            readers.inspect(file("hang.h5ad"), "eve", stop=stop)
        except StoppedError as error:
            caught.append(error)

    thread = threading.Thread(target=look)
    thread.start()
    time.sleep(0.2)
    stop.set()
    thread.join(timeout=60)
    assert len(caught) == 1
    with pytest.raises(StoppedError):
        readers.inspect(file("fine.h5ad"), "eve", stop=stop)


def test_four_slow_looks_of_one_person_leave_a_place_for_another(readers, file, monkeypatch):
    monkeypatch.setenv("READ_SECONDS", "600")  # nothing but the end of this test ends them
    stop, ended = Stop(), []

    def look():
        try:
            readers.inspect(file("hang.h5ad"), "eve", stop=stop)
        except StoppedError as error:
            ended.append(error)

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.15)
    assert readers.inspect(file("fine.h5ad"), "ada")["n_cells"] == 3
    assert not ended and all(thread.is_alive() for thread in threads)
    stop.set()
    for thread in threads:
        thread.join(timeout=60)
    assert len(ended) == 4


def test_options_reach_the_look(readers, file):
    assert readers.inspect(file("fine.csv"), sheet="2")["options"] == {"sheet": "2"}


def test_values_of_other_cells_are_not_taken_for_those_of_the_file(readers, file):
    opened = readers.opened(file("fine.h5ad"))
    with pytest.raises(DataError, match="values of other cells"):
        opened.ask("cells")
    assert opened.is_gone and readers.opened(file("fine.h5ad")) is not opened


def test_a_nursery_that_died_is_started_again(readers, file):
    readers.inspect(file("fine.h5ad"))
    readers._nursery._nursery.kill()
    assert readers.inspect(file("fine.h5ad"))["n_cells"] == 3


def test_limits_grow_with_the_file_and_a_wrong_setting_is_named(file, monkeypatch):
    small, path = limits_for(file("a.h5ad")), file("b.h5ad")
    (path.parent / "deep/er").mkdir(parents=True)
    (path.parent / "deep/er/x").touch()
    os.truncate(path.parent / "deep/er/x", 50 << 20)
    assert limits_for(path.parent / "deep").file_bytes == 50 << 20
    os.truncate(path, 100 << 20)
    large = limits_for(path)
    assert large.seconds == pytest.approx(small.seconds + 100, abs=1)
    assert large.memory >= small.memory
    monkeypatch.setenv("READ_MEMORY_GB", "much")
    with pytest.raises(SettingError, match="READ_MEMORY_GB=much is no number"):
        limits_for(path)


def test_who_asks_much_waits_for_themselves():
    turns, let_go = Turns(most=2, per_person=1), threading.Event()
    turns._waiting = [("eve", object()) for _ in range(50)]
    with pytest.raises(RunError, match="50 files of yours wait"), turns.turn("eve"):
        pass
    turns._waiting = []
    done = []

    def hold():
        with turns.turn("eve"):
            let_go.wait(60)

    held = threading.Thread(target=hold)
    held.start()
    time.sleep(0.05)
    with turns.turn("ada"):
        done.append("ada")
    let_go.set()
    held.join()
    assert done == ["ada"] and turns._at_work.total() == 0


def test_files_of_one_person_that_colour_maps_share_the_persons_turns():
    data = Path("/data/owners/eve-1/datasets")
    assert whose(data / "a/x.h5ad") == whose(data / "b/y.h5ad") == "eve-1"
    assert whose(Path("/data/shared/x.h5ad")) == "/data/shared/x.h5ad"


def test_many_files_asked_at_once_are_all_answered_and_few_stay_open(tmp_path):
    readers = Readers(command=ODD, scratch=tmp_path / "scratch", most=3)
    mine, said = tmp_path / "owners/eve", []
    mine.mkdir(parents=True)

    def ask(number):
        (mine / f"{number}.h5ad").write_bytes(b"x" * 100)
        said.append(readers.opened(mine / f"{number}.h5ad").ask("column", name="0.2", most=1)[0])

    try:
        threads = [threading.Thread(target=ask, args=(i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
        assert said == [{"names": ["0.2"]}] * 8
        assert len(readers._open) == 4 == len(list(readers.scratch.iterdir()))
        kept = next(iter(readers._open.values()))
        kept.close()  # between being handed out and being asked
        assert kept.ask("column", name="0", most=1)[0] == {"names": ["0"]}
    finally:
        readers.close()
    assert list(readers.scratch.iterdir()) == []
    with pytest.raises(LetGoError):
        kept.ask("column", name="0", most=1)


def test_a_reader_at_work_is_not_ended_however_long_it_takes(readers, file):
    opened = readers.opened(file("busy.h5ad"))
    opened.ask("column", name="0", most=1)
    thread = threading.Thread(
        target=opened.ask, args=("column",), kwargs={"name": "0.4", "most": 1}
    )
    thread.start()
    time.sleep(0.1)
    opened.asked -= 10_000
    assert not opened.let_go()
    readers._tidy()
    thread.join(timeout=60)
    assert not opened.is_gone and opened.let_go() and opened.is_gone


class Born:
    """A process that is not asked."""

    ended = 0

    def end(self):
        Born.ended += 1


def test_a_reader_closed_before_its_turn_or_during_its_birth_leaves_nothing(tmp_path):
    made, scratch = [], tmp_path / "reader"

    def born(path, folder):
        made.append(path)
        opened.close()
        return Born()

    def folder():
        scratch.mkdir()
        return str(scratch)

    turns = Turns(most=2, per_person=1)
    path = tmp_path / "x.h5ad"
    opened = Opened(path, {}, born=born, folder=folder, turns=turns)
    with pytest.raises(LetGoError):
        opened.ask("cells")
    assert made == [path] and Born.ended >= 1 and not scratch.exists()
    opened = Opened(path, {}, born=born, folder=folder, turns=turns)
    caught = []

    def ask():
        try:
            opened.ask("cells")
        except LetGoError as error:
            caught.append(error)

    with turns.turn(opened.person):
        thread = threading.Thread(target=ask)
        thread.start()
        time.sleep(0.1)
        opened.close()
    thread.join(timeout=60)
    assert len(caught) == 1 and len(made) == 1 and not scratch.exists()


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_an_archive_unpacks_to_no_more_than_a_share_of_the_free_disk(tmp_path, kind):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/x.csv").write_bytes(os.urandom(17 << 20))
    packed = Path(shutil.make_archive(str(tmp_path / "x"), kind, tmp_path / "in"))
    readers = Readers(scratch=tmp_path / "scratch")
    readers.room = lambda: 0
    try:
        with pytest.raises(DataError, match="MB of disk are free"):
            readers.inspect(packed)
    finally:
        readers.close()


def test_what_readers_of_a_server_that_is_gone_left_behind_is_removed(tmp_path):
    (tmp_path / "reader-999999999-x").mkdir()
    (tmp_path / f"reader-{os.getpid()}-x").mkdir()
    clear_left_behind(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [f"reader-{os.getpid()}-x"]


def test_a_real_file_is_previewed_and_coloured_as_in_this_process(tmp_path):
    import anndata
    import pandas as pd

    counts = np.random.default_rng(0).poisson(1.0, (20, 6)).astype(np.float32)
    obs = pd.DataFrame(
        {"kind": pd.Categorical(["a", "b"] * 10)}, index=[f"c{i}" for i in range(20)]
    )
    adata = anndata.AnnData(counts, obs=obs, var=pd.DataFrame(index=list("UVWXYZ")))
    adata.write_h5ad(tmp_path / "x.h5ad")
    from diffbio_engine.data import inspect

    readers = Readers()
    try:
        told = readers.inspect(tmp_path / "x.h5ad")
        mine = inspect(tmp_path / "x.h5ad").as_dict()
        assert (told["suggested"], told["sentence"]) == (mine["suggested"], mine["sentence"])
        opened = readers.opened(tmp_path / "x.h5ad")
        told, arrays = opened.ask("gene", gene="v", place="X")
        per_10_000 = counts[:, 1] / np.maximum(counts.sum(1), 1) * 1e4
        np.testing.assert_allclose(arrays["values"], np.log1p(per_10_000), rtol=1e-5)
        assert told == {"gene": "V", "raw": True}
        told, arrays = opened.ask("column", name="kind", most=9)
        assert told["names"] == ["a", "b"] and arrays["codes"].tolist() == [0, 1] * 10
        assert opened.ask("cells")[0]["names"][:2] == ["c0", "c1"]
        with pytest.raises(DataError, match="There is no gene 'Q'"):
            opened.ask("gene", gene="Q", place="X")
        assert not opened.is_gone
    finally:
        readers.close()
