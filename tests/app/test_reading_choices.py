"""How a file is read is changed where it is shown, and goes with the data set into the run."""

import numpy as np
import pandas as pd
import pytest

from app.data.card_shown import shown
from app.data.view import DataPanel
from app.files.readers import opened
from app.session.datasets import card_with
from app.session.session import Session
from diffbio_engine.runs.folder.run_spec import RunSpec
from diffbio_engine.workspace import Room, Store


@pytest.fixture
def panel(tmp_path):
    session = Session()
    session.data_dir, session.store = tmp_path, Store(tmp_path)
    session.room = Room(tmp_path, lambda owner: [])
    return DataPanel(session)


@pytest.fixture
def table(tmp_path):
    counts = np.random.default_rng(0).poisson(1.0, (30, 8))
    names = [f"AT{1 + i % 5}G{10 * i + 1010:05d}" for i in range(30)]
    frame = pd.DataFrame(counts, index=names, columns=[f"plant{i}" for i in range(8)])
    frame.to_csv(tmp_path / "plants.csv")
    return tmp_path / "plants.csv"


def test_the_other_way_round_is_chosen_in_the_preview_and_kept_with_the_data_set(panel, table):
    session = panel.session
    known = session.store.register("local", table)
    panel._asked({"do": "look", "id": known.id})
    assert [c["name"] for c in shown(panel.card)["choices"]][:1] == ["orientation"]
    before = (panel.card.n_cells, panel.card.n_genes)
    other = next(o["value"] for o in shown(panel.card)["choices"][0]["possible"]
                 if o["value"] != shown(panel.card)["choices"][0]["taken"])  # fmt: skip
    panel._asked({"do": "reading", "name": "orientation", "value": other})
    assert (panel.card.n_cells, panel.card.n_genes) == before[::-1]
    assert card_with(session, known.id).reading == {"orientation": other}
    panel._asked({"do": "use"})
    assert session.data.card.reading == {"orientation": other}
    run = RunSpec.from_json({"pipeline": {}, "dataset": session.data.card.for_a_run})
    assert run.opened_data().n_cells == opened(session.data.card.source).n_cells == before[1]


@pytest.mark.parametrize("error", ["a sentence", "a fault of ours"])
def test_after_a_look_that_failed_the_file_before_cannot_be_used(panel, table, error, monkeypatch):
    known = panel.session.store.register("local", table)
    panel._asked({"do": "look", "id": known.id})
    assert panel.card is not None and panel._desk.preview
    bad = table.with_name("bad.h5ad")
    bad.write_bytes(b"no HDF5")
    if error == "a fault of ours":

        def fails(*_):
            raise KeyError("feature_type")

        monkeypatch.setattr("app.data.view.card_with", fails)
    panel._asked({"do": "look", "id": panel.session.store.register("local", bad).id})
    assert panel.card is None and not panel._desk.preview and panel._desk.problem["what"]
    panel._asked({"do": "use"})
    assert panel.session.data.card is None


def test_what_was_wrong_with_one_file_is_forgotten_when_another_is_brought(panel):
    panel._desk.problem = {"what": "a.fa does not begin with a record.", "fix": ""}
    panel._asked({"do": "brought"})
    assert panel._desk.problem == {}
