"""A track of real ChIP-seq dropped on the page: seen, segmented, its states taken home."""

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
    spec = presets()["track_states"].make({"signal": "tracks:signal"})
    session.later(lambda: session.document.open_pipeline(spec, "Open"))
    expect(tab.locator(".react-flow__node")).to_have_count(2)
    session.later(lambda: session.document.set_training("steps", STEPS))
    tab.wait_for_timeout(1500)
    tab.locator("button[data-do=run]").click()
    expect(tab.locator(".status .chip b")).to_have_text("Done", timeout=120_000)
    look_closely(tab, "track-done")
    tab.locator(".header [data-show=findings]").click()
    expect(tab.locator("[role=dialog] .findings .strips canvas").first).to_be_visible()
    look_closely(tab, "track-states")
    tab.keyboard.press("Escape")
    home = saved_results(tab, tmp_path, "States (BED)", "Posteriors (bedGraph)")
    states = pd.read_csv(home["States (BED)"], sep="\t", names=["chrom", "start", "end", "state"])
    labels = pd.read_csv(folder / "labels.tsv", sep="\t")
    highest = states[states.state == states.state.max()]
    for label in labels.itertuples():
        inside = np.minimum(highest.end, label.end) - np.maximum(highest.start, label.start)
        in_peak = inside.clip(lower=0).sum() / (label.end - label.start)
        # People marked where a peak begins and ends, and where there is none.
        assert in_peak < 0.05 if label.label == "noPeaks" else in_peak > 0.2, (label, in_peak)
    assert 'name="state 2"' in home["Posteriors (bedGraph)"].read_text()
