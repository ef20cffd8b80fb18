"""Several GPUs are several places, and each run gets one of its own. No card is needed here."""

import json
import os
import sys
from pathlib import Path

import pytest

from diffbio_engine.runs.queue import gpus
from diffbio_engine.runs.queue.gpus import GpusInUse, gpus_here
from diffbio_engine.runs.queue.launchers import LocalLauncher
from diffbio_engine.runs.queue.warm_worker import WarmWorker

SAYS = "import os, sys; print(os.environ.get('CUDA_VISIBLE_DEVICES')); sys.stdin.read()"


@pytest.fixture
def devices(tmp_path, monkeypatch):
    """A machine with three cards."""
    for name in ("nvidiactl", "nvidia0", "nvidia1", "nvidia7", "nvidia-uvm", "null"):
        (tmp_path / name).touch()
    monkeypatch.setattr(gpus, "_DEVICES", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "environ, found",
    [
        ({}, ["0", "1", "2"]),
        ({"CUDA_VISIBLE_DEVICES": "1,2"}, ["1", "2"]),
        ({"CUDA_VISIBLE_DEVICES": " GPU-ab , MIG-cd"}, ["GPU-ab", "MIG-cd"]),
        ({"CUDA_VISIBLE_DEVICES": "0,-1,1"}, ["0"]),
        ({"CUDA_VISIBLE_DEVICES": ""}, []),
        ({"JAX_PLATFORMS": "cpu"}, []),
        ({"JAX_PLATFORMS": "cuda"}, ["0", "1", "2"]),
    ],
)
def test_the_cards_that_a_worker_may_use_are_counted(devices, environ, found):
    assert gpus_here(environ) == found
    (devices / "nvidiactl").unlink()
    assert gpus_here(environ) == []


def test_a_card_on_which_a_run_rests_is_taken_before_one_that_computes():
    in_use, cards = GpusInUse(), ["0", "1"]
    in_use.has(11, "0")
    in_use.has(12, "1")
    in_use.rests(11, True)
    assert in_use.next_of(cards) == "0"
    in_use.rests(11, False)
    in_use.is_gone(12)
    assert in_use.next_of(cards) == "1"
    assert in_use.is_as_free("1", cards) and not in_use.is_as_free("0", cards)
    assert in_use.next_of(["0"]) is None and in_use.is_as_free(None, ["0"])


def test_each_run_is_shown_a_card_of_its_own_also_by_the_next_server(
    make_engine, tmp_path, wait_until
):
    there = {"gpus": lambda environ: ["0", "1"]}
    engine = make_engine(launcher=LocalLauncher(**there), max_running=None)
    assert engine.max_running == 2 and engine.where() == "this machine, 2 places"
    runs = [engine.start({"steps": 100_000}, "ada") for _ in range(3)]

    def state(run_id):
        return engine.summary(run_id, "ada").state

    def card(run_id):
        said = json.loads((tmp_path / "runs" / run_id / "launch.json").read_text())
        return (said.get("ref") or {}).get("gpu")

    wait_until(lambda: [state(r) for r in runs] == ["running", "running", "queued"])
    assert {card(r) for r in runs[:2]} == {"0", "1"}
    engine.close()
    engine = make_engine(launcher=LocalLauncher(**there), max_running=None)
    freed = card(runs[1])
    engine.stop(runs[1], "ada")
    wait_until(lambda: state(runs[2]) == "running")
    assert card(runs[2]) == freed
    pid = json.loads((tmp_path / "runs" / runs[2] / "launch.json").read_text())["ref"]["pid"]
    shown = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    assert f"CUDA_VISIBLE_DEVICES={freed}".encode() in shown


def test_a_spare_worker_gets_a_run_only_where_its_card_is_as_free_as_any(tmp_path):
    launcher = LocalLauncher(gpus=lambda environ: ["0", "1"])
    command = [sys.executable, "-c", SAYS]
    spare = WarmWorker(command, tmp_path / "log", dict(os.environ), launcher)
    (tmp_path / "run").mkdir()
    spare.prepare()
    launcher._in_use.has(1, "0")  # another run has come to the card on which it waits
    assert spare.take(tmp_path / "run") is None
    launcher._in_use.is_gone(1)
    ref = spare.take(tmp_path / "run")
    assert ref["gpu"] == "0"
    launcher._children[ref["pid"]].wait(20)
    assert (tmp_path / "log").read_text().strip() == "0"
    spare.prepare()
    assert spare._gpu == "1"
    spare.close()
