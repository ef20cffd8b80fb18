"""A run that is paused for long gives its memory back, and goes on when asked to."""

import numpy as np
import pytest

from diffbio_engine.errors import RunError, SettingError
from diffbio_engine.runs import RunReader
from diffbio_engine.runs.folder.patience import seconds_paused

PATIENT = {"steps": 200, "patience": 0.1}


def gone(folder):
    """No process is left, and the engine has written that down."""
    return not folder.is_locked() and folder.launch().get("phase") == "ended"


def asked_to_pause(make_engine, wait_until):
    """An engine with one place, and a run of it that has just been asked to pause."""
    engine = make_engine(max_running=1)
    run_id = engine.start(PATIENT, "ada")
    folder = engine.folder(run_id, "ada")
    wait_until(lambda: folder.last_step() > 3)
    engine.pause(run_id, "ada")
    return engine, run_id, folder


@pytest.fixture
def released(make_engine, wait_until):
    """An engine with one place, and a run of it that has been paused for long."""
    engine, run_id, folder = asked_to_pause(make_engine, wait_until)
    wait_until(lambda: gone(folder))
    return engine, run_id, folder


def test_a_long_pause_ends_the_process_and_the_run_stays_paused_in_words(released):
    engine, run_id, folder = released
    line = engine.summary(run_id, "ada")
    assert (line.state, folder.state(), line.message) == ("paused", "paused", "given back")
    assert line.step == folder.last_step()


def test_resume_starts_it_again_where_it_was_and_no_step_is_lost(released, wait_until):
    engine, run_id, folder = released
    engine.resume(run_id, "ada")
    wait_until(lambda: engine.summary(run_id, "ada").state == "done")
    np.testing.assert_array_equal(RunReader(folder.path).metrics()["step"], np.arange(1, 201))
    assert folder.status()["attempt"] == 2


def test_one_step_more_starts_it_again_takes_it_and_pauses(released, wait_until):
    engine, run_id, folder = released
    step = folder.last_step()
    engine.step(run_id, "ada")
    wait_until(lambda: folder.last_step() == step + 1 and gone(folder))
    assert engine.summary(run_id, "ada").state == "paused"


def test_stop_has_a_worker_write_what_there_is(released, wait_until):
    engine, run_id, folder = released
    engine.stop(run_id, "ada")
    wait_until(lambda: engine.summary(run_id, "ada").state == "stopped")
    assert folder.status()["attempt"] == 2


def test_resume_in_the_moment_of_leaving_is_heard(make_engine, wait_until):
    engine, run_id, folder = asked_to_pause(make_engine, wait_until)
    wait_until(lambda: folder.status().get("released"))
    engine.resume(run_id, "ada")
    wait_until(lambda: engine.summary(run_id, "ada").state == "done")


def test_a_server_that_was_away_meanwhile_finds_it_paused(make_engine, wait_until):
    engine, run_id, folder = asked_to_pause(make_engine, wait_until)
    engine.close()
    wait_until(lambda: not folder.is_locked())
    assert folder.state() == "paused"
    again = make_engine(max_running=1)
    wait_until(lambda: gone(folder))
    assert again.summary(run_id, "ada").state == "paused"


def test_the_minutes_are_a_setting_and_a_wrong_one_is_refused():
    assert seconds_paused({}) == 30 * 60
    assert seconds_paused({"PAUSED_MINUTES": "0"}) == float("inf")
    assert seconds_paused({"PAUSED_MINUTES": "0.5"}) == 30
    for wrong in ("soon", "-1", "nan"):
        with pytest.raises(SettingError, match=f"PAUSED_MINUTES={wrong} is no number of minutes"):
            seconds_paused({"PAUSED_MINUTES": wrong})


def test_results_are_refused_of_a_run_without_a_checkpoint(make_engine, wait_until):
    engine = make_engine()
    run_id = engine.start({"steps": 50, "exit_at_start": 9}, "ada")
    wait_until(lambda: engine.summary(run_id, "ada").state == "failed")
    with pytest.raises(RunError, match="no checkpoint"):
        engine.results(run_id, "ada")
