"""Losses of a run of any length, in few points."""

import numpy as np

from app.loss_history import MOST_POINTS, LossHistory
from app.views.losses import mark_of, title_of


def rows(start, stop, **terms):
    step = np.arange(start, stop, dtype=float)
    return {"step": step, "t": step, "total": step * 2, **{k: v(step) for k, v in terms.items()}}


def test_a_long_run_keeps_its_whole_shape_in_few_points():
    history = LossHistory()
    for start in range(0, 20_000, 7):
        history.add(rows(start, start + 7))
    drawn = history.columns
    assert MOST_POINTS / 2 - 16 <= len(drawn["step"]) <= MOST_POINTS
    np.testing.assert_allclose(drawn["total"], 2 * drawn["step"])  # the mean of a line is on it
    assert drawn["step"][0] < 16 and drawn["step"][-1] > 19_900


def test_new_rows_are_points_to_append_and_a_new_term_draws_all_anew():
    history = LossHistory()
    assert history.add(rows(0, 3)) is None
    assert history.add(rows(3, 5))["step"].tolist() == [3, 4]
    assert history.add(rows(5, 6, kl=np.sqrt)) is None
    assert np.isnan(history.columns["kl"][:5]).all() and history.last["total"] == 10


def test_steps_that_a_resumed_run_does_again_are_forgotten():
    history = LossHistory()
    history.add(rows(0, 10))
    history.add({**rows(6, 8), "reset_after": 5})
    assert history.columns["step"].tolist() == [0, 1, 2, 3, 4, 5, 6, 7]


def test_a_turned_dial_is_a_mark_in_words():
    event = {"kind": "dial", "step": 40, "name": "cluster.temperature", "value": 0.2}
    assert mark_of(event) == ("dial", 40, "cluster temperature to 0.2")
    assert mark_of({"kind": "checkpoint", "step": 1}) is None
    assert title_of("vae.kl_loss") == "vae kl"
