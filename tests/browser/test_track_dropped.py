"""A track of real ChIP-seq dropped on the page: seen, segmented, its states taken home."""

import re

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import expect

from diffbio_engine.pipelines import presets
from tests.browser.downloaded_files import saved_results
from tests.browser.test_drops import Hand
from tests.browser.user_actions import look_closely

STEPS = 12


@pytest.mark.usefixtures("compiled_in_haste")
def test_a_track_is_segmented_into_states_that_lie_where_the_peaks_are(
    tab, served, shared_data, tmp_path
):
    folder = shared_data / "omics/epi/labelled_H3K27ac_chr11"
    Hand(tab).drop(".header .name", [folder / "Mono27ac.bedGraph.gz"])
    look = tab.locator(".look")
    expect(look.locator(".facts")).to_contain_text("windows")
    look.locator("select[aria-label='Bases of a bin']").select_option("100")
    expect(look.locator(".facts")).to_contain_text("4,688")
    look_closely(tab, "track-preview")
    look.locator("button.use").click()
    session = served.session
    spec = presets()["track_states"].make(
        {"signal": "tracks:signal", "window_order": "tracks:order"}
    )
    session.later(lambda: session.document.open_pipeline(spec, "Open"))
    expect(tab.locator(".react-flow__node")).to_have_count(2)
    session.later(lambda: session.document.set_training("steps", STEPS))
    tab.wait_for_timeout(1500)
    tab.locator("button[data-do=run]").click()
    expect(tab.locator(".status .chip b")).to_have_text("Done", timeout=120_000)
    look_closely(tab, "track-done")
    tab.locator(".header [data-show=findings]").click()
    strips = tab.locator("[role=dialog] .findings .strips")
    expect(strips.locator("canvas").first).to_be_visible()
    # Where it lies in bases, and the signal above.
    expect(strips.locator(".name").first).to_have_text(re.compile(r"^chr11\d"))
    expect(strips.locator(".ruler").first).to_contain_text(re.compile(r"\d,000.*\d,000"))
    expect(strips.locator(".signal polygon").first).to_be_visible()
    strips.locator("canvas").first.hover()
    expect(tab.locator("[role=dialog] .said")).to_contain_text(re.compile(r"state 2 \(mean .* %"))
    look_closely(tab, "track-states")
    tab.keyboard.press("Escape")
    home = saved_results(tab, tmp_path, "States (BED)", "Posteriors (bedGraph)")
    columns = ["chrom", "start", "end", "state", "score", "strand", "thick", "thin", "itemRgb"]
    states = pd.read_csv(home["States (BED)"], sep="\t", names=columns, skiprows=1)
    assert states.itemRgb.nunique() == states.state.nunique() == 3
    labels = pd.read_csv(folder / "labels.tsv", sep="\t")
    highest = states[states.state == states.state.max()]
    for label in labels.itertuples():
        inside = np.minimum(highest.end, label.end) - np.maximum(highest.start, label.start)
        in_peak = inside.clip(lower=0).sum() / (label.end - label.start)
        # People marked where a peak begins and ends, and where there is none.
        assert in_peak < 0.05 if label.label == "noPeaks" else in_peak > 0.2, (label, in_peak)
    assert 'name="state 2 (mean ' in home["Posteriors (bedGraph)"].read_text()
