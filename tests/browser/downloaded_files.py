"""What a person takes home from the page, looked at and used as they would."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
import zipfile
from collections import Counter

import numpy as np
from PIL import Image
from playwright.sync_api import expect


def take_home(page, folder):
    page.locator("button[data-show=exports]").click()
    rows = page.locator(".exports .row")
    files = {}
    for row, label, name in [
        ("Result", "Download", "result.h5ad"), ("Trained pipeline", "Download", "bundle.zip"),
        ("Pipeline (JSON)", "Download", "pipeline.json"), ("Figure", "PNG", "map.png"),
        ("Figure", "SVG", "map.svg"),
    ]:  # fmt: skip
        button = rows.filter(has_text=row).get_by_role("button", name=label, exact=True)
        expect(button).to_be_enabled()
        with page.expect_download() as caught:
            button.click()
        files[name] = folder / name
        caught.value.save_as(files[name])
        assert caught.value.suggested_filename.endswith(files[name].suffix)
    page.keyboard.press("Escape")
    return files


def saved_results(page, folder, *labels):
    """What lies beside the result, or the result, by what their buttons say; under the names that
    the page gives them."""
    page.locator("button[data-show=exports]").click()
    row = page.locator(".exports .row").filter(has_text="Result")
    files = {}
    for label in labels:
        with page.expect_download() as caught:
            row.get_by_role("button", name=label, exact=True).click()
        files[label] = folder / f"home_{caught.value.suggested_filename}"
        caught.value.save_as(files[label])
    return files


def look_at_files(files, n_cells):
    import anndata

    result = anndata.read_h5ad(files["result.h5ad"])
    assert result.n_obs == n_cells and result.obsm["X_umap_diffbio"].shape == (n_cells, 2)
    assert np.isfinite(result.obsm["X_latent"]).all()
    assert {"cell_type", "cluster_diffbio"} <= set(result.obs)
    document = json.loads(files["pipeline.json"].read_text())
    assert len(document["blocks"]) == 3 and len(document["wires"]) == 3
    image = Image.open(files["map.png"])
    image.load()
    assert min(image.size) >= 400
    assert ET.parse(files["map.svg"]).getroot().tag.endswith("svg")
    assert zipfile.ZipFile(files["bundle.zip"]).testzip() is None


def apply_to_new_cells(files, new_cells, folder):
    import anndata

    with zipfile.ZipFile(files["bundle.zip"]) as archive:
        archive.extractall(folder)
    placed = placed_by_command(folder / "bundle", new_cells, folder / "placed.h5ad")
    seen = anndata.read_h5ad(files["result.h5ad"])
    assert placed.n_obs == 500 and np.isfinite(placed.obsm["X_umap_diffbio"]).all()
    # What each cluster was called among the cells of the training is true of the new ones too.
    names = {
        cluster: Counter(part["cell_type"]).most_common(1)[0][0]
        for cluster, part in seen.obs.groupby("cluster_diffbio", observed=True)
    }
    told = [names.get(cluster) for cluster in placed.obs["cluster_diffbio"]]
    assert np.mean(np.array(told) == placed.obs["cell_type"].to_numpy(str)) > 0.7


def placed_by_command(bundle, new_cells, out):
    import anndata

    words = [sys.executable, "-m", "diffbio_engine", "apply", bundle, new_cells, "--out", out]
    done = subprocess.run(words, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return anndata.read_h5ad(out)


def same_as_the_command_line(result, bundle, new_cells):
    import anndata

    here = anndata.read_h5ad(result)
    there = placed_by_command(bundle, new_cells, result.with_name("there.h5ad"))
    keys = ("X_latent", "X_umap_diffbio", "cluster_diffbio_prob")
    return all(np.allclose(here.obsm[k], there.obsm[k], atol=1e-5) for k in keys)
