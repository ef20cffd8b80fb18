"""Story S3: limits are dragged, counted, applied, undone; what goes home is what scanpy keeps."""

import anndata
import numpy as np
import pandas as pd
import scipy.sparse as sp
from playwright.sync_api import expect

from app.session.stale import stale_words
from diffbio_engine.pipelines import Block, PipelineSpec, Wire
from tests.browser.user_actions import look_closely, still


def three_samples():
    """Blood-like cells of three samples, some of which are broken: few genes, much of them MT."""
    random = np.random.default_rng(0)
    genes = [*(f"MT-{g}" for g in ("ND1", "CO1", "CYB", "ATP6")), *(f"GENE{i}" for i in range(296))]
    sample, n = random.integers(0, 3, 600), 600
    depth = random.gamma(6.0, 0.3, n)
    broken = random.random(n) < np.array([0.05, 0.12, 0.2])[sample]
    rates = random.gamma(0.5, 1.2, 300) * np.where(broken, 0.3, 1.0)[:, None] * depth[:, None]
    rates[:, :4] = np.where(broken, 12.0, 2.5)[:, None] * random.gamma(4.0, 0.25, (n, 1))
    obs = pd.DataFrame(
        {"sample": pd.Categorical(np.array(list("ABC"))[sample])}, index=[f"c{i}" for i in range(n)]
    )
    counts = sp.csr_matrix(random.poisson(rates).astype(np.float32))
    return anndata.AnnData(counts, obs=obs, var=pd.DataFrame(index=genes))


def by_scanpy(adata, most):
    import scanpy

    adata.var["mt"] = adata.var_names.str.startswith("MT-")
    scanpy.pp.calculate_qc_metrics(
        adata, qc_vars=["mt"], percent_top=None, log1p=False, inplace=True
    )
    return adata.obs["pct_counts_mt"] <= adata.obs["sample"].map(most).astype(float)


def test_limits_are_dragged_applied_and_undone_and_the_run_has_only_the_cells_that_pass(
    tab, served, tmp_path, compiled_in_haste, eventually
):
    page, session, cells = tab, served.session, three_samples()
    cells.write_h5ad(tmp_path / "cells.h5ad")
    page.locator("button.data").click()
    page.locator(".drop input[type=file]").set_input_files(tmp_path / "cells.h5ad")
    page.locator(".look button.use").click()
    vae = Block("vae", "normalization.vae_normalizer", {"latent_dim": 4, "hidden_dims": [16]})
    spec = PipelineSpec(
        "Controlled", (vae,), (Wire("data.counts", "vae.counts"),), training={"steps": 3}
    )
    session.later(lambda: session.document.open_pipeline(spec))
    page.locator(".react-flow__node[data-id=data]").click()
    card = page.locator(".card[data-kind=data]")
    expect(card.get_by_role("button", name="Quality control…")).to_be_visible()
    card.get_by_role("button", name="Choose data…").click()
    page.locator(".look footer").get_by_role("button", name="Quality control…").click()

    pane = page.locator(".quality")
    count, bar = pane.locator(".count"), pane.locator("footer")
    expect(pane.locator(".metric")).to_have_count(3)
    expect(bar).to_contain_text("These automatic limits are not yet applied")
    expect(pane.locator(".found").first).to_have_text(
        "4 mitochondrial genes were found by their names (MT-...)."
    )
    look_closely(page, "quality_control_light")
    # While the line is dragged, the counter moves with it.
    mito = pane.locator("[data-metric=pct_counts_mt]")
    still(page, mito.locator(".limit.most .hit"))  # the dialog grows while it opens
    line = mito.locator(".limit.most .hit").bounding_box()
    x, y = line["x"] + line["width"] / 2, line["y"] + 20
    page.mouse.move(x, y)
    page.mouse.down()
    before = count.inner_text()
    page.mouse.move(x - 30, y, steps=4)
    expect(count).not_to_have_text(before)
    page.mouse.up()
    # By keys: the arrow moves the line, Delete takes it away; nothing on the canvas is deleted.
    lowest = pane.locator("[data-metric=n_genes_by_counts] .limit.least")
    lowest.focus()
    page.keyboard.press("ArrowRight")
    expect(lowest).not_to_have_attribute("aria-valuetext", "no limit")
    pane.get_by_role("button", name="No limits").click()
    expect(count).to_contain_text("of 600 cells kept (−0)")
    expect(bar).to_contain_text("No limits")
    mito.locator("input.most").fill("9")
    mito.locator("input.most").press("Enter")
    pane.locator(".check input").uncheck()
    pane.locator("table tr", has_text="C").click()
    mito.locator("input.most").fill("14.5")
    mito.locator("input.most").press("Enter")
    kept = by_scanpy(cells, {"A": 9.0, "B": 9.0, "C": 14.5})
    assert 400 < kept.sum() < 590
    expect(count).to_contain_text(f"{kept.sum()} of 600")
    of_c = pane.locator("tbody tr", has_text="C").locator("td")
    expect(of_c.nth(2)).to_have_text(str(kept[cells.obs["sample"] == "C"].sum()))
    session.later(lambda: setattr(session, "theme", "dark"))
    look_closely(page, "quality_control_dark")
    session.later(lambda: setattr(session, "theme", "default"))

    pane.locator(".least-cells").fill("20")
    pane.locator(".least-cells").press("Tab")
    by_cells = np.asarray((cells[kept.to_numpy()].X > 0).sum(axis=0)).ravel() >= 20
    expect(pane.locator(".genes")).to_have_text(f"{by_cells.sum()} of 300 genes are kept.")
    assert not session.document.spec.quality_control.removes  # nothing before "Apply"
    expect(bar).to_contain_text("not yet applied")
    bar.get_by_role("button", name="Apply").click()
    expect(bar).to_contain_text("These limits are applied")
    applied = session.document.spec.quality_control
    assert applied.limit("pct_counts_mt", "C").most == 14.5
    page.keyboard.press("Control+z")
    expect(bar).to_contain_text("No limits")
    page.keyboard.press("Control+Shift+z")
    expect(count).to_contain_text(f"{kept.sum()} of 600")
    pane.locator("summary").click()
    text = pane.locator("textarea").input_value()
    assert f"{kept.sum()} of 600 cells were kept" in text and "C: of at most 14.5 %" in text
    page.keyboard.press("Escape")

    session.later(session.press_run)
    eventually(lambda: session.run.state in ("done", "failed"), 90.0)
    assert session.run.state == "done", session.run.errors
    assert not stale_words(session)
    page.locator("button[data-show=exports]").click()
    button = page.locator(".exports .row").filter(has_text="Result").get_by_role("button").first
    with page.expect_download() as caught:
        button.click()
    caught.value.save_as(tmp_path / "result.h5ad")
    result, expected = anndata.read_h5ad(tmp_path / "result.h5ad"), cells[kept.to_numpy(), by_cells]
    assert result.obs_names.equals(expected.obs_names)
    assert result.var_names.equals(expected.var_names) and by_cells.sum() < 300
    np.testing.assert_array_equal(result.X.toarray(), expected.X.toarray())
    page.keyboard.press("Escape")
    # Taken back, what was trained on other cells says so; nothing runs by itself.
    session.later(session.document.undo)
    eventually(lambda: "quality control" in stale_words(session))
    session.later(session.document.redo)
    eventually(lambda: not stale_words(session))
