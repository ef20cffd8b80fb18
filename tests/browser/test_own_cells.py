"""Cells that a person brings, through ready pipelines: seen, trained on, taken home, read back."""

import anndata
import numpy as np
import pytest
import scipy.sparse as sp
from playwright.sync_api import expect

from tests.browser.downloaded_files import placed_by_command, saved_results
from tests.browser.test_drops import Hand
from tests.browser.user_actions import look_closely
from tests.command_line.small_run import cells

# Enough for types as far apart as these; what is learned is measured in tests/benchmarks.
STEPS = 40
SMALL = {"hidden_dim": 16, "num_layers": 1, "num_heads": 2, "max_tokens": 16}


def partly_labelled(folder):
    """Cells of which half have a type, and others with fewer genes, in another order, and some that
    nobody knows."""
    every = cells(260, genes=[f"GENE{g}" for g in range(80)])
    told = np.random.default_rng(1).random(260) < 0.5
    every.obs["known"] = np.where(told, every.obs["kind"].astype(str), "unknown")
    every[:160].copy().write_h5ad(folder / "mine.h5ad")
    fewer = every[160:, [f"GENE{g}" for g in range(79, 9, -1)]]
    counts = sp.hstack([fewer.X, sp.csr_matrix(np.ones((100, 5)))]).tocsr()
    new = anndata.AnnData(counts, obs=fewer.obs[["kind"]].copy())
    new.var_names = [*fewer.var_names, *(f"OTHER{i}" for i in range(5))]
    new.write_h5ad(folder / "others.h5ad")
    return folder / "mine.h5ad", folder / "others.h5ad"


def begins(tab, title, n_nodes):
    tab.get_by_role("button", name="ready pipeline", exact=True).click()
    tab.locator(".pipelines .start", has_text=title).click()
    expect(tab.locator(".react-flow__node")).to_have_count(n_nodes)


@pytest.mark.usefixtures("compiled_in_haste")
def test_partly_labelled_cells_teach_a_model_that_names_cells_of_other_genes(
    tab, served, eventually, tmp_path
):
    tab.set_viewport_size({"width": 1366, "height": 768})
    mine, others = partly_labelled(tmp_path)
    Hand(tab).drop(".header .name", [mine])
    look = tab.locator(".look")
    expect(look.locator(".facts")).to_contain_text("160")
    look.locator("select[aria-label='Known labels']").select_option("obs/known")
    look_closely(tab, "pretrain-preview")
    look.locator("button.use").click()
    expect(look).to_be_hidden()
    begins(tab, "Pre-train on expression", 4)
    session = served.session

    def made_small():
        for name, value in SMALL.items():
            session.document.set_setting("model", name, value)
        session.document.set_training("learning_rate", 0.01)
        session.document.set_training("steps", STEPS)

    session.later(made_small)
    eventually(lambda: session.document.spec.training.get("steps") == STEPS)
    tab.wait_for_timeout(1500)  # a change on its way to the canvas would swallow the click
    tab.locator("button[data-do=run]").click()
    expect(tab.locator(".status .chip b")).to_have_text("Done", timeout=180_000)
    expect(tab.locator(".timeline .cells")).to_contain_text("160 cells shown")
    look_closely(tab, "pretrain-done")
    for term in ("masked", "mean error", "components error"):
        expect(tab.locator(".bar .chip", has_text=term)).to_be_visible()
    (home,) = saved_results(tab, tmp_path, "Download").values()
    result = anndata.read_h5ad(home)
    right = result.obs["type_foundation"].astype(str) == result.obs["kind"].astype(str)
    assert right[result.obs["known"] == "unknown"].mean() > 0.9
    assert result.obsm["X_foundation"].std(axis=0).all()
    types = result.obs["type_foundation"].cat.categories
    assert list(types) == ["type 0", "type 1", "type 2"]  # in this order lie their probabilities
    likeliest = types[result.obsm["type_foundation_prob"].argmax(axis=1)]
    assert (likeliest == result.obs["type_foundation"]).all()
    placed = placed_by_command(session.run.folder() / "bundle", others, tmp_path / "placed.h5ad")
    assert "88% of 80 genes found (70)" in str(placed.uns["diffbio"])
    assert (
        placed.obs["type_foundation"].astype(str) == placed.obs["kind"].astype(str)
    ).mean() > 0.9
