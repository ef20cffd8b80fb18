"""The main job: real cells in, a pipeline wired by hand, trained while one turns it, taken home.

Nothing stands in for anything: Chromium, the server, a worker process, the command line.
"""

import time
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.downloaded_files import (
    apply_to_new_cells,
    look_at_files,
    same_as_the_command_line,
    take_home,
)
from tests.browser.user_actions import (
    differing,
    events,
    lasso,
    picture,
    port,
    pull_wire,
    status,
    still,
    upload,
)

DATA = Path(__file__).parents[2] / "../shared/data/pbmc3k_hvg2000_counts.h5ad"
# A worker imports, prepares and compiles before its first step: about 40 s on two quiet cores.
FIRST_STEP_SECONDS = 300
BLOCKS = {
    "normalization.vae_normalizer": ("vae_normalizer", 270, 40),
    "normalization.umap": ("umap", 650, 15),
    "singlecell.soft_kmeans": ("soft_kmeans", 650, 235),
}
WIRES = [
    (("data", "counts"), ("vae_normalizer", "counts")),
    (("vae_normalizer", "latent_mean"), ("umap", "features")),
    (("vae_normalizer", "latent_mean"), ("soft_kmeans", "embeddings")),
]

pytestmark = pytest.mark.skipif(not DATA.exists(), reason=f"there is no {DATA.name} here")


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """The 2638 cells in two files: those that are uploaded, and 500 that are left out."""
    import anndata

    folder = tmp_path_factory.mktemp("cells")
    every = anndata.read_h5ad(DATA)
    left_out = np.zeros(every.n_obs, bool)
    left_out[np.random.default_rng(0).permutation(every.n_obs)[:500]] = True
    every[~left_out].copy().write_h5ad(folder / "pbmc3k.h5ad")
    every[left_out].copy().write_h5ad(folder / "new_cells.h5ad")
    return folder


