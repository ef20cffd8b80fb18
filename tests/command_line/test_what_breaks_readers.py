"""On the command line, too, a file that breaks its reader is one sentence and exit code 1."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from diffbio_engine.apart import Readers, limits_alone, limits_for
from diffbio_engine.command_line import looking
from diffbio_engine.command_line.run import _watched
from diffbio_engine.data.matrix.memory_limit import memory_of_this_machine
from diffbio_engine.errors import RunError
from diffbio_engine.runs import RunFolder
from tests.command_line.small_run import said

ODD = (sys.executable, str(Path(__file__).parents[1] / "apart/odd_nursery.py"))


@pytest.fixture(scope="module")
def odd():
    """Readers that misbehave at files of certain names."""
    made = Readers(command=ODD, limits=limits_alone)
    yield made
    made.close()


@pytest.mark.parametrize(
    "words",
    [["inspect"], ["run", "--preset", "single_cell", "--out", "OUT", "--data"],
     ["apply", "BUNDLE", "--out", "OUT"]],
    ids=lambda words: words[0],
)  # fmt: skip
@pytest.mark.parametrize(
    "name, sentence",
    [
        ("abort.mtx", "abort.mtx could not be read: the process that read it broke down (SIGABRT)"),
        ("crash.h5ad", "crash.h5ad could not be read: the process that read it broke down"),
    ],
)
def test_native_code_that_breaks_down_at_a_file(odd, words, name, sentence, tmp_path, monkeypatch):
    monkeypatch.setattr(looking, "readers", lambda limited: odd)
    (tmp_path / name).write_bytes(b"x" * 100)
    places = {"OUT": tmp_path / "out", "BUNDLE": tmp_path / "bundle"}
    code, out, mistakes = said(*(places.get(word, word) for word in words), tmp_path / name)
    assert code == 1 and mistakes.startswith("error: ") and sentence in mistakes
    assert not out and "Traceback" not in mistakes and mistakes.count("\n") == 1
    assert not (tmp_path / "out").exists()


def broken_at(tmp_path, module):
    """An environment in which a process aborts where it imports a module."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\n"
        "class Breaks:\n"
        "    def find_spec(self, name, *_):\n"
        f"        if name == '{module}': os.abort()\n"
        "sys.meta_path.insert(0, Breaks())\n"
    )
    return {**os.environ, "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"}


def test_a_run_whose_worker_breaks_down_at_its_data_says_so(tmp_path):
    env = broken_at(tmp_path, "diffbio_engine.command_line.work")
    folder = RunFolder.create(tmp_path / "run", {"title": "Hers"})
    with pytest.raises(RunError, match=r"broke down 3 times \(SIGABRT\).*the data file is damaged"):
        _watched(folder, env, quiet=True)


def test_apply_itself_may_break_down_and_says_so(tmp_path):
    words = [sys.executable, "-m", "diffbio_engine", "apply", "b", "x.h5ad", "--out", "o.h5ad"]
    env = broken_at(tmp_path, "diffbio_engine.command_line")
    ended = subprocess.run(words, env=env, cwd=Path(__file__).parents[2], capture_output=True)
    assert ended.returncode == 1 and not ended.stdout
    assert ended.stderr.decode().startswith(
        "error: The process that read the file and placed its cells broke down (SIGABRT); nothing "
    )


def test_who_is_alone_may_use_half_of_the_machine_for_a_small_file_and_all_with_no_limits(
    tmp_path, monkeypatch
):
    path = tmp_path / "x.csv"
    path.write_text("cell,A,B\nc1,1,0\nc2,0,2\n")
    half = memory_of_this_machine() // 2
    assert limits_alone(path).memory == pytest.approx(half, abs=2)
    assert limits_alone(path).seconds == limits_for(path).seconds
    assert limits_alone(path, limited=False).wall_seconds is None
    monkeypatch.setenv("READ_MEMORY_GB", "0.5")
    assert limits_alone(path).memory == 2**29
    monkeypatch.setenv("READ_SECONDS", "0.0001")
    code, _, mistakes = said("inspect", path)
    assert code == 1 and "READ_SECONDS and READ_MEMORY_GB allow more, --no-limits all" in mistakes
    code, told, _ = said("inspect", path, "--no-limits")
    assert code == 0 and "2 cells x 2 genes" in told
