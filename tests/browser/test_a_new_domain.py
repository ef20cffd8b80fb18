"""A new domain is files that are added: operators, a kind of data, a plot, a ready pipeline.

They are added to a tree of links to this one, in a temporary folder, and the workbench is served
from there as an administrator would: nothing else is edited.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import anndata
import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Watch, new_page

ROOT = Path(__file__).resolve().parents[2]
ADDED = {
    "diffbio_engine/operators/chemistry/__init__.py": '''"""Molecules and their masses."""
''',
    "diffbio_engine/operators/chemistry/mass_spectrum.py": '''"""Masses and spectra."""

import jax
import jax.numpy as jnp
from flax import nnx

from diffbio_engine.declare import COUNTS, Config, Kind, Operator, Port, dial, operator

_MASSES = jnp.array([12.0, 16.0])


class MassSpectrumConfig(Config):
    """Settings of the spectrum."""

    resolution: float = dial(5.0, low=0.1, high=50.0, unit="Da", doc="Width of a peak.")


@operator(title="Mass spectrum")
class MassSpectrum(Operator):
    """The mass of each molecule, and its peak in a spectrum.

    ``mass = counts @ masses``; ``spectrum = exp(-((grid - mass) / resolution)^2)``.
    """

    Config = MassSpectrumConfig
    inputs = (COUNTS,)
    outputs = (
        Port("mass", "cells", Kind.SCORE, "Mass in Da.", result="obs/mass"),
        Port("spectrum", "cells masses", Kind.PROFILE, "Its peak in a spectrum."),
        Port("offset_loss", "", Kind.LOSS, "How far the scale is off."),
    )
    needs_training = True

    def setup(self, rngs):
        self.offset = nnx.Param(jnp.asarray(1.0))

    def __call__(self, counts: jax.Array) -> dict[str, jax.Array]:
        mass = counts @ _MASSES
        grid = jnp.arange(0.0, 250.0, 10.0)
        away = (grid[None] - mass[:, None]) / self.dial("resolution")
        loss = self.offset[...] ** 2
        return {"mass": mass, "spectrum": jnp.exp(-(away**2)), "offset_loss": loss}
''',
    "diffbio_engine/data/kinds/molecules.py": '''"""Molecules: one a line."""

import numpy as np
import pandas as pd

from diffbio_engine.axes import axis_of
from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.kinds import DataKind
from diffbio_engine.data.matrix.in_memory import InMemory


class Molecules(DataKind):
    """Molecules by elements."""

    record = axis_of("molecules")
    endings = (".atoms",)
    said = "lists of molecules"

    def open(self, path, how):
        names, *atoms = zip(*(line.split() for line in path.read_text().splitlines()))
        return Dataset(
            name=path.name, kind="atoms", obs=pd.DataFrame(index=list(names)),
            var=pd.DataFrame(index=["C", "O"]), path=path,
            matrices={"X": InMemory(np.array(atoms, np.float32).T)},
        )

    def size(self, n, n_genes):
        return f"{n:,} molecules of {n_genes} elements"
''',
    "app/plots/spectrum.py": '''"""Spectra: a stick for each mass, of one of some molecules."""

import pandas as pd

from app.plots import Plot, Sheet
from app.plots._tables import lists


def _sheet(findings, block, found):
    (finding,) = found

    def make():
        molecules, masses = (findings.along(finding, axis) for axis in finding.axes)
        table = pd.DataFrame(finding.values, molecules, masses)
        return {"names": molecules, "peaks": lists(finding.values)}, table.reset_index()

    return Sheet(finding.port, finding.title, block, "spectrum", finding.doc, make)


PLOT = Plot(axes=("* masses",), sheet=_sheet, place=1)
''',
    "app/plots/spectrum.js": '''PLOTS.spectrum = (c, sheet) => {
  for (const [i, name] of c.names.entries()) {
    const line = make("div", "spectrum", name)
    line.dataset.peak = c.peaks[i].indexOf(Math.max(...c.peaks[i]))
    sheet.main.append(line)
  }
}
''',
    "diffbio_engine/pipelines/presets/chemistry.py": '''"""Masses of molecules."""

from diffbio_engine.pipelines.presets.preset import Preset, assembled


def made(fields=None):
    return assembled("Masses", {"masses": ("chemistry.mass_spectrum", {})},
                     {"masses.counts": "data.counts"}, fields)


PRESET = Preset(id="masses", title="Weigh molecules", summary="The mass of each molecule.",
                make=made, place=0)
''',
}  # fmt: skip


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """This tree, by links, with the files of the domain."""
    tree = tmp_path_factory.mktemp("tree")
    for folder in ("app", "diffbio_engine", "assets"):
        # With what Python has compiled: else every process of the server compiles all of it anew.
        shutil.copytree(ROOT / folder, tree / folder, copy_function=os.symlink)
    for place, text in ADDED.items():
        (tree / place).parent.mkdir(exist_ok=True)
        assert not (tree / place).exists()
        (tree / place).write_text(text)
    return tree


@pytest.fixture(scope="module")
def address(tree, tmp_path_factory):
    """The workbench of that tree, served by a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = os.environ | {
        "PYTHONPATH": str(tree), "DATA_DIR": str(tmp_path_factory.mktemp("data")),
        "SPARE_WORKER": "0", "JAX_PLATFORMS": "cpu",
    }  # fmt: skip
    log = (tree / "server.log").open("wb")
    command = [sys.executable, "-m", "app.serve", "app", "--port", str(port), "--liveness"]
    server = subprocess.Popen(command, cwd=tree, env=env, stdout=log, stderr=log)
    home = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{home}/liveness", timeout=1).close()
                break
            except OSError:
                assert server.poll() is None, (tree / "server.log").read_text()
                time.sleep(0.1)
        else:
            raise AssertionError((tree / "server.log").read_text())
        yield f"{home}/app"
    finally:
        server.terminate()
        server.wait(20)
        log.close()


