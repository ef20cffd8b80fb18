"""Bulk differential expression: counts and design dropped together, to the table that goes home."""

import re

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import expect

from tests.browser.downloaded_files import saved_results
from tests.browser.test_drops import Hand
from tests.browser.user_actions import look_closely

# As few genes as are still taken for bulk samples by themselves.
N_GENES = 5_000
# Of all that the page sends, the longest part so far.
WEIGH = """() => {
  const send = WebSocket.prototype.send
  window.longest = 0
  WebSocket.prototype.send = function (part) {
    window.longest = Math.max(window.longest, part.length ?? part.byteLength)
    return send.call(this, part)
  }
}"""


def two_files(shared_data, folder):
    """Every sixth gene of airway, and the design with its samples in another order."""
    bulk = shared_data / "omics" / "bulk"
    counts = pd.read_csv(bulk / "airway_counts.csv.gz", index_col=0)
    rows = np.linspace(0, len(counts) - 1, N_GENES).astype(int)
    counts.iloc[rows].to_csv(folder / "airway_counts.csv.gz")
    design = pd.read_csv(bulk / "airway_design.csv")
    design.iloc[::-1].to_csv(folder / "airway_design.csv", index=False)
    golden = pd.read_csv(bulk.parent / "golden" / "airway_deseq2.csv.gz", index_col=0)
    return [folder / "airway_counts.csv.gz", folder / "airway_design.csv"], golden


@pytest.mark.usefixtures("compiled_in_haste")
def test_counts_and_a_design_become_a_table_of_genes(
    tab, shared_data, tmp_path, eventually, served
):
    tab.set_viewport_size({"width": 1366, "height": 768})
    files, golden = two_files(shared_data, tmp_path)
    Hand(tab).drop(".header .name", files)
    look = tab.locator(".look")
    expect(look).to_contain_text("8 of 8 samples found in airway_design.csv")
    written = look.locator("input[aria-label='Design']")
    expect(written).to_have_value('~ cell + relevel(dex, ref="control")')
    expect(look).to_contain_text("Compares dex treated against control. Accounted for: cell.")
    written.scroll_into_view_if_needed()
    look_closely(tab, "de-design")
    reference = look.locator("select[aria-label='Reference level of dex']")
    reference.select_option(label="treated")
    expect(look).to_contain_text("Compares dex control against treated")
    written.fill("~ cells + dex")
    written.press("Enter")
    expect(look.locator(".wrong")).to_contain_text("Did you mean")
    expect(look.locator("button.use")).to_be_disabled()
    look_closely(tab, "de-wrong")
    look.locator(".proposed button").first.click()
    expect(written).to_have_value('~ cell + relevel(dex, ref="control")')
    genes = look.get_by_label("Normalise by these genes", exact=True)
    genes.fill("ENSG00000*, nosuch")
    genes.press("Enter")
    expect(look).to_contain_text("1 of 2 names and patterns are found: 5,000 of 5,000 genes.")
    genes.scroll_into_view_if_needed()
    look_closely(tab, "de-named")
    look.locator("button.use").click()
    expect(look).to_be_hidden()
    tab.get_by_role("button", name="ready pipeline", exact=True).click()
    tab.locator(".pipelines .start", has_text="Differential expression (bulk)").click()
    expect(tab.locator(".react-flow__node")).to_have_count(2)
    expect(tab.locator(".react-flow__edge")).to_have_count(3)
    look_closely(tab, "de-canvas")
    tab.evaluate(WEIGH)
    tab.locator("[data-do=run]").click()
    expect(tab.locator("[data-state=done]")).to_be_visible(timeout=180_000)
    expect(tab.get_by_text("Estimated in one pass: nothing to train")).to_be_visible()
    look_closely(tab, "de-page")
    # Beside the losses the list of results stands above them, and no column of DESeq2's is cut off.
    beside, cells = tab.locator("table:visible").first, tab.locator("thead th:visible")
    expect(cells.nth(6)).to_contain_text("padj")
    scroll = beside.evaluate("e => e.parentElement.getBoundingClientRect().right")
    assert cells.nth(6).evaluate("e => e.getBoundingClientRect().right") <= scroll
    tab.locator("table:visible").first.scroll_into_view_if_needed()
    look_closely(tab, "de-page-table")
    tab.locator(".header [data-show=findings]").click()
    desk = tab.locator("[role=dialog] .findings")
    expect(desk.locator("h3")).to_contain_text("dex treated vs control")
    expect(desk.locator("canvas")).to_have_count(3)
    expect(desk.locator(".one-gene circle")).to_have_count(8)
    assert desk.bounding_box()["width"] > 1000  # as wide as a dialog can be
    look_closely(tab, "de-results")
    search = desk.get_by_label("Search the table")
    sure = golden.reindex(pd.read_csv(files[0], index_col=0).index).padj.idxmin()
    search.fill(sure[-6:])
    desk.locator("tbody .gene", has_text=sure).click()
    expect(desk.locator("tr.chosen")).to_contain_text(sure)
    expect(desk.locator(".one-gene h4")).to_have_text(sure)
    expect(desk.locator(".one-gene circle")).to_have_count(8)
    expect(desk.locator(".one-gene")).to_contain_text("divided by size factors, by dex")
    search.fill("")
    points = desk.locator("canvas[aria-label^=MA]")
    box = points.bounding_box()
    before = desk.locator(".one-gene h4").inner_text()
    points.click(position={"x": box["width"] / 2, "y": box["height"] / 2 - 16})
    expect(desk.locator(".one-gene h4")).not_to_have_text(before)
    # Far down in the order it stands apart, under the heads, with its place in the order.
    expect(desk.locator("tr.chosen")).to_be_visible()
    desk.locator("th button", has_text="baseMean").click()
    expect(desk.locator("thead tr.chosen")).to_have_attribute("title", re.compile("of 5,000"))
    look_closely(tab, "de-chosen")
    # Another comparison of the same estimate, by name, without a run.
    desk.get_by_label("Compared", exact=True).select_option(label="cell")
    expect(desk.locator("h3")).to_contain_text("cell N061011 against N052611")
    desk.get_by_label("Against", exact=True).select_option(label="N080611")
    expect(desk.locator("h3")).to_contain_text("cell N061011 against N080611")
    expect(desk.get_by_label("Against", exact=True)).to_have_value("N080611")
    expect(desk.locator(".one-gene")).to_contain_text("divided by size factors, by cell")
    look_closely(tab, "de-compared")
    # What came from the server is named, not sent back with all its rows.
    assert 0 < tab.evaluate("longest") < 10_000
    tab.keyboard.press("Escape")
    (there,) = saved_results(tab, tmp_path, "Genes (CSV)").values()
    home = pd.read_csv(there, index_col="gene")
    assert list(home)[:6] == ["baseMean", "log2FoldChange", "lfcSE", "stat", "pvalue", "padj"]
    both = home.join(golden, rsuffix="_deseq2", how="inner").query("baseMean > 10")
    assert len(both) > 1_000 and both[["stat", "stat_deseq2"]].corr().iloc[0, 1] > 0.99
