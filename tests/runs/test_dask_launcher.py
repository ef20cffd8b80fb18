"""The same promises where Dask places the worker; skipped where Dask is not installed."""

import os
import signal

import numpy as np
import pytest

from diffbio_engine.runs import RunReader
from diffbio_engine.runs.launchers import DaskLauncher

distributed = pytest.importorskip("distributed", reason="Dask is not installed")


@pytest.fixture(scope="module")
def client():
    """One Dask worker with one place, in this process."""
    with (
        distributed.LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            processes=False,
            dashboard_address=None,
            resources={"place": 1},
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def engine(make_engine, client):
    return make_engine(launcher=DaskLauncher(client, {"place": 1}))


def test_a_run_goes_to_its_end_and_a_killed_worker_is_started_again(engine, wait_until):
    run_id = engine.start({"steps": 200}, "ada")
    folder = engine.folder(run_id, "ada")
    wait_until(lambda: folder.last_step() > 40)
    os.kill(folder.status()["pid"], signal.SIGKILL)
    wait_until(lambda: engine.summary(run_id, "ada").state == "done")
    assert folder.status()["attempt"] == 2
    np.testing.assert_array_equal(RunReader(folder.path).metrics()["step"], np.arange(1, 201))


def test_a_deleted_run_gives_its_place_back(engine, wait_until):
    first = engine.start({"steps": 100_000}, "ada")
    wait_until(lambda: engine.summary(first, "ada").state == "running")
    second = engine.start({"steps": 5}, "ada")
    engine.delete(first, "ada")
    wait_until(lambda: engine.summary(second, "ada").state == "done")


def test_a_run_that_the_scheduler_forgot_is_lost(client, tmp_path):
    ref = {"kind": "dask", "key": "run-unknown", "run_dir": str(tmp_path)}
    assert DaskLauncher(client).poll(ref) == -signal.SIGKILL
