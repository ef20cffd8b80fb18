"""Salmon's equivalence classes uploaded: seen, quantified, and taken home as quant.sf."""

import csv
import io
import zipfile

import pandas as pd
import pytest
from playwright.sync_api import expect

from diffbio_engine.pipelines import presets
from tests.browser.downloaded_files import saved_results
from tests.browser.user_actions import look_closely


def salmon_folder(folder, target):
    """The sample of salmon's package in the form in which ``salmon quant --dumpEq`` writes it."""
    about = (folder / "salmon_sample_effective_lengths.tsv").read_text()
    names = [line.split("\t")[0] for line in about.splitlines()[1:]]
    classes = (folder / "salmon_sample_equivalence_classes.tsv").read_text()
    lines = []
    for row in csv.DictReader(io.StringIO(classes), delimiter="\t"):
        fits = [str(names.index(one)) for one in row["transcripts"].split(",")]
        # Without weights (--dumpEq alone) they are 1 / effective length, as the oracle has them.
        lines.append("\t".join([str(len(fits)), *fits, row["count"]]))
    text = "\n".join([str(len(names)), str(len(lines)), *names, *lines, ""])
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("sample/aux_info/eq_classes.txt", text)
        archive.writestr("sample/quant.sf", about)
    return target


@pytest.mark.usefixtures("compiled_in_haste")
def test_classes_are_uploaded_quantified_and_taken_home(tab, served, shared_data, tmp_path):
    tab.set_viewport_size({"width": 1366, "height": 768})
    sequences = shared_data / "sequences"
    there = salmon_folder(sequences / "quantification", tmp_path / "sample.zip")
    tab.locator("button.data").click()
    tab.locator(".drop input[type=file]").set_input_files(there)
    look = tab.locator(".look")
    expect(look.locator(".facts")).to_contain_text("transcripts")
    expect(look.locator(".facts")).to_contain_text("10,000")
    expect(look).to_contain_text("6,931 of 10,000 fragments fit one transcript only")
    expect(look).not_to_contain_text("genes")
    look_closely(tab, "em-preview")
    look.locator("button.use").click()
    expect(look).to_be_hidden()
    session = served.session
    spec = presets()["quantify_transcripts"].make(None)
    session.later(lambda: session.document.open_pipeline(spec, "Open"))
    expect(tab.locator(".react-flow__node")).to_have_count(2)
    # Maximum likelihood, as the oracle; 15 transcripts need no prior against dust.
    session.later(lambda: session.document.set_setting("quantify", "prior", 0.0))
    tab.locator("button[data-do=run]").click()
    expect(tab.locator(".status .chip b")).to_have_text("Done", timeout=120_000)
    expect(tab.locator(".findings").first).to_be_visible()
    look_closely(tab, "em-done")
    tab.locator(".findings nav button", has_text="Abundances").first.click()
    expect(tab.locator(".findings .bar i").first).to_be_visible()
    expect(tab.locator(".findings").first).to_contain_text("most common of")
    look_closely(tab, "em-bars")
    (home,) = saved_results(tab, tmp_path, "Abundances (quant.sf)").values()
    look_closely(tab, "em-exports")
    quant = pd.read_csv(home, sep="\t").set_index("Name")
    oracle = pd.read_csv(
        sequences / "golden/em_oracle_salmon_sample.tsv", sep="\t", index_col="transcript"
    ).loc[quant.index]
    apart = (quant["NumReads"] - oracle["expected_counts"]).abs()
    assert (apart <= 1e-4 * oracle["expected_counts"] + 6e-4).all()  # three decimals are written
    assert (quant["TPM"] - oracle["tpm"]).abs().max() <= 1e-4 * 1e6 * 0.2
