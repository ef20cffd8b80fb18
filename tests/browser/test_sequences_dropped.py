"""Sequences dropped on the page: seen, trained on, taken home and read back."""

import anndata
import numpy as np
from playwright.sync_api import expect

from diffbio_engine.data import read
from diffbio_engine.pipelines.spec import PipelineSpec
from tests.browser.downloaded_files import saved_results
from tests.browser.test_drops import Hand
from tests.browser.user_actions import look_closely
from tests.command_line.test_run_of_sequences import fasta, pipeline_document


def test_sequences_are_dropped_seen_trained_on_and_taken_home(tab, served, tmp_path):
    tab.set_viewport_size({"width": 1366, "height": 768})
    there = tmp_path / "peaks.fa"
    text = fasta(there, 60).read_text().replace("label", "motif")
    there.write_text(text)
    lines = [f"s{i}\t{'bound' if i % 2 else 'free'}\n" for i in range(60)]
    (tmp_path / "classes.tsv").write_text("name\tclass\n" + "".join(lines))
    Hand(tab).drop(".header .name", [there, tmp_path / "classes.tsv"])
    look = tab.locator(".look")
    expect(look.locator(".facts")).to_contain_text("60")
    expect(look.locator(".facts")).to_contain_text("bases")
    expect(look).to_contain_text("60 of 60 sequences found in classes.tsv")
    expect(look).not_to_contain_text("genes")
    look_closely(tab, "preview")
    letters = look.locator("select[aria-label='Letters are']")
    letters.select_option("protein")
    expect(look.locator(".facts")).to_contain_text("residues")
    letters.select_option("DNA")
    expect(look.locator(".facts")).to_contain_text("bases")
    expect(look.locator("select[aria-label='Known labels']")).to_have_value("obs/class")
    look.locator("button.use").click()
    session = served.session
    document = pipeline_document()
    session.later(lambda: session.document.open_pipeline(PipelineSpec.from_json(document), "Open"))
    expect(tab.locator(".react-flow__node")).to_have_count(3)
    look_closely(tab, "canvas")
    tab.locator(".react-flow__node[data-id=data]").click()
    expect(tab.locator("body")).to_contain_text("60 sequences, 20-40 bases, DNA")
    look_closely(tab, "inspector")
    tab.locator("button[data-do=run]").click()
    expect(tab.locator(".status .chip b")).to_have_text("Done", timeout=120_000)
    look_closely(tab, "done")
    files = saved_results(tab, tmp_path, "Table (CSV)", "Sequences (FASTA)", "Download")
    look_closely(tab, "exports")
    result = anndata.read_h5ad(files["Download"])
    assert result.shape == (60, 0) and np.isfinite(result.obsm["X_sequence_diffbio"]).all()
    assert list(result.obs["class"][:2]) == ["free", "bound"]
    home, came = read(files["Sequences (FASTA)"]), read(there)
    np.testing.assert_array_equal(home.ragged["sequences"].flat, came.ragged["sequences"].flat)
    assert home.obs["cluster_diffbio"].nunique() <= 2
    assert files["Table (CSV)"].read_text().startswith("sequence,motif")
