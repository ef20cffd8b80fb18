"""Where one begins: cards that can be read, in windows of the usual sizes."""

import pytest
from playwright.sync_api import expect

from diffbio_engine.pipelines import presets

CUT = "e => e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1"


@pytest.mark.parametrize("width, height", [(1440, 900), (1920, 1080), (1280, 720)])
def test_cards_of_ready_pipelines_are_whole_and_lie_over_nothing(tab, width, height):
    size = tab.viewport_size
    tab.set_viewport_size({"width": width, "height": height})
    try:
        cards = tab.locator(".welcome.begin .ready .start")
        expect(cards).to_have_count(len(presets()))
        canvas = tab.locator(".react-flow__pane").bounding_box()
        for box in (card.bounding_box() for card in cards.all()):
            assert canvas["x"] <= box["x"] and canvas["y"] <= box["y"]
            assert box["x"] + box["width"] <= canvas["x"] + canvas["width"]
            assert box["y"] + box["height"] <= canvas["y"] + canvas["height"]
        assert not [c.inner_text() for c in cards.locator("b, i").all() if c.evaluate(CUT)]
        # Nothing to zoom: the buttons that would lie beneath the cards are not there.
        expect(tab.locator(".react-flow__controls")).to_be_hidden()
    finally:
        tab.set_viewport_size(size)


def test_cards_drawn_anew_while_a_block_is_carried_do_not_catch_it(tab):
    cards = tab.locator(".welcome.begin")
    expect(cards).to_have_count(1)
    tab.drag_and_drop(
        "[data-operator='singlecell.soft_kmeans']", ".react-flow__pane",
        source_position={"x": 60, "y": 20}, target_position={"x": 420, "y": 60},
    )  # fmt: skip
    expect(cards).to_have_count(0)
    tab.evaluate("document.dispatchEvent(new CustomEvent('diffbio:lifted'))")
    tab.keyboard.press("Control+z")
    expect(tab.locator(".welcome.begin.aside")).to_have_count(1)
    assert tab.locator(".start").first.evaluate("e => getComputedStyle(e).pointerEvents") == "none"
    tab.evaluate("document.dispatchEvent(new CustomEvent('diffbio:let-go'))")
    expect(cards).to_have_count(1)
    expect(tab.locator(".welcome.begin.aside")).to_have_count(0)
