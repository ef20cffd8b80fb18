"""Counts and the design of a bulk experiment, dropped together, are samples; it can be changed."""

import numpy as np
import pandas as pd
from playwright.sync_api import expect

from tests.browser.test_drops import Hand


def test_counts_and_a_design_become_one_data_set_of_samples(tab, tmp_path):
    names = [f"P{i}{side}" for i in range(4) for side in ("ctrl", "drug")]
    counts = np.random.default_rng(0).poisson(100.0, (5_200, 8))
    genes = [f"ENSG{i:011d}" for i in range(len(counts))]
    pd.DataFrame(counts, genes, names).to_csv(tmp_path / "airways.csv", index_label="gene_id")
    design = pd.DataFrame({"sample": names, "arm": ["untreated", "treated"] * 4})
    design.to_csv(tmp_path / "design.csv", index=False)
    Hand(tab).drop(".header .name", [tmp_path / "airways.csv", tmp_path / "design.csv"])
    facts = tab.locator(".look .facts")
    expect(facts).to_contain_text("samples")
    expect(tab.locator(".look")).to_contain_text("8 rows are taken for samples")
    expect(tab.locator(".look")).to_contain_text("Rows are")
    expect(tab.locator(".look")).to_contain_text("Total counts of samples")
    rows = tab.locator(".look select", has=tab.locator("option[value='spots']"))
    rows.select_option("cells")
    expect(facts).to_contain_text("cells")
    expect(tab.locator(".look")).to_contain_text("8 rows are taken for single cells")
    tab.keyboard.press("Escape")
