"""Nothing is cut off in a small window, and the map has room."""

import json
import shutil

import numpy as np
import pytest
from playwright.sync_api import expect

from diffbio_engine.pipelines import presets
from diffbio_engine.pipelines.spec import Block, PipelineSpec
from diffbio_engine.runs import RunFolder
from diffbio_engine.runs.folder.metrics import MetricsWriter

KMEANS = "singlecell.soft_kmeans"
CUT = "e => e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1"


@pytest.fixture
def small(tab):
    """The window of a small laptop."""
    size = tab.viewport_size
    tab.set_viewport_size({"width": 1366, "height": 768})
    yield tab
    tab.set_viewport_size(size)


def tell(served, **params):
    session = served.session
    session.later(lambda: session.param.update(**params))


def told_by_others(served, **params):
    document = served.session.document
    served.session.later(lambda: document.param.update(**params))


def told_by_a_run(served, **params):
    run = served.session.run
    served.session.later(lambda: run.param.update(**params))


def map_box(page):
    """From the line above the map to its timeline, with the legend."""
    bar = page.locator(".bar:has(.colour)").bounding_box()
    foot = page.locator(".timeline").bounding_box()
    return bar["x"], bar["y"], bar["width"], foot["y"] + foot["height"] - bar["y"]


def bar_beside(page, part):
    return page.get_by_role("separator", name=f"Size of: {part}")


def test_the_map_has_the_window_where_it_is_the_point_and_each_part_is_as_large_as_one_wants(
    small, served, eventually
):
    session, plot = served.session, small.locator(".stage")
    spec = PipelineSpec("Mine", blocks=(Block("umap", "normalization.umap"),))  # draws a map
    session.later(lambda: session.document.open_pipeline(spec))
    expect(small.locator(".react-flow__node.block:not(.data)")).to_have_count(1)
    small.locator(".react-flow__node.block:not(.data)").click()
    eventually(lambda: session.document.selected_block == "umap")
    told_by_a_run(served, state="running")
    small.locator("[data-layout=explore]").click()
    eventually(lambda: plot.bounding_box()["width"] >= 800 and plot.bounding_box()["height"] >= 560)
    assert session.layout == "explore"
    expect(bar_beside(small, "Canvas")).to_have_attribute("aria-valuetext", "folded away")
    small.keyboard.press("Delete")  # nothing that cannot be seen
    small.keyboard.press("f")
    eventually(lambda: map_box(small) == (0, 0, 1366, 768))
    small.keyboard.press("Escape")
    eventually(lambda: map_box(small)[1] > 100)
    # Folded parts come back by what is written where they lie, also of this layout alone.
    small.get_by_role("button", name="Show: Losses").click()
    eventually(lambda: small.locator(".losses-beside").bounding_box()["width"] >= 300)
    small.keyboard.press("3")
    expect(small.locator(".lines", has_text="Learning rate").first).to_be_visible()
    losses = bar_beside(small, "Losses")
    usual, at = int(losses.get_attribute("aria-valuenow")), losses.bounding_box()
    small.mouse.move(at["x"] + 3, at["y"] + 90)
    small.mouse.down()
    small.mouse.move(at["x"] + 83, at["y"] + 90, steps=4)
    small.mouse.up()
    expect(losses).to_have_attribute("aria-valuenow", str(usual - 80))
    losses.press("ArrowLeft")
    expect(losses).to_have_attribute("aria-valuenow", str(usual - 80 + 24))
    # The plot itself has followed, not only the box around it.
    width = "() => Bokeh.documents[0].get_model_by_name('map').outer_width"
    eventually(lambda: abs(small.evaluate(width) - plot.bounding_box()["width"]) <= 1)
    assert session.document.spec.blocks

    small.reload()
    again = bar_beside(small, "Losses")
    expect(again).to_have_attribute("aria-valuenow", str(usual - 80 + 24))
    eventually(lambda: served.session is not session and served.session.layout == "train")
    again.dblclick()
    expect(again).to_have_attribute("aria-valuenow", str(usual))
    again.press("Enter")
    expect(again).to_have_attribute("aria-valuetext", "folded away")
    again.press("Enter")
    small.keyboard.press("/")  # who searches a block builds
    expect(small.locator(".palette input")).to_be_focused()
    assert served.session.layout == "build"


def test_a_ready_pipeline_is_fitted_into_view_also_over_one_with_the_same_blocks(
    small, served, eventually
):
    session = served.session
    preset = next(iter(presets().values())).make(None)
    near = PipelineSpec("Near", blocks=preset.blocks[:1], layout={preset.blocks[0].id: (0, 0)})
    session.later(lambda: session.document.restore(near))
    expect(small.locator(".react-flow__node.block:not(.data)")).to_have_count(1)
    session.later(lambda: session.document.open_pipeline(preset))
    nodes = small.locator(".react-flow__node.block")
    expect(nodes).to_have_count(1 + len(preset.blocks))
    pane = small.locator(".react-flow__pane").bounding_box()

    def inside():
        boxes = [n.bounding_box() for n in nodes.all()]
        return all(
            pane["x"] <= b["x"]
            and b["x"] + b["width"] <= pane["x"] + pane["width"]
            and pane["y"] <= b["y"]
            and b["y"] + b["height"] <= pane["y"] + pane["height"]
            for b in boxes
        )

    eventually(inside)


def test_a_name_is_found_before_what_is_said_of_others(tab):
    search = tab.locator(".palette input")
    for asked, first in (("umap", "UMAP"), ("harmony", "Harmony batch correction")):
        search.fill(asked)
        expect(tab.locator(".palette .item b").first).to_have_text(first)
    search.fill("")


