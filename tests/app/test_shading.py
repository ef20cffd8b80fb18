"""Cells drawn to pictures: where they fall, how they mix, and what is made only once."""

import io
import threading

import numpy as np
import pytest
from PIL import Image

from app.map.frames import eased, turn_onto
from app.map.render_cache import Rendered
from app.map.shading import FAINTEST, inside, opacity_of, shade, to_png
from app.style.palettes import BACKGROUND, category_colors, contrast, for_theme, rgb, value_ramp

UNIT = (0.0, 1.0, 0.0, 1.0)
RED_AND_BLUE = rgb(["#ff0000", "#0000ff"])


def one_pixel(**kinds):
    """Two cells in the middle of one pixel."""
    xy = np.array([[0.55, 0.45]] * 2, np.float32)
    return shade(xy, RED_AND_BLUE, UNIT, (10, 10), radius=0.5, **kinds)[5, 5]


def test_two_categories_in_a_pixel_give_their_mean_colour():
    red, green, blue, alpha = one_pixel(codes=np.array([0, 1]))
    assert (red, green, blue) == (127, 0, 127)  # (255 + 0) / 2, cut
    assert alpha > 200


def test_the_highest_value_of_a_pixel_is_drawn():
    assert tuple(one_pixel(values=np.array([0.0, 1.0]))[:3]) == (0, 0, 255)


def test_an_undecided_cell_is_fainter_than_a_decided_one():
    sure = one_pixel(codes=np.array([0, 0]), opacity=opacity_of(np.ones(2), 4))
    unsure = one_pixel(codes=np.array([0, 0]), opacity=opacity_of(np.full(2, 0.25), 4))
    assert unsure[3] == pytest.approx(FAINTEST * sure[3], abs=1)


def test_what_is_set_aside_lies_under_what_is_meant():
    pixel = one_pixel(codes=np.array([0, 1]), shown=np.array([True, False]))
    assert pixel[0] > 200 and pixel[2] < 60


def test_the_ground_is_transparent_and_the_first_row_is_the_highest_y():
    image = shade(np.array([[0.05, 0.95]], np.float32), RED_AND_BLUE, UNIT, (10, 10), radius=0.5)
    assert image[0, 0, 3] > 0 and image[1:, 1:, 3].max() == 0


def test_a_picture_survives_its_small_palette():
    rng = np.random.default_rng(0)
    image = shade(
        rng.random((400, 2), np.float32), RED_AND_BLUE, UNIT, (60, 40), codes=np.zeros(400, int)
    )
    again = np.array(Image.open(io.BytesIO(to_png(image))).convert("RGBA"))
    seen = image[..., 3] > 128
    assert np.abs(again.astype(int) - image)[seen].max() < 24


def test_a_lasso_takes_what_lies_inside():
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    points = np.array([[0.5, 0.5], [1.5, 0.5], [0.1, 0.9], [-0.1, 0.2]], np.float32)
    assert inside(points, square).tolist() == [True, False, True, False]


def test_a_picture_asked_for_by_many_tabs_is_made_once():
    rendered, wait, got = Rendered(), threading.Event(), []

    def make():
        wait.wait(2)
        return "picture"

    tabs = [threading.Thread(target=lambda: got.append(rendered.get("k", make))) for _ in range(5)]
    for tab in tabs:
        tab.start()
    wait.set()
    for tab in tabs:
        tab.join()
    assert got == ["picture"] * 5 and rendered.made == 1


def test_a_flipped_map_is_turned_back():
    rng = np.random.default_rng(1)
    before = rng.normal(size=(50, 2)).astype(np.float32)
    flipped = before @ np.array([[0.0, 1.0], [1.0, 0.0]]) + 3
    turn, here, there = turn_onto(flipped, before)
    np.testing.assert_allclose((flipped - here) @ turn + there, before, atol=1e-5)


def test_axes_hold_still_until_the_map_outgrows_them():
    square = np.array([[0.0, 0.0], [1.0, 1.0]], np.float32)
    first = eased(None, square)
    assert eased(first, 0.9 * square + 0.05) == first
    grown = eased(first, 2 * square)
    assert grown[0] <= 0 and grown[1] >= 2


@pytest.mark.parametrize("theme", ["default", "dark"])
def test_every_colour_is_seen_in_both_themes(theme):
    colors = [*for_theme(category_colors(40), theme)]
    assert min(contrast(c, BACKGROUND[theme]) for c in colors) >= 1.5
    ramp = [contrast(c, BACKGROUND[theme]) for c in value_ramp(theme)]
    assert min(ramp) >= 1.25
