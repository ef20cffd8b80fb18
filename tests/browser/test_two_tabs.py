"""Two windows of one person with the same pipeline, and the way back to what was saved earlier."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Watch, new_page, open_app

KMEANS, VAE = "singlecell.soft_kmeans", "normalization.vae_normalizer"


@pytest.fixture
def both(page, served, browser, eventually):
    """A window in which a pipeline is edited, and a second browser with the same one."""
    served.forget_tabs()
    open_app(page, served)
    first = served.session
    first.later(lambda: first.document.add_block(VAE))
    eventually(lambda: first.document.spec.blocks and first.document.saved == "saved")
    watch = Watch(served.url.rsplit("/", 1)[0])
    other = new_page(browser, watch)
    open_app(other, served)
    yield page, other, first, served.session
    other.context.close()
    watch.judge()


def blocks(page):
    return page.locator(".react-flow__node.block:not(.data)")


def test_a_second_browser_looks_on_takes_over_and_goes_back_to_an_earlier_version(both, eventually):
    page, other, first, second = both
    expect(other.locator(".saved.elsewhere")).to_contain_text("Read-only")
    expect(page.locator(".take-over")).to_be_hidden()
    page.locator(f"[data-operator='{KMEANS}']").dblclick()
    expect(blocks(other)).to_have_count(2)  # it sees what the first one does

    other.locator(f"[data-operator='{KMEANS}']").dblclick()
    expect(other.locator(".toast").first).to_contain_text("Take over")
    block = blocks(other).first
    before = block.bounding_box()
    block.hover(position={"x": 60, "y": 14})
    other.mouse.down()
    other.mouse.move(before["x"] + 160, before["y"] + 90, steps=5)
    other.mouse.up()
    eventually(lambda: abs(blocks(other).first.bounding_box()["x"] - before["x"]) < 2)
    assert second.document.spec is first.document.spec

    other.locator(".take-over").click()
    expect(other.locator(".take-over")).to_be_hidden()
    expect(page.locator(".take-over")).to_be_visible()
    expect(page.locator(".toast").first).to_contain_text("Nothing is lost")
    other.keyboard.press("Control+z")
    expect(blocks(other)).to_have_count(1)
    expect(blocks(page)).to_have_count(1)
    eventually(lambda: second.document.saved == "saved")

    other.locator(".menu-button").click()
    other.get_by_role("menuitem", name="Saved pipelines").click()
    rows = other.locator(".version")
    expect(rows).to_have_count(3)
    expect(rows.nth(1)).to_contain_text("Add Soft k-means")
    rows.nth(1).get_by_role("button", name="Restore").click()
    expect(blocks(other)).to_have_count(2)
    expect(blocks(page)).to_have_count(2)
    assert second.document.undo_label.startswith("Go back to the version of")

    other.context.close()  # the window is closed: the first one edits again
    expect(page.locator(".take-over")).to_be_hidden()
    eventually(lambda: not first.document.read_only)
