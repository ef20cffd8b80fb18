"""A further data block is one entry: plan, command line, page and runs know it."""

import json
from dataclasses import replace

import numpy as np
import pytest

from app.canvas.graph import Drawing
from app.canvas.palette import Palette
from app.session.session import DatasetCard, Session
from diffbio_engine.command_line import _parser
from diffbio_engine.ports import DATA_BLOCKS
from diffbio_engine.runs.folder.run_spec import RunSpec
from diffbio_engine.runs.worker.open_run import open_run
from tests.command_line.small_run import cells, pipeline_document, write_inputs

FIELDS = {"counts": "X", "labels": "obs/kind"}


@pytest.fixture
def declared(monkeypatch):
    reference = DATA_BLOCKS["reference"]
    atlas = replace(reference, id="atlas", title="Atlas", one="the atlas", help="Of a whole body.")
    monkeypatch.setitem(DATA_BLOCKS, "atlas", atlas)


def test_a_further_block_is_opened_by_a_run_as_the_first_one_is(declared, tmp_path):
    write_inputs(tmp_path)
    cells(n=60, seed=3).write_h5ad(tmp_path / "atlas.h5ad")
    annotate = {"id": "annotate", "operator": "singlecell.cell_annotator"}
    document = pipeline_document(
        blocks=[{**annotate, "config": {"annotation_mode": "singler"}}],
        wires=[
            {"source": "data.counts", "target": "annotate.counts"},
            {"source": "atlas.profiles", "target": "annotate.reference_profiles"},
        ],
    )
    data = {"path": str(tmp_path / "cells.h5ad"), "fields": {"counts": "X"}}
    told = {"atlas": {"path": str(tmp_path / "atlas.h5ad"), "fields": FIELDS}}
    spec = RunSpec.from_json(json.loads(json.dumps(RunSpec(document, data, told).to_json())))
    opened = open_run(spec)
    assert opened.cells.label_names["atlas.profiles"] == ["type 0", "type 1", "type 2"]
    assert np.all(opened.cells.per_dataset["atlas.profiles"].sum(axis=1) > 0)
    asked = _parser().parse_args(["run", "--data", "x", "--atlas", "y.h5ad", "--out", "z"])
    assert asked.atlas.name == "y.h5ad" and asked.reference is None


def test_the_page_offers_it_and_keeps_it_apart_from_the_other(declared):
    session = Session()
    assert {b["id"] for b in Palette(session)._list.blocks} >= {"reference", "atlas"}
    session.document.add_block("reference")
    session.document.add_block("atlas")
    spec = session.document.spec
    assert spec.data_blocks == ("data", "reference", "atlas")
    assert len({spec.layout[b] for b in spec.data_blocks}) == 3
    card = DatasetCard("1", "body.h5ad", "/x/body.h5ad", 9, 9, FIELDS)
    session.use_dataset(card, "atlas")
    titles = {n["id"]: n["label"] for n in Drawing(session, ()).blocks()}
    assert titles == {"reference": "Reference", "atlas": "Atlas"}
    assert session.data.of("atlas") is card and session.data.of("reference") is None
    assert set(session.document.data_ports) >= {"reference.profiles", "atlas.profiles"}
