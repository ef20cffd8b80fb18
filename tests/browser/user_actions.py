"""What a hand does on the page, and what an eye and a look into the run's folder find."""

import io
import json
import os

import numpy as np
from PIL import Image
from playwright.sync_api import expect


def upload(page, file):
    page.locator("button.data").click()
    page.locator(".drop input[type=file]").set_input_files(file)
    look = page.locator(".look")
    expect(look.locator(".facts")).to_contain_text("2,138")
    expect(look).to_contain_text("X holds raw counts")
    expect(look.locator(".columns")).to_contain_text("cell_type")
    look.locator("button.use").click()
    expect(look).to_be_hidden()
    expect(page.locator("button.data b")).to_have_text(file.name)


def port(page, block, name):
    return page.locator(f".react-flow__handle[data-nodeid='{block}'][data-handleid='{name}']")


def still(page, thing):
    """Waits until the canvas has come to rest: half a second in which nothing moved.

    Shorter is too short: the server may ask for a move that has not begun yet.
    """
    before, rested = None, 0
    for _ in range(200):
        now = thing.bounding_box()
        rested = rested + 1 if now == before else 0
        if rested == 5:
            return
        before = now
        page.wait_for_timeout(100)
    raise AssertionError("the canvas did not come to rest")


def pull_wire(page, source, target):
    still(page, target)
    source.hover()  # waits until the port itself lies under the mouse, not the block's edge
    page.mouse.down()
    b = target.bounding_box()
    page.mouse.move(b["x"] - 30, b["y"] - 10, steps=6)
    page.mouse.move(b["x"] + b["width"] / 2, b["y"] + b["height"] / 2, steps=6)
    page.wait_for_selector(".react-flow__handle.connectingto, .react-flow__handle.valid")
    page.mouse.up()


def lasso(page, share=0.98):
    """Draws an ellipse that nearly fills the map, or a share of it."""
    box = page.locator(".stage").bounding_box()
    half = np.array([box["width"], box["height"]]) / 2
    turns = np.linspace(0, 2 * np.pi, 41)
    circle = np.clip(1.4 * np.column_stack([np.cos(turns), np.sin(turns)]), -1, 1)
    places = (np.array([box["x"], box["y"]]) + half + share * half * circle).tolist()
    page.get_by_role("button", name="Lasso").click()
    expect(page.get_by_role("button", name="Lasso")).to_have_attribute("aria-pressed", "true")
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place)
    page.mouse.up()


def look_closely(page, name):
    """A picture for somebody's eyes, where SCREENSHOTS says so."""
    if folder := os.environ.get("SCREENSHOTS"):
        page.wait_for_timeout(800)
        page.screenshot(path=f"{folder}/{name}.png")


def picture(page):
    """The map as a person sees it."""
    shot = page.screenshot(clip=page.locator(".stage").bounding_box())
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"), np.int16)


def differing(one, other):
    """The share of pixels that differ visibly; of two sizes, all."""
    return 1.0 if one.shape != other.shape else float((abs(one - other).max(2) > 24).mean())


def events(folder):
    lines = (folder / "events.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines if line.endswith("}")]


def status(folder):
    return json.loads((folder / "status.json").read_text())
