"""What an administrator says of runs: a wrong word is refused at the start, in words."""

import pytest

from diffbio_engine.errors import UserError
from diffbio_engine.runs.queue.administering import engine_options
from diffbio_engine.runs.queue.launchers import LocalLauncher

DASK = {"LAUNCHER": "dask", "DASK_SCHEDULER": "tcp://127.0.0.1:9"}
TLS = {"LAUNCHER": "dask", "DASK_SCHEDULER": "tls://127.0.0.1:9"}


def test_without_a_word_runs_compute_here_as_many_as_gpus_and_processors_allow():
    assert engine_options({}) == {"max_running": None, "launcher": None}
    assert engine_options({"LAUNCHER": "local", "DASK_SCHEDULER": DASK["DASK_SCHEDULER"]}) == {
        "max_running": None,
        "launcher": None,
    }
    assert engine_options({"MAX_RUNNING": " 3 "})["max_running"] == 3


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"LAUNCHER": "Dask"}, "LAUNCHER=Dask is not known. Choose one of local, dask"),
        ({"LAUNCHER": "slurm"}, "LAUNCHER=slurm is not known"),
        ({"DASK_SCHEDULER": "tcp://a:1"}, "DASK_SCHEDULER is set, but LAUNCHER is not"),
        ({"LAUNCHER": "dask"}, "DASK_SCHEDULER= is no address"),
        ({"LAUNCHER": "dask", "DASK_SCHEDULER": "a:8786"}, "a:8786 is no address"),
        ({**DASK, "DASK_TLS_CA": "ca.pem"}, "DASK_TLS_CA would not be used with"),
        ({**TLS, "DASK_TLS_CA": "ca.pem"}, "DASK_TLS_CERT, DASK_TLS_KEY is missing"),
        (
            TLS | dict.fromkeys(("DASK_TLS_CA", "DASK_TLS_CERT", "DASK_TLS_KEY"), "/no.pem"),
            "DASK_TLS_CA=/no.pem cannot be read .No such file",
        ),
        ({**DASK, "DASK_RESOURCES": "GPU"}, "DASK_RESOURCES=GPU cannot be understood"),
        ({**DASK, "DASK_RESOURCES": "GPU=-1"}, "DASK_RESOURCES=GPU=-1 cannot be understood"),
        ({"MAX_RUNNING": "0"}, "MAX_RUNNING=0 is no number of runs"),
        ({"MAX_RUNNING": "two"}, "MAX_RUNNING=two is no number of runs"),
        ({"PAUSED_MINUTES": "soon"}, "PAUSED_MINUTES=soon is no number of minutes"),
    ],
)
def test_a_wrong_word_is_refused_with_the_way_out(said, words):
    with pytest.raises(UserError, match=words):
        engine_options(said)


def test_every_two_processors_are_a_place_where_no_gpu_is_used(monkeypatch):
    here = LocalLauncher()
    monkeypatch.setattr("diffbio_engine.runs.queue.launchers._processors", lambda: 8)
    assert here.places({"JAX_PLATFORMS": "cpu"}) == 4
    monkeypatch.setattr("diffbio_engine.runs.queue.launchers._processors", lambda: 1)
    assert here.places({"JAX_PLATFORMS": "cpu"}) == 1
