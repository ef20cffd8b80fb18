"""Cells that a person brings, through ready pipelines: seen, trained on, taken home, read back."""

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from playwright.sync_api import expect

from diffbio_engine.data.demos.simulated_conditions import simulate_conditions
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
    said = str(placed.uns["diffbio"])
    assert "88% of 80 genes found (70)" in said and "does not look at missing genes" in said
    assert (
        placed.obs["type_foundation"].astype(str) == placed.obs["kind"].astype(str)
    ).mean() > 0.9


@pytest.mark.usefixtures("compiled_in_haste")
def test_cells_of_patients_in_two_arms_become_a_comparison_within_each_cluster(
    tab, served, eventually, tmp_path
):
    tab.set_viewport_size({"width": 1366, "height": 768})
    made = simulate_conditions(seed=2, n_cells=400, n_genes=120, apart=1.2)
    truth = made.var["log2_fold_change_type_1"].to_numpy()
    made.obs = made.obs.rename(columns={"donor": "patient", "condition": "arm"})
    made.write_h5ad(tmp_path / "trial.h5ad")
    Hand(tab).drop(".header .name", [tmp_path / "trial.h5ad"])
    look = tab.locator(".look")
    expect(look.locator(".facts")).to_contain_text("400")
    look.locator("select[aria-label='Condition column']").select_option("obs/arm")
    look.locator("select[aria-label='Batch column']").select_option("obs/patient")
    look.locator("button.use").click()
    expect(look).to_be_hidden()
    begins(tab, "Differential expression from soft clusters", 5)
    session = served.session
    session.later(lambda: session.document.set_training("steps", 4))
    eventually(lambda: session.document.spec.training.get("steps") == 4)
    tab.wait_for_timeout(1500)  # a change on its way to the canvas would swallow the click
    tab.locator("button[data-do=run]").click()
    expect(tab.locator(".status .chip b")).to_have_text("Done", timeout=180_000)
    expect(tab.locator(".timeline .cells")).to_contain_text("400 cells shown")
    tab.locator(".header [data-show=findings]").click()
    desk = tab.locator("[role=dialog] .findings")
    expect(desk.locator("h3")).to_contain_text("Cluster 0: treated vs control")
    expect(desk.locator("canvas")).to_have_count(3)  # volcano, MA, dispersions
    look_closely(tab, "soft-results")
    desk.get_by_role("button", name="Cluster 2: treated vs control").click()
    expect(desk.locator("h3")).to_contain_text("Cluster 2: treated vs control")
    expect(desk.locator("tbody tr")).to_have_count(120)
    tab.keyboard.press("Escape")
    home = saved_results(tab, tmp_path, "Download", "Genes by group (CSV)")
    result = anndata.read_h5ad(home["Download"])
    table = pd.read_csv(home["Genes by group (CSV)"])
    deseq2 = ["baseMean", "log2FoldChange", "lfcSE", "stat", "pvalue", "padj", "dispersion"]
    assert list(table) == ["cluster", "gene", *deseq2] and len(table) == 3 * 120
    for name in deseq2:
        of_each = table.pivot(index="gene", columns="cluster", values=name)
        there = result.varm[f"{name}_diffbio"]
        np.testing.assert_allclose(there, of_each.loc[there.index, there.columns], rtol=1e-5)
    kinds = pd.crosstab(result.obs["cluster_diffbio"], result.obs["cell_type"])
    of_type_1 = int(kinds["type 1"].argmax())
    changes = result.varm["log2FoldChange_diffbio"][f"cluster {of_type_1}"]
    sure = result.varm["padj_diffbio"][f"cluster {of_type_1}"] < 0.05
    assert sure.sum() >= 4 and (np.sign(changes[sure]) == np.sign(truth[sure])).mean() > 0.8
