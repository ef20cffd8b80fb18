"""How a file is read is changed where it is shown; folders of several samples arrive whole."""

import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.test_drops import Hand, closed

sys.path.insert(0, str(Path(__file__).parents[1] / "data"))
import layouts


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A table that could be either way round, and a folder of two runs of kallisto-bustools."""
    folder = tmp_path_factory.mktemp("read")
    genes = [f"AT1G{1010 + 10 * i:05d}" for i in range(9)]
    rows = [",".join([g, *(str((i * j) % 5) for j in range(6))]) for i, g in enumerate(genes)]
    head = ",".join(["", *(f"leaf{j}" for j in range(6))])
    (folder / "leaves.csv").write_text("\n".join([head, *rows]) + "\n")
    for name in ("s1", "s2"):
        layouts.kallisto(folder / "plate" / name)
        (folder / "plate" / name / "output.bus").write_bytes(b"reads nobody means to bring")
    return folder


def facts(page):
    return page.locator(".look .facts")


def test_the_way_round_is_changed_in_the_preview_and_kept_in_use(tab, files, served):
    Hand(tab).drop(".react-flow__pane", [files / "leaves.csv"])
    look = tab.locator(".look")
    expect(look.locator("h3")).to_have_text("leaves.csv")
    expect(facts(tab)).to_contain_text("6cells9genes")
    expect(look).to_contain_text("rows are named like genes")
    look.get_by_label("Which way round").select_option("cells in rows")
    expect(facts(tab)).to_contain_text("9cells6genes")
    look.locator("button.use").click()
    expect(look).to_be_hidden()
    assert served.session.data.card.reading == {"orientation": "cells in rows"}
    tab.locator("button.data").click()
    look.get_by_label("Which way round").select_option("genes in rows")
    expect(facts(tab)).to_contain_text("6cells9genes")
    closed(tab)


def test_a_folder_of_several_samples_is_one_data_set_with_their_names(tab, files):
    Hand(tab).drop(".react-flow__pane", [files / "plate"])
    look = tab.locator(".look")
    expect(look.locator("h3")).to_have_text("plate.zip")
    expect(facts(tab)).to_contain_text("80cells12genes")
    expect(look).to_contain_text("Samples: s1 (40 cells), s2 (40 cells)")
    closed(tab)
