"""S2: my own samples, one of them broken, dropped at once, mended, joined, and used as batches."""

import anndata
from playwright.sync_api import expect

from diffbio_engine.pipelines.presets.preset import LATENT, assembled
from tests.browser.test_drops import Hand
from tests.browser.user_actions import look_closely
from tests.data.test_joined_samples import cells, mtx, tenx


def few_blocks(fields):
    """A latent space, and Harmony with the sample as batch."""
    blocks = {
        "normalize": ("normalization.vae_normalizer", {**LATENT, "latent_dim": 4}),
        "harmony": ("singlecell.harmony", {"n_clusters": 3}),
    }
    wires = {
        "normalize.counts": "data.counts",
        "harmony.embeddings": "normalize.latent_mean",
        "harmony.batch_labels": "data.batch_labels",
    }
    return assembled("Few blocks", blocks, wires, fields)


def row(tab, name):
    return tab.locator(".samples tr").filter(has=tab.locator(f"input[aria-label*='{name}']"))


def test_samples_dropped_at_once_are_told_apart_mended_joined_and_run_as_batches(
    tab, served, tmp_path, compiled_in_haste
):
    tab.set_viewport_size({"width": 1366, "height": 768})
    hand, names = Hand(tab), ("ctrl", "stim", "late", "day9")
    made = {name: cells(name, n=40) for name in names}
    files = [tenx(made[n], tmp_path / f"PBMC_{n}_filtered_feature_bc_matrix.h5")
             for n in ("ctrl", "stim")]  # fmt: skip
    files.append(tmp_path / "PBMC_late.h5ad")
    made["late"].write_h5ad(files[2])
    whole = files[1].read_bytes()
    files[1].write_bytes(whole[:6000])  # cut off on its way
    files.append(mtx(made["day9"], tmp_path / "PBMC_day9"))

    hand.drop(".react-flow__pane", files)
    table = tab.locator(".look .samples")
    expect(table.locator(".good .mark")).to_have_count(3)
    expect(table.locator(".why.bad")).to_contain_text("was cut off")
    names = table.locator("input").evaluate_all("all => all.map((one) => one.value)")
    assert sorted(names) == ["ctrl", "day9", "late", "stim"]
    expect(row(tab, "late")).to_contain_text("40 cells × 40 genes")
    join = tab.locator(".look button.use")
    expect(join).to_have_text("Join 3 of 4 samples")
    look_closely(tab, "samples-one-broken")

    files[1].write_bytes(whole)  # the mended file of the same name takes its row
    hand.drop(".samples tr.why.bad", [files[1]])
    expect(table.locator(".good .mark")).to_have_count(4)
    expect(join).to_have_text("Join 4 samples")
    row(tab, "PBMC_late").locator("input").fill("day 3")
    row(tab, "PBMC_late").locator("input").press("Enter")
    expect(tab.locator(".look")).to_contain_text("All 40 genes are in each of the 4 samples")
    look_closely(tab, "samples-mended")
    join.click()
    expect(tab.locator(".look .facts")).to_contain_text("160")
    expect(tab.locator(".look")).to_contain_text("day 3 (PBMC_late.h5ad, 40 cells)")
    batch = tab.locator(".look select[aria-label^='Batch']")
    expect(batch).to_have_value("obs/sample")
    look_closely(tab, "samples-joined")
    tab.locator(".look button.use").click()
    expect(tab.locator(".look")).to_be_hidden()

    session = served.session
    joined = anndata.read_h5ad(session.data.card.path)
    sizes = joined.obs["sample"].value_counts()
    assert sizes.to_dict() == dict.fromkeys(["ctrl", "stim", "day 3", "day9"], 40)
    of_stim = joined[joined.obs["sample"] == "stim"]
    assert list(of_stim.obs_names) == [f"{n}_stim" for n in made["stim"].obs_names]
    assert (of_stim.X != made["stim"].X).nnz == 0
    session.later(lambda: session.document.open_pipeline(few_blocks(session.data.offered), "Open"))
    expect(tab.locator(".react-flow__node")).to_have_count(3)
    session.later(lambda: session.run.start(steps=3))
    expect(tab.locator(".status .chip b")).to_have_text("Done", timeout=120_000)