def test_it_is_uploaded_run_seen_and_taken_home_without_an_edit_elsewhere(
    address, browser, tmp_path
):
    file = tmp_path / "drugs.atoms"
    file.write_text("aspirin 9 4\nbenzene 6 0\nglucose 6 6\n")
    watch = Watch(address.removesuffix("/app"))
    page = new_page(browser, watch)
    page.goto(address)
    page.wait_for_selector(".palette .item", timeout=90_000)
    expect(page.locator(".palette")).to_contain_text("Mass spectrum")
    page.locator("button.data").click()
    page.locator(".drop input[type=file]").set_input_files(file)
    look = page.locator(".look")
    expect(look.locator(".facts")).to_contain_text("molecules")
    look.locator("button.use").click()
    page.locator(".start", has_text="Weigh molecules").first.click()
    expect(page.locator(".react-flow__node[data-id='masses']")).to_be_visible()
    page.locator("[data-do=run]").click()
    expect(page.locator("[data-state=done]")).to_be_visible(timeout=90_000)
    # It draws no map, and what it found stands in its place, drawn by its own plot.
    expect(page.locator(".no-map")).to_contain_text("draws no map")
    page.locator(".findings nav button", has_text="Spectrum").click()
    sticks = page.locator(".findings .spectrum")
    expect(sticks).to_have_text(["aspirin", "benzene", "glucose"])
    peaks = sticks.evaluate_all("found => found.map((one) => Number(one.dataset.peak))")
    assert peaks == [17, 7, 17]  # of 172, 72 and 168 Da in steps of 10
    with page.expect_download() as saved:
        page.locator(".findings button.csv").click()
    assert saved.value.path().read_text().splitlines()[2].startswith("benzene,")
    page.locator(".findings nav button", has_text="Mass").click()
    expect(page.locator(".findings tbody tr").first).to_contain_text("aspirin")
    page.locator("button[data-show=exports]").click()
    result = page.locator(".exports .row").filter(has_text="Result")
    with page.expect_download() as taken:
        result.get_by_role("button", name="Download", exact=True).click()
    home = anndata.read_h5ad(taken.value.path())
    np.testing.assert_allclose(home.obs["mass"], [172.0, 72.0, 168.0])
    assert list(home.obs_names) == ["aspirin", "benzene", "glucose"]
    page.context.close()
    watch.judge()
