"""Files that are dropped on the page, by real drag events of the browser."""

import anndata
import numpy as np
import pytest
from playwright.sync_api import expect

ROOM = {
    "canvas": ".react-flow__pane",
    "map": ".stage",
    "header": ".header .name",
    "palette": ".palette .list",
}


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Two tables of counts, a folder with a matrix of 10x, and one in which there is nothing."""
    folder = tmp_path_factory.mktemp("dropped")
    counts = np.random.default_rng(0).poisson(2.0, (12, 6))
    genes = [f"GENE{j}" for j in range(counts.shape[1])]
    for name in ("first", "second"):
        lines = [",".join(["", *genes])]
        lines += [",".join([f"{name}{i}", *map(str, row)]) for i, row in enumerate(counts)]
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    (folder / "empty").mkdir()
    tenx = folder / "outer" / "sample_a"
    tenx.mkdir(parents=True)
    at = np.argwhere(counts.T)
    entries = [f"{i + 1} {j + 1} {counts[j, i]}" for i, j in at]
    head = ["%%MatrixMarket matrix coordinate integer general", f"6 12 {len(at)}"]
    (tenx / "matrix.mtx").write_text("\n".join(head + entries) + "\n")
    (tenx / "barcodes.tsv").write_text("".join(f"AAAC{i}-1\n" for i in range(12)))
    rows = "".join(f"ENSG{j:011d}\t{g}\tGene Expression\n" for j, g in enumerate(genes))
    (tenx / "features.tsv").write_text(rows)
    return folder


class Hand:
    """Drags something of the desktop over the page."""

    def __init__(self, page):
        self.page, self.cdp = page, page.context.new_cdp_session(page)

    def tell(self, kind, place, files=(), text=""):
        items = [{"mimeType": "text/plain", "data": text}] if text else []
        data = {"items": items, "files": [str(f) for f in files], "dragOperationsMask": 1}
        box = self.page.locator(place).first.bounding_box()
        at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        self.cdp.send("Input.dispatchDragEvent", {"type": kind, **at, "data": data})

    def drop(self, place, files=(), text=""):
        for kind in ("dragEnter", "dragOver", "drop"):
            self.tell(kind, place, files, text)


def veil(page):
    return page.locator(".veil")


def seen(page, name):
    expect(page.locator(".look h3")).to_have_text(name)
    expect(page.locator(".look .facts")).to_contain_text("12")
    expect(veil(page)).to_be_hidden()
    expect(page.locator(".upload")).to_have_count(0)


def closed(page):
    page.keyboard.press("Escape")
    expect(page.locator(".data .drop")).to_be_hidden()


# Over the canvas and the header others let go.
@pytest.mark.parametrize("room", ["map", "palette"])
def test_a_file_dropped_anywhere_is_taken_and_the_veil_goes(tab, tables, room):
    hand = Hand(tab)
    hand.tell("dragEnter", ROOM[room], [tables / "first.csv"])
    hand.tell("dragOver", ROOM[room], [tables / "first.csv"])
    expect(veil(tab)).to_be_visible()
    hand.tell("drop", ROOM[room], [tables / "first.csv"])
    seen(tab, "first.csv")
    closed(tab)


def test_the_drop_box_takes_files_and_folders_and_leaves_the_page_free(tab, tables):
    hand = Hand(tab)
    tab.locator("button.data").click()
    hand.drop(".drop", [tables / "second.csv"])
    seen(tab, "second.csv")
    hand.drop(".drop", [tables / "outer"])
    seen(tab, "sample_a.zip")
    closed(tab)
    tab.locator("button.data").click()  # the page answers: no sheet lies over it
    expect(tab.locator(".drop")).to_be_visible()
    closed(tab)


def test_a_folder_or_several_files_dropped_on_the_canvas_arrive_whole(
    tab, tables, served, eventually
):
    def arrived():
        return len(served.session.store.datasets("local"))

    hand, before = Hand(tab), arrived()
    hand.drop(ROOM["canvas"], [tables / "outer"])
    eventually(lambda: arrived() == before + 1)
    seen(tab, "sample_a.zip")
    hand.drop(ROOM["header"], [tables / "first.csv", tables / "second.csv"])
    eventually(lambda: arrived() == before + 3)
    # Several at once are taken for samples of one data set; each can be opened by itself.
    expect(tab.locator(".samples .good .mark")).to_have_count(2)
    tab.locator(".samples .acts button").nth(2).click()
    seen(tab, "second.csv")
    tab.locator(".look .back").click()
    tab.locator(".look footer .apply").click()
    expect(tab.locator(".samples")).to_have_count(0)
    closed(tab)


def test_a_folder_of_very_many_files_arrives_with_the_hidden_ones_of_its_arrays(
    tab, tmp_path, monkeypatch
):
    monkeypatch.setattr(anndata.settings, "zarr_write_format", 2)
    counts = np.arange(1, 121, dtype=np.float32).reshape(12, 10)
    anndata.AnnData(counts).write_zarr(tmp_path / "store.zarr", chunks=(1, 1))
    assert len([f for f in (tmp_path / "store.zarr").rglob("*") if f.is_file()]) > 120
    Hand(tab).drop(ROOM["canvas"], [tmp_path / "store.zarr"])
    seen(tab, "store.zip")
    closed(tab)


def test_what_holds_no_file_is_refused_in_words_and_text_is_left_alone(tab, tables):
    hand = Hand(tab)
    hand.drop(ROOM["canvas"], [tables / "empty"])
    expect(tab.locator(".toast").first).to_contain_text("There is no file in what was dropped")
    expect(veil(tab)).to_be_hidden()
    hand.drop(ROOM["canvas"], text="some words")
    expect(veil(tab)).to_be_hidden()
    expect(tab.locator(".drop")).to_be_hidden()


def test_a_drag_that_leaves_the_page_or_is_given_up_leaves_no_veil(tab, tables):
    hand = Hand(tab)
    for end in ("dragCancel", None):
        hand.tell("dragEnter", ROOM["canvas"], [tables / "first.csv"])
        hand.tell("dragOver", ROOM["canvas"], [tables / "first.csv"])
        expect(veil(tab)).to_be_visible()
        if end:
            hand.tell(end, ROOM["canvas"], [tables / "first.csv"])
        expect(veil(tab)).to_be_hidden()
