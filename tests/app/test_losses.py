"""Losses of a run of any length, in few points."""

import numpy as np
import pytest

from app.losses.history import MOST_POINTS, LossHistory
from app.losses.plot import SCALES, LossPlot
from app.losses.smoothing import noise, smoothed
from app.losses.view import Losses, estimates_only, mark_of, title_of
from app.session.session import Session
from diffbio_engine.pipelines import presets


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


def test_a_term_that_is_0_throughout_gets_no_lane_until_it_is_not():
    history = LossHistory()
    history.add(rows(0, 3, label=lambda s: 0 * s, mlm=np.sqrt))
    assert history.silent == {"label"}  # there are no labels
    history.add(rows(3, 5, label=np.sqrt, mlm=np.sqrt))
    assert not history.silent
    alone = LossHistory()
    alone.add(rows(0, 3, hinge=lambda s: 0 * s))
    assert not alone.silent


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


def test_where_no_stage_moves_a_weight_there_is_nothing_to_train_and_no_lane():
    made = {name: preset.make(None) for name, preset in presets().items()}
    found = {name for name, spec in made.items() if estimates_only(spec)}
    assert found == {"differential_expression", "quantify_transcripts"}
    session = Session()
    session.run.pipeline = made["quantify_transcripts"]
    losses = Losses(session)
    losses._take(rows(0, 1, em=np.sqrt))
    assert "nothing to train" in losses._words.object
    assert losses._bar.terms[0]["value"] and not losses._plot.figure.renderers[1:]


def curves(scale, floors=None, **columns):
    columns = {name: np.asarray(values, float) for name, values in columns.items()}
    titles = {name: name for name in columns if name != "step"}
    marks = {"step": [], "words": [], "color": []}
    colors = dict.fromkeys(titles, "#000000")
    plot = LossPlot(columns, titles, colors, marks, scale=scale, theme="default", floors=floors)
    return plot, columns


@pytest.mark.parametrize("scale", SCALES)
def test_the_axes_follow_new_points_until_a_person_zooms(scale):
    plot, columns = curves(scale, step=[1, 2], total=[700, 600], kl=[7.0, 9.0])
    assert plot.figure.xaxis[0].ticker.min_interval == 1  # there are no steps between steps
    x, y = plot.figure.x_range, plot.figure.y_range
    assert x.start == 0 and 2 <= x.end < 2.1
    new = {"step": np.array([3.0, 4.0]), "total": np.array([500, 30.0]), "kl": np.array([9, 90.0])}
    columns = {name: np.append(columns[name], new[name]) for name in columns}
    plot.append(new, columns)
    assert 4 <= x.end < 4.1
    if scale != "each":
        assert y.start < 7 and y.end > 700
    x.update(start=1.5, end=2.5)  # as the wheel does it
    plot.append({n: v[-1:] + 1 for n, v in new.items()}, {n: v + 1 for n, v in columns.items()})
    assert (x.start, x.end) == (1.5, 2.5)
    x.update(start=x.reset_start, end=x.reset_end)  # as the reset button does it
    plot.draw_again({n: np.append(v, 9.0) for n, v in columns.items()})
    assert 9 <= x.end < 9.2


def test_a_small_fall_under_large_noise_is_seen_as_a_fall():
    steps, random = np.arange(1.0, 401), np.random.default_rng(0)
    truth = 704 + 40 * np.exp(-steps / 30) + 6 * (1 - steps / 400)
    total = truth + random.normal(0, 40, len(steps))
    grid, curve = smoothed(steps, {"total": total})["total"]
    error = np.abs(curve - np.interp(grid, steps, truth))
    # The kernel's own standard error is 40 / sqrt(n_eff); n_eff is about 3.5 widths of 0.12 n.
    assert error[len(grid) // 2 :].mean() < 40 / np.sqrt(3.5 * 0.12 * 200) * 1.5
    plot, _ = curves("each", step=steps, total=total)
    lane = plot.figure.extra_y_ranges["total"]
    assert lane.end - lane.start < 0.5 * (total.max() - total.min())  # not scaled to the noise
    raw = plot._source.data["total in its lane"]
    assert lane.start <= raw.min() and raw.max() <= lane.end  # nor into another lane


def test_a_line_is_smoothed_to_itself_and_gaps_count_for_nothing():
    steps = np.arange(50.0)
    line = np.where(steps % 7 == 3, np.nan, 3 * steps - 5)
    grid, curve = smoothed(steps, {"x": line})["x"]
    np.testing.assert_allclose(curve, 3 * grid - 5, rtol=1e-9)
    few = smoothed(steps[:2], {"x": line[:2]})["x"]
    np.testing.assert_array_equal(few[1], line[:2])
    assert noise(np.full(9, 4.0)) == 0 and noise(np.array([1.0])) == 0


def test_a_lane_shows_its_whole_curve_and_no_other_lane():
    plot, _ = curves("each", step=[1, 2, 3], total=[700, 650, 600], kl=[7.0, 8.0, 9.0])
    heights = {
        name: [(v - lane.start) / (lane.end - lane.start) * 2 for v in ends]
        for (name, lane), ends in zip(
            plot.figure.extra_y_ranges.items(), ([7, 9], [600, 700]), strict=True
        )
    }
    # On an axis of two lanes: kl lies below one, total above.
    assert all(0 < h < 1 for h in heights["kl"]) and all(1 < h < 2 for h in heights["total"])


def test_the_names_of_the_terms_have_as_many_lines_as_they_need_and_the_curves_the_rest():
    losses = Losses(Session())
    one = losses._bar.height
    losses._asked({"do": "lines", "n": 2})
    assert losses._bar.height == one + 28
    losses._asked({"do": "lines", "n": 1000})  # whatever a page says
    assert losses._bar.height == one + 3 * 28
    losses._asked({"do": "lines", "n": "2"})
    assert losses._bar.height == one + 3 * 28


def test_what_a_simpler_method_would_have_is_a_dashed_line_in_the_lane_of_the_loss():
    plot, _ = curves(
        "each",
        floors={"by means": "masked", "of no loss": "not shown"},
        step=[1, 2, 3],
        masked=[0.5, 0.4, 0.3],
        **{"by means": [0.6, 0.6, 0.6], "of no loss": [1, 2, 3]},
    )
    lanes = plot.figure.extra_y_ranges
    assert set(lanes) == {"masked", "of no loss"}
    # Both the loss and the line lie within the upper half of the two lanes.
    lane = lanes["masked"]
    heights = [(v - lane.start) / (lane.end - lane.start) for v in (0.3, 0.6)]
    assert 0.5 < heights[0] < heights[1] < 1
    (drawn,) = [r for r in plot.figure.renderers if getattr(r.glyph, "line_dash", None) == [5, 4]]
    assert drawn.y_range_name == "masked"
    np.testing.assert_allclose(drawn.data_source.data["value"], 0.6)
