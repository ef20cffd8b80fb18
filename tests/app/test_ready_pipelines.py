"""Ready pipelines are carried out with their demo data, and the page lists what it must list.

Every second with each commit, without those that the browser tells (`make test-all`: all).
By the worker's own code, in this process and with few of the cells; `tests/browser/test_presets.py`
does the same with a mouse and a worker process.
"""

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import anndata
import numpy as np
import pytest

from app.plots import sheets_of
from app.session.datasets import by_fit
from app.session.session import DatasetCard, Session
from diffbio_engine.data import examples, inspect
from diffbio_engine.pipelines import presets
from diffbio_engine.ports import offered_beside
from diffbio_engine.runs import EXIT_DONE, RunFolder, RunReader
from diffbio_engine.runs.worker.train import work
from tests.conftest import chromium

# Which results the page must list: block and form.
RESULTS = {
    "single_cell": [("cluster", "bars")],
    "trajectory": [("switches", "table"), ("fates", "bars"), ("transport", "heat")],
    "annotation": [("annotate", "bars")],
    "reference_annotation": [("annotate", "bars")],
    "doublets": [("cluster", "bars")],
    "integration": [("cluster", "bars")],
    "communication": [("pairs", "dots")],
    "regulatory_network": [("network", "table")],
    "spatial": [("domains", "bars")],
    "simulation": [("agree", "numbers"), ("agree", "heat")],
    "learn_from_sequences": [("embed", "bars"), ("embed", "logo"), ("cluster", "bars")],
    "differential_expression": [("compare", "comparison")],
    "soft_cluster_expression": [("cluster", "bars"), ("compare", "comparison")],
    "hidden_states": [("states", "strips")],
    "pretrain_sequences": [("encode", "bars"), ("encode", "logo"), ("encode", "numbers")],
    "track_states": [("states", "strips")],
    "pretrain_expression": [("model", "bars")],
    "quantify_transcripts": [("quantify", k) for k in ("table", "curve", "bars")],
}
# Those that a story in the browser carries out with a person's own file, results and all
# (tests/browser): they are taken here only where there is no browser, or by `make test-all`.
IN_A_STORY = {
    "differential_expression",
    "soft_cluster_expression",
    "track_states",
    "pretrain_expression",
    "quantify_transcripts",
}
EVERY_ONE = bool(os.environ.get("EVERY_READY_PIPELINE"))
STEPS = 2
CELLS = 240


def turn() -> int:
    """A number that follows from the commit, so that every worker and every try has the same."""
    ask = ["git", "rev-parse", "HEAD"]
    try:
        asked = subprocess.run(ask, cwd=Path(__file__).parent, capture_output=True, text=True)
    except OSError:  # there is no git
        return 0
    return int(asked.stdout.strip() or "0", 16)


def test_every_ready_pipeline_is_here():
    assert set(RESULTS) == set(presets())


def test_those_that_fit_the_data_stand_first_and_the_others_say_why_not():
    session = Session()
    in_order = [preset.id for preset, _ in by_fit(session)]
    assert in_order == list(presets())
    fields = {"signal": "tracks:signal", "window_order": "tracks:order"}
    session.use_dataset(DatasetCard("a", "a.bdg", "/a.bdg", 9, 0, fields, {"rows": "windows"}))
    (first, fit), *others = by_fit(session)
    assert first.id == "track_states" and (fit.lacking, fit.without) == ("", "")
    assert all(fit.lacking for _, fit in others)
    card = DatasetCard("b", "b.csv", "/b.csv", 8, 50, {"counts": "X", "design": "formula:~ arm"})
    session.use_dataset(replace(card, preview={"rows": "samples"}))
    fits = {preset.id: fit for preset, fit in by_fit(session)}
    assert next(iter(fits)) == "differential_expression"
    possible = [not fit.lacking for fit in fits.values()]
    assert possible == sorted(possible, reverse=True)  # none that fits stands behind one that lacks
    assert "signal along the genome" in fits["track_states"].lacking


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The demo data of a preset with few cells, and where each field lies in them."""
    folder = tmp_path_factory.mktemp("demo")

    def made(name):
        example = next(e for e in examples() if e.id == name)
        path = folder / f"few_{example.id}{example.ending}"
        if n_lines := {".fasta": 2, ".3line": 3}.get(example.ending):
            lines = example.make(folder).read_text().splitlines(keepends=True)
            path.write_text("".join(lines[: n_lines * CELLS]))
        elif example.ending != ".h5ad":
            path = example.make(folder)
        elif not path.exists():
            data = anndata.read_h5ad(example.make(folder))
            order = np.random.default_rng(0).permutation(data.n_obs)[:CELLS]
            data[np.sort(order)].copy().write_h5ad(path)
        fields = dict(inspect(path).suggested) | example.fields
        return {"path": str(path), "name": path.name, "fields": fields}, example.beside

    return made


@pytest.mark.parametrize("name", RESULTS)
def test_a_ready_pipeline_is_carried_out_and_its_results_are_listed(name, demo, tmp_path):
    if not EVERY_ONE and name in IN_A_STORY and chromium():
        pytest.skip("a story in the browser carries it out")
    others = [other for other in RESULTS if other not in IN_A_STORY]
    if not EVERY_ONE and name in others and (others.index(name) + turn()) % 2:
        pytest.skip("its turn is with another commit; make test-all carries out every one")
    dataset, others = demo(presets()[name].demo)
    beside = {block: demo(other)[0] for block, other in others.items()}
    fields = dict(dataset["fields"])
    for block, other in beside.items():
        fields |= offered_beside(block, other["fields"])
    run = {
        "title": name,
        "pipeline": presets()[name].make(fields).to_json(),
        "dataset": dataset,
        "beside": beside,
        "steps": STEPS,
    }
    folder = RunFolder.create(tmp_path / "run", run)
    assert work(folder.path) == EXIT_DONE, folder.error()
    assert folder.result.is_file() and (folder.bundle / "manifest.json").is_file()
    findings = RunReader(folder.path).findings()
    listed = {(s.block, s.form) for s in sheets_of(findings)} if findings else set()
    assert set(RESULTS[name]) <= listed, listed
