"""Engines on a temporary folder, with a worker that needs no JAX; and a run that is done."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from diffbio_engine.runs import EXIT_DONE, Engine, RunFolder
from tests.command_line.small_run import run_of, write_inputs

FAKE_WORKER = [sys.executable, str(Path(__file__).with_name("fake_worker.py"))]


def until(true: Callable[[], object], seconds: float = 120.0) -> None:
    """Waits until something is true, and fails if it does not become so."""
    give_up = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < give_up, "this did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def wait_until() -> Callable[..., None]:
    return until


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> RunFolder:
    """The folder of a small run that is done, by the worker's own code."""
    from diffbio_engine.runs.worker.train import work  # JAX: only for those who ask

    inputs, path = tmp_path_factory.mktemp("inputs"), tmp_path_factory.mktemp("runs") / "trained"
    write_inputs(inputs)
    folder = RunFolder.create(path, run_of(inputs, steps=10))
    assert work(path) == EXIT_DONE, folder.status()
    return folder


@pytest.fixture
def fake_worker() -> list[str]:
    return FAKE_WORKER


@pytest.fixture
def make_engine(tmp_path):
    """Makes engines on one data folder; at the end ends every worker that still lives."""
    engines: list[Engine] = []

    def make(**settings) -> Engine:
        engines.append(Engine(tmp_path, **{"max_running": 2, "command": FAKE_WORKER, **settings}))
        return engines[-1]

    yield make
    for engine in engines:
        engine.close()
    for lock in tmp_path.glob("*/*/lock"):
        pid = lock.read_text()
        if pid and Path(f"/proc/{pid}/cmdline").exists():
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            if str(lock.parent).encode() in command:
                os.kill(int(pid), signal.SIGKILL)
