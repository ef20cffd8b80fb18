"""The help page that shows what temperature does, by mouse and keys."""

import numpy as np
from playwright.sync_api import expect

KMEANS = "singlecell.soft_kmeans"


def open_sheet(served):
    """The Python side of the sheet."""
    found = [
        view
        for by_what in served.session.param.watchers["theme"].values()
        for watcher in by_what
        if type(view := getattr(watcher.fn, "__self__", None)).__name__ == "Softness"
    ]
    return found[-1]


def drawn(sheet):
    return np.array(sheet.plot.value.renderers[1].data_source.data["smooth"])


def ink(page):
    return page.locator(".sheet .curves").screenshot()


def test_the_softness_slider_moves_the_curves_and_nothing_on_the_canvas_is_lost(
    tab, served, eventually
):
    tab.drag_and_drop(
        f"[data-operator='{KMEANS}']", ".react-flow__pane",
        source_position={"x": 60, "y": 20}, target_position={"x": 420, "y": 80},
    )  # fmt: skip
    session = served.session
    eventually(lambda: session.document.spec.blocks)
    before = session.export_json()

    # From the header, and from the dials of the run.
    tab.get_by_role("button", name="Help", exact=True).click()
    expect(tab.locator(".sheet")).to_be_visible()
    tab.keyboard.press("Escape")
    expect(tab.locator(".sheet")).to_have_count(0)
    tab.get_by_text("What does temperature do?").click()
    expect(tab.locator(".sheet h3")).to_have_text("Step: is it above 0?")

    tab.locator(".sheet .list button[data-name=argmax]").click()
    expect(tab.locator(".sheet h3")).to_have_text("Which is the largest?")
    expect(tab.locator(".sheet .is-warm")).to_contain_text("Soft k-means")
    expect(tab.locator(".sheet .mode")).to_have_count(5)
    sheet = open_sheet(served)
    eventually(lambda: sheet._taken == "argmax" and not sheet.sheet.busy and drawn(sheet).size, 60)
    cold, seen = drawn(sheet), ink(tab)
    for key in ("Delete", "Shift+A", "Control+z"):  # keys of the canvas, while a dialog is open
        tab.keyboard.press(key)

    slider = tab.get_by_label("Temperature (softness)", exact=False).first.bounding_box()
    y = slider["y"] + slider["height"] / 2
    tab.mouse.move(slider["x"] + slider["width"] / 2, y)
    tab.mouse.down()
    tab.mouse.move(slider["x"] + 0.95 * slider["width"], y, steps=12)
    tab.mouse.up()
    eventually(lambda: sheet.sheet.softness > 4 and not sheet._under_way)
    # So hot that all five share alike, wherever x stands; the page has redrawn it.
    np.testing.assert_allclose(drawn(sheet), 0.2, atol=0.04)
    assert np.ptp(cold) > 0.7
    eventually(lambda: ink(tab) != seen)
    expect(tab.locator(".sheet .is-warm")).to_have_class("is-warm now")

    tab.locator(".sheet .mode[data-mode=smooth]").click()
    eventually(lambda: not sheet.plot.value.renderers[1].visible)
    tab.keyboard.press("Escape")
    expect(tab.locator(".sheet")).to_have_count(0)
    assert session.showing == "" and session.export_json() == before
    expect(tab.locator(".react-flow__node[data-id=soft_kmeans]")).to_be_visible()