def test_cells_go_in_and_a_trained_pipeline_comes_out(page, served, eventually, cells, tmp_path):
    served.forget_tabs()
    page.goto(served.url)
    page.wait_for_selector(".palette .item")
    session = served.session

    upload(page, cells / "pbmc3k.h5ad")
    assert session.data.card.n_cells == 2138 and session.data.card.fields["counts"] == "X"
    put_blocks_and_wires(page, session, eventually)

    page.locator("button[data-do=run]").click()
    eventually(lambda: session.run.step >= 3, FIRST_STEP_SECONDS)
    state = page.locator(".status .chip b")
    expect(state).to_have_text("Training")
    first, seen_first = session.run.snapshot, picture(page)
    # Maps come as often as drawing one leaves time for steps.
    eventually(lambda: session.run.step >= 80, FIRST_STEP_SECONDS)
    eventually(lambda: session.run.snapshot.step > first.step, FIRST_STEP_SECONDS)
    later = session.run.snapshot
    assert later.step > first.step
    moved = np.linalg.norm(later.map - first.map, axis=1) / np.std(first.map)
    assert np.median(moved) > 0.01  # in units of the map's own spread
    # The page draws what the session has a moment later.
    eventually(lambda: differing(seen_first, picture(page)) > 0.01)
    folder = session.run.folder()
    losses = session.run.all_records()
    # The objective falls. The map's own term need not yet: it is of a latent space that moves.
    total = losses["total"]
    assert total[-len(total) // 3 :].mean() < total[: len(total) // 3].mean()
    assert np.isfinite(losses["umap.umap_loss"]).all()
    expect(page.locator(".bar .chips")).to_contain_text("umap")
    eventually(lambda: last_step_drawn(page) >= later.step, 20)

    turn_the_temperature(page, session, eventually, folder)
    pause_step_resume(page, session, eventually, state)

    # Closing the browser does not stop the run.
    page.goto("about:blank")
    left_at = status(folder)["step"]
    eventually(lambda: status(folder)["step"] >= left_at + 5, 60)
    page.goto(served.url)
    expect(state).to_have_text("Training")
    session = served.session
    assert session.run.folder() == folder
    expect(page.locator(".legend .entry").first).to_be_visible()

    page.locator("button[data-do=stop]").click()
    expect(state).to_have_text("Stopped", timeout=120_000)
    files = take_home(page, tmp_path)
    look_at_files(files, n_cells=2138)
    apply_to_new_cells(files, cells / "new_cells.h5ad", tmp_path)


def test_the_map_of_a_run_can_be_asked(page, served, eventually, cells):
    page.goto(served.url)  # the tab that the job above has left
    page.wait_for_selector(".legend .entry")
    session = served.session
    assert session.run.state == "stopped"

    page.locator("select.colour").select_option("obs/cell_type")
    legend = page.locator(".legend")
    expect(legend).to_contain_text("CD14+ Mono")
    before = picture(page)
    legend.locator(".entry", has_text="CD14+ Mono").click()
    expect(legend.locator(".entry.off")).to_have_count(8)
    eventually(lambda: differing(before, picture(page)) > 0.01)
    legend.locator(".entry", has_text="CD14+ Mono").click()
    expect(legend.locator(".entry.off")).to_have_count(0)

    lasso(page)
    selected = legend.locator(".card header b")
    expect(selected).to_contain_text("of 2,138 cells")
    assert int(selected.inner_text().split()[0].replace(",", "")) > 1000
    legend.locator(".card select").select_option("cluster")
    expect(legend.locator(".card .part").first).to_contain_text("%")
    before = selected.inner_text()
    page.keyboard.down("Alt")
    lasso(page, 0.5)
    page.keyboard.up("Alt")
    expect(selected).not_to_have_text(before)
    page.keyboard.press("Escape")
    expect(legend.locator(".card")).to_have_count(0)

    gene = page.locator(".gene input")
    gene.press_sequentially("LY")
    page.locator(".gene .found a", has_text="LYZ").dispatch_event("mousedown")
    expect(legend).to_contain_text("LYZ, log(1 + counts per 10\u202f000)")
    gene.fill("NOSUCHGENE")
    gene.press("Enter")
    expect(page.locator(".toast").first).to_contain_text("There is no gene 'NOSUCHGENE'")
    page.locator("select.colour").select_option("cluster")
    expect(legend.locator("h4")).to_have_text("Cluster")

    line = page.locator(".timeline")
    last = line.locator(".step").inner_text()
    line.locator("input").evaluate(
        "e => { e.value = 0; e.dispatchEvent(new Event('input', { bubbles: true })) }"
    )
    expect(line.locator(".step")).to_have_text("step 0")
    line.locator(".live").click()
    expect(line.locator(".step")).to_have_text(last)

    page.locator("button.save").press("Enter")
    with page.expect_download() as caught:
        page.locator(".menu .found [data-do=csv]").press("Enter")
    text = caught.value.path().read_text()
    assert len(text.splitlines()) == 2138 + 1


def test_what_was_learned_is_applied_to_other_cells_on_the_page(
    page, served, eventually, cells, tmp_path
):
    page.goto(served.url)  # the same tab, with the run that was stopped
    page.wait_for_selector(".legend .entry")
    session = served.session
    trained, document = session.run.folder(), session.document.spec
    page.locator("button[data-show=exports]").click()
    page.get_by_role("button", name="Apply to other cells").click()
    page.locator(".data .drop input").set_input_files(cells / "new_cells.h5ad")
    look = page.locator(".data .look")
    expect(look.locator("h3")).to_have_text("new_cells.h5ad")
    expect(look).to_contain_text("100% of 2,000 genes found", timeout=60_000)
    look.get_by_role("button", name="as trained").click()
    state = page.locator(".status .chip b")
    expect(state).to_have_text("Applied to new_cells.h5ad", timeout=240_000)
    expect(page.locator(".timeline .cells")).to_contain_text("500 cells shown")
    # Nothing else has changed: the canvas and its own data set are as they were.
    assert session.document.spec == document and session.data.card.n_cells == 2138
    page.locator("button[data-show=exports]").click()
    with page.expect_download() as caught:
        page.locator(".exports .row").filter(has_text="Result").get_by_role("button").click()
    caught.value.save_as(tmp_path / "placed.h5ad")
    assert same_as_the_command_line(
        tmp_path / "placed.h5ad", trained / "bundle", cells / "new_cells.h5ad"
    )


# -- what a hand does ------------------------------------------------------------------------


def put_blocks_and_wires(page, session, eventually):
    pane = page.locator(".react-flow__pane")
    data = page.locator(".react-flow__node[data-id='data']")
    expect(data).to_be_visible()
    box, ground = data.bounding_box(), pane.bounding_box()
    page.mouse.move(box["x"] + 40, box["y"] + 18)
    page.mouse.down()
    page.mouse.move(ground["x"] + 60, ground["y"] + 100, steps=8)
    page.mouse.up()
    for operator, (name, x, y) in BLOCKS.items():
        page.drag_and_drop(
            f"[data-operator='{operator}']",
            ".react-flow__pane",
            source_position={"x": 60, "y": 20},
            target_position={"x": x, "y": y},
        )
        expect(page.locator(f".react-flow__node[data-id='{name}']")).to_be_visible()
    eventually(lambda: len(session.document.spec.blocks) == 3)
    # A dropped block wires itself where only one wire fits; here every wire is drawn by hand.
    document = session.document
    wires = [(w.source, w.target) for w in document.spec.wires]
    session.later(lambda: document.remove(wires=wires))
    eventually(lambda: not session.document.spec.wires)
    expect(page.locator(".react-flow__edge")).to_have_count(0)
    page.locator("button[data-do=fit]").click()
    still(page, port(page, "soft_kmeans", "embeddings"))
    for n, (source, target) in enumerate(WIRES, 1):
        pull_wire(page, port(page, *source), port(page, *target))
        eventually(lambda n=n: len(session.document.spec.wires) == n)
    wired = {(w.source, w.target) for w in session.document.spec.wires}
    assert wired == {(".".join(a), ".".join(b)) for a, b in WIRES}
    eventually(lambda: not session.document.problems)


def turn_the_temperature(page, session, eventually, folder):
    compiled = sum(e["kind"] == "compiled" for e in events(folder))
    page.locator(".react-flow__node[data-id='soft_kmeans']").click(position={"x": 120, "y": 15})
    number = page.locator(".lines:not(.compact) .line[data-setting=temperature] .number")
    sharp = session.run.snapshot.certainty.mean()
    before = picture(page)
    number.fill("8")
    number.press("Enter")
    turned = time.monotonic()
    # Softer shares: the largest of each cell is smaller, and the map is drawn fainter.
    eventually(lambda: session.run.snapshot.certainty.mean() < 0.9 * sharp, 30)
    print(f"the map showed the temperature after {time.monotonic() - turned:.2f} s")
    eventually(lambda: differing(before, picture(page)) > 0.02, 30)
    dials = [e for e in events(folder) if e["kind"] == "dial"]
    assert [(d["name"], d["value"]) for d in dials] == [("soft_kmeans.temperature", 8.0)]
    asked_at = session.run.step
    eventually(lambda: session.run.step >= asked_at + 5, 60)
    assert sum(e["kind"] == "compiled" for e in events(folder)) == compiled


def pause_step_resume(page, session, eventually, state):
    page.locator("button[data-do=pause]").click()
    expect(state).to_have_text("Paused", timeout=30_000)
    eventually(lambda: session.run.state == "paused")
    at = session.run.step
    page.locator("button[data-do=step]").click()
    eventually(lambda: session.run.step == at + 1)
    expect(state).to_have_text("Paused")
    page.locator("button[data-do=run]").click()  # it says Resume now
    expect(state).to_have_text("Training")
    eventually(lambda: session.run.step >= at + 5, 60)


def last_step_drawn(page):
    """The right end of the axis on which the browser draws the curves."""
    return page.evaluate(
        """() => Math.max(...[...Bokeh.documents[0]._all_models.values()]
          .filter((m) => m.type === "Figure" && m.renderers.some((r) => r.glyph.type === "Line"))
          .map((m) => m.x_range.end))"""
    )
