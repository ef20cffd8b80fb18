"""Curves of the soft operations, as the help draws them."""

import numpy as np
import pytest

from app.help.temperature import Softness
from app.help.temperature_curves import curve, hard, is_compiled, modes_of, places
from app.help.temperature_examples import STANDING, examples, moded
from app.session.session import Session
from diffbio_engine import soft_ops

SOFT = soft_ops.SOFT_MODES
each = pytest.mark.parametrize("name", examples())


def at(name, x):
    """The nearest drawn place."""
    return int(np.argmin(np.abs(places(name) - x)))


def test_every_operation_that_has_modes_is_in_the_help_under_words_of_its_own():
    shown = {name for e in examples().values() for name in (e.name, *e.also)}
    assert shown == set(moded())
    assert all(e.hard and e.cold and e.warm for e in examples().values()), "a new one needs words"


def test_the_slope_of_a_soft_step_is_that_of_its_formula_at_every_softness():
    # The logistic curve has 1/4, and in units of 5 softness the polynomials 1/2, 3/4, 15/16.
    middle = {"smooth": 1 / 4, "c0": 1 / 10, "c1": 3 / 20, "c2": 3 / 16}
    for softness in (1e-3, 0.1, 10.0):
        for mode in SOFT:
            value, slope = curve("heaviside", mode, softness)
            assert value[at("heaviside", 0)] == 0.5
            np.testing.assert_allclose(slope[at("heaviside", 0)] * softness, middle[mode], 1e-5)


@pytest.mark.parametrize("name", ["heaviside", "abs", "round", "argmax", "rank", "median"])
def test_at_a_tiny_softness_a_soft_curve_is_the_hard_one_away_from_its_corners(name):
    x, drawn = places(name), hard(name)
    corners = np.array(examples()[name].corners)
    far = np.abs(x[:, None] - corners).min(1) > 0.1
    kept = np.isfinite(drawn["value"])
    wanted = np.interp(x, drawn["x"][kept], drawn["value"][kept])
    np.testing.assert_allclose(curve(name, "smooth", 1e-3)[0][far], wanted[far], atol=2e-3)


def test_another_softness_does_not_compile_again():
    curve("relu", "smooth", 0.1)
    assert is_compiled("relu", "smooth")
    from app.help.temperature_curves import _traced

    before = _traced("relu", "smooth")._cache_size()
    curve("relu", "smooth", 2.0)
    assert _traced("relu", "smooth")._cache_size() == before == 1


def test_the_hard_curve_is_broken_where_it_jumps_and_only_bent_at_a_corner():
    assert np.isnan(hard("heaviside")["value"]).sum() == 1
    assert hard("heaviside")["point"].tolist() == [0.5]
    assert np.isnan(hard("rank")["value"]).sum() == len(STANDING)
    assert np.isfinite(hard("abs")["value"]).all() and np.isnan(hard("abs")["slope"]).sum() == 1
    step = hard("heaviside")["slope"]
    assert not step[np.isfinite(step)].any()


@each
def test_every_operation_is_drawn(name):
    assert np.isfinite(hard(name)["value"]).any()
    assert np.isfinite(np.stack(curve(name, "smooth", 0.1))).all()
    assert "smooth" in modes_of(name)


def test_the_sheet_draws_the_newest_wish_and_holds_the_softness_within_its_limits():
    session = Session()
    waiting = []
    session.work = lambda function, then: waiting.append((function, then))
    sheet = Softness(session)
    sheet.soften(1e-9)
    sheet.soften(3.0)
    assert len(waiting) == 1 and sheet.sheet.softness == 3.0
    while waiting:
        function, then = waiting.pop()
        then(function())
    drawn = sheet.plot.slope.renderers[1].data_source.data
    np.testing.assert_allclose(drawn["d_smooth"].max() * 3.0, 1 / 4, 1e-5)
    assert not sheet.sheet.busy and np.isfinite(drawn["d_c2"]).all()


def test_a_name_or_number_that_the_page_does_not_know_changes_nothing():
    sheet = Softness(Session())
    for message in ({"do": "choose", "name": "exec"}, {"do": "softness", "value": "much"},
                    {"do": "toggle", "mode": "c9"}):  # fmt: skip
        sheet._asked(message)
    assert (sheet.sheet.chosen, sheet.sheet.softness) == ("heaviside", 0.1)
    sheet._asked({"do": "softness", "value": float("nan")})
    assert sheet.sheet.softness == 0.1
