"""A second data set, by mouse and with a real worker: a reference names the cells."""

import anndata
import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import open_app
from tests.browser.test_canvas import at_rest, block, drop, port, pull_wire
from tests.command_line.small_run import cells

ANNOTATE = "singlecell.cell_annotator"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Cells without a column of types, and an atlas with one."""
    folder = tmp_path_factory.mktemp("two")
    new = cells()
    new.obs = new.obs.rename(columns={"kind": "truth"})[["truth"]]
    new.obs["truth"] = new.obs["truth"].astype(str).map(lambda name: name[-1]).astype(int)
    new.write_h5ad(folder / "new_cells.h5ad")
    known = cells(n=90, seed=5)
    known.obs = known.obs.rename(columns={"kind": "cell_type"})
    known.write_h5ad(folder / "atlas.h5ad")
    return folder


def bring(page, file, button, told=""):
    """Brings a file in the data panel and uses it."""
    page.locator(".header button.data").click()
    page.locator(".data .drop input").set_input_files(file)
    expect(page.locator(".look h3")).to_have_text(file.name)
    if told:
        expect(page.locator(".look")).to_contain_text(told)
    page.get_by_role("button", name=button).click()
    expect(page.locator(".data .drop")).to_be_hidden()


def test_a_reference_is_put_on_the_canvas_chosen_kept_and_names_the_cells(
    page, served, eventually, files
):
    served.forget_tabs()
    open_app(page, served)
    session = eventually(lambda: served.session)
    bring(page, files / "new_cells.h5ad", "Use this data set")
    document = session.document
    drop(page, ANNOTATE, 620, 60)
    expect(block(page, "cell_annotator")).to_be_visible()
    drop(page, "reference", 300, 420)
    reference = block(page, "reference")
    expect(reference).to_be_visible()
    page.locator("button[data-do=fit]").click()
    at_rest(page, reference)
    target = port(page, "cell_annotator", "reference_profiles")
    pull_wire(page, port(page, "reference", "profiles"), target)
    eventually(lambda: any(w.source == "reference.profiles" for w in document.spec.wires))
    session.later(lambda: document.set_setting("cell_annotator", "annotation_mode", "singler"))
    eventually(lambda: document.spec.block("cell_annotator").config.get("annotation_mode"))
    assert session.hindrance == "Choose the reference first: a second data set."
    # Both are named, on the canvas and in the header.
    shared = "As reference: 3 types. 30 of 30 genes of the data are in the reference atlas.h5ad."
    bring(page, files / "atlas.h5ad", "Use as reference", shared)
    expect(page.locator("[data-do=run]")).to_be_enabled()
    expect(page.locator(".header button.data")).to_contain_text("new_cells.h5ad")
    expect(page.locator(".header button.data")).to_contain_text("reference: atlas.h5ad")
    setting = "node => getComputedStyle(node).getPropertyValue('--setting')"
    assert "atlas.h5ad" in reference.evaluate(setting)
    eventually(lambda: not session.document.problems)
    # Deleted with its wire, and brought back by undo.
    reference.click()
    expect(page.get_by_role("button", name="Choose data…")).to_be_visible()
    page.locator("button", has_text="Delete").first.click()
    expect(reference).to_have_count(0)
    eventually(lambda: document.spec.data_blocks == ("data",))
    page.locator(".react-flow__pane").click(position={"x": 20, "y": 20})
    page.keyboard.press("Control+z")
    expect(reference).to_be_visible()
    assert any(w.source == "reference.profiles" for w in document.spec.wires)
    eventually(lambda: document.saved == "saved")
    page.reload()
    page.wait_for_selector(".palette .item")
    expect(block(page, "reference")).to_be_visible()
    expect(page.locator(".header button.data")).to_contain_text("reference: atlas.h5ad")
    again = eventually(lambda: served.session if served.session is not session else None)
    eventually(lambda: not again.document.read_only and not again.hindrance)
    page.wait_for_timeout(1000)  # a change on its way to the canvas would swallow the click
    page.locator("[data-do=run]").click()
    expect(page.locator("[data-state=done]")).to_be_visible(timeout=240_000)
    folder = again.run.folder()
    result = anndata.read_h5ad(folder / "result.h5ad")
    named = result.obs["cell_type_diffbio"].astype(str).map(lambda name: name[-1]).astype(int)
    assert np.mean(named == result.obs["truth"]) > 0.95
