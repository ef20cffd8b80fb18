"""The same promises where Dask places the worker; skipped where Dask is not installed."""

import os
import shutil
import signal
import subprocess

import numpy as np
import pytest

from diffbio_engine.errors import RunError
from diffbio_engine.runs import RunReader
from diffbio_engine.runs.queue.administering import engine_options
from diffbio_engine.runs.queue.dask_launcher import DaskLauncher

distributed = pytest.importorskip("distributed", reason="Dask is not installed")


@pytest.fixture(scope="module")
def cluster():
    """Two Dask workers with one place each, in processes that can be killed."""
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
        resources={"place": 1},
    ) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def client(cluster):
    with distributed.Client(cluster) as client:
        yield client


@pytest.fixture
def engine(make_engine, client):
    return make_engine(launcher=DaskLauncher(client, {"place": 1}), max_running=None)


def kill_the_dask_worker(cluster, client, run_id):
    """Ends the Dask worker that looks after a run; the run's own worker goes on."""
    address = client.run_on_scheduler(
        lambda dask_scheduler: next(
            task.processing_on.address
            for key, task in dask_scheduler.tasks.items()
            if run_id in key and task.processing_on
        )
    )
    nanny = next(n for n in cluster.workers.values() if n.worker_address == address)
    os.kill(nanny.pid, signal.SIGKILL)


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


@pytest.mark.parametrize("trial", [1, 2])
def test_what_a_dead_dask_worker_leaves_at_work_keeps_no_later_run_from_its_place(
    trial, cluster, client, engine, wait_until
):
    left = engine.start({"steps": 100_000}, "ada")
    wait_until(lambda: engine.summary(left, "ada").state == "running")
    pid = engine.folder(left, "ada").status()["pid"]
    kill_the_dask_worker(cluster, client, left)
    later = [engine.start({"steps": 5}, "ada") for _ in range(3)]
    for run_id in later:
        wait_until(lambda run=run_id: engine.summary(run, "ada").state == "done", 40)
    # It has never stopped, is still looked after, and can be ended at once.
    assert engine.summary(left, "ada").state == "running"
    assert engine.folder(left, "ada").status()["pid"] == pid
    engine.delete(left, "ada")


def test_places_are_counted_at_the_cluster_and_said(engine):
    assert engine.max_running == 2
    assert engine.where().startswith("Dask ") and engine.where().endswith(", 2 places")


def test_a_scheduler_that_nobody_answers_at_is_refused_in_words():
    with pytest.raises(RunError, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:9 "):
        DaskLauncher("tcp://127.0.0.1:9", seconds=0.5)


def test_an_administrator_names_the_scheduler_and_what_a_run_needs(cluster):
    said = {"LAUNCHER": "dask", "DASK_SCHEDULER": cluster.scheduler_address}
    for more, places in (
        ({}, 2),
        ({"DASK_RESOURCES": "place=1"}, 2),
        ({"DASK_RESOURCES": "G=1"}, 0),
    ):
        launcher = engine_options(said | more)["launcher"]
        try:
            assert launcher.places({}) == places
            assert launcher.where() == f"Dask {cluster.scheduler_address}"
        finally:
            launcher.close()


def test_a_cluster_behind_tls_is_reached_with_its_certificates_only(tmp_path):
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "cert.pem")
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x"]
    if not shutil.which("openssl"):
        pytest.skip("no openssl to make certificates with")
    subprocess.run(
        [*made, "-keyout", key, "-out", certificate], check=True, capture_output=True, timeout=60
    )
    security = distributed.Security(
        require_encryption=True,
        tls_ca_file=certificate,
        **{f"tls_{who}_{what}": path for who in ("scheduler", "worker", "client")
           for what, path in (("cert", certificate), ("key", key))},
    )  # fmt: skip
    said = {"LAUNCHER": "dask", "DASK_TLS_CA": certificate, "DASK_TLS_CERT": certificate}
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None,
        protocol="tls", security=security, worker_dashboard_address=":0",
    ) as cluster:  # fmt: skip
        said |= {"DASK_SCHEDULER": cluster.scheduler_address, "DASK_TLS_KEY": key}
        assert said["DASK_SCHEDULER"].startswith("tls://")
        with pytest.raises(RunError, match="with tls:// also the files of DASK_TLS_CA"):
            engine_options({name: said[name] for name in ("LAUNCHER", "DASK_SCHEDULER")})
        launcher = engine_options(said)["launcher"]
        assert launcher.places({}) == 1
        launcher.close()