def test_a_tab_that_looks_on_keeps_its_whole_header_in_a_small_window(small, served):
    long = PipelineSpec("Cells of the second donor, of all days", blocks=(Block("k", KMEANS),))
    served.session.later(lambda: served.session.document.restore(long))
    expect(small.locator(".header .name")).to_have_value(long.name)
    told_by_others(served, read_only=True)
    expect(small.locator(".take-over")).to_be_visible()
    expect(small.locator(".saved")).to_contain_text("Read-only")
    title, name = small.locator(".header .title"), small.locator(".header .name")
    assert title.bounding_box()["x"] + title.bounding_box()["width"] <= name.bounding_box()["x"]
    for last in (".header .theme", ".header [data-show=shortcuts]"):
        box = small.locator(last).bounding_box()
        assert box["x"] + box["width"] < 1366, last
    # Nothing has to be scrolled there, and no bar of it is seen.
    dials = small.locator(".lines", has_text="Learning rate").first
    bars = """e => { for (let at = e; at; at = at.parentElement ?? at.getRootNode().host)
        if (getComputedStyle(at).overflowY === "scroll") return true
        return false }"""
    assert not dials.evaluate(bars)
    told_by_others(served, read_only=False)


def test_what_is_said_is_whole_and_lies_over_dialogs(small, served):
    session = served.session
    spec = PipelineSpec("P", blocks=(Block("k", KMEANS),))
    session.later(lambda: session.document.restore(spec))
    expect(small.locator(".react-flow__node.block:not(.data)")).to_have_count(1)
    small.locator("summary", has_text="Next run").click()
    told_by_a_run(served, state="running", message="Fitting Count autoencoder (scVI) to the data")
    expect(small.locator(".chip b")).to_have_text("Training")
    for name in ("steps", "batch_size", "seed"):
        label = small.locator(f"[data-setting={name}] .label")
        assert not label.evaluate(CUT), name
    assert not small.locator(".chip b").evaluate(CUT)
    assert not small.locator(".message").evaluate(CUT)
    tell(served, showing="exports")
    expect(small.get_by_role("dialog")).to_be_visible()
    session.later(lambda: session.say("Said while a dialog is open", "warning"))
    toast = small.locator(".toast", has_text="while a dialog")
    expect(toast).to_be_visible()
    on_top = """e => {
        const { x, y, width, height } = e.getBoundingClientRect()
        let found = document.elementFromPoint(x + width / 2, y + height / 2)
        while (found?.shadowRoot) {
            const inner = found.shadowRoot.elementFromPoint(x + width / 2, y + height / 2)
            if (!inner || inner === found) break
            found = inner
        }
        return e.contains(found)
    }"""
    assert toast.evaluate(on_top)
    tell(served, showing="")
    told_by_a_run(served, state="", message="")


LOSSES = ("total", "vae.reconstruction_loss", "vae.kl_loss", "groups.clustering_loss",
          "umap.umap_loss", "vae.batch_mixing_loss")  # fmt: skip


@pytest.fixture
def stopped(served):
    """A run of another pipeline that was stopped at step 77 and can go on."""
    spec = PipelineSpec("Cells of the second donor", blocks=(Block("groups", KMEANS),))
    run = {"owner": "local", "pipeline": spec.to_json(), "title": "T", "dataset": {"name": "d"}}
    folder = RunFolder.create(served.data_dir / "runs" / "looked-at", run)
    status = {"state": "stopped", "step": 77, "total_steps": 100, "attempt": 1}
    folder.status_file.write_text(json.dumps(status))
    folder.checkpoints.mkdir()
    (folder.checkpoints / "000000077.safetensors").touch()
    metrics = MetricsWriter(folder.path, 1, LOSSES, 0)
    metrics.add_rows(np.arange(1, 78), np.random.default_rng(0).random((77, len(LOSSES))))
    metrics.close()
    yield folder.path.name
    shutil.rmtree(folder.path)


def lowest(things):
    return max(b["y"] + b["height"] for b in (t.bounding_box() for t in things.all()))


def test_a_run_that_is_looked_at_says_what_it_is_and_names_its_losses_in_whole(
    small, served, stopped, eventually
):
    session = served.session
    session.later(
        lambda: session.document.restore(PipelineSpec("Mine", blocks=(Block("k", KMEANS),)))
    )
    session.later(lambda: session.watch_run(stopped))
    status = small.locator("[data-state=stopped] .status")
    expect(status.locator(".chip")).to_contain_text("Run of Cells")
    expect(status.locator("[data-do=onward]")).to_be_visible()
    chips = small.locator(".losses-beside .chip")
    expect(chips).to_have_count(len(LOSSES))
    curves = small.locator(".losses-beside canvas").first
    room = status.bounding_box()
    parts = [e for e in status.locator("> *").all() if e.is_visible()]
    boxes = sorted((e.bounding_box() for e in parts), key=lambda b: b["x"])
    ends = [b["x"] + b["width"] for b in boxes]
    assert ends[-1] <= room["x"] + room["width"] + 1
    assert all(end <= b["x"] + 1 for end, b in zip(ends, boxes[1:], strict=False))
    for said in (".chip .is", "[data-do=onward]", "[data-do=back]", "[data-do=leave]"):
        assert not status.locator(said).evaluate(CUT), said
    for name in chips.locator("span").all():
        assert not name.evaluate(CUT), name.inner_text()
    eventually(lambda: lowest(chips) <= curves.bounding_box()["y"] + 1)
    room = small.locator(".losses-beside").bounding_box()
    for box in (chip.bounding_box() for chip in chips.all()):
        assert room["x"] <= box["x"] and box["x"] + box["width"] <= room["x"] + room["width"]
    session.later(session.leave_run)
    eventually(lambda: not session.run.id)
