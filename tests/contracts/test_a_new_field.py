"""A field of a data set is declared in one place; page, suggestions and messages know it."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from app.data.card_shown import shown
from app.session.session import DatasetCard
from diffbio_engine.data import Dataset, open_source, resolve, suggest_fields
from diffbio_engine.data.inspection.preview import preview_of
from diffbio_engine.declare import DATA_PORTS, Kind, Port
from diffbio_engine.errors import DataError, UserError
from diffbio_engine.pipelines import plan
from diffbio_engine.pipelines.presets.preset import Preset
from diffbio_engine.pipelines.spec import Block, PipelineSpec, Wire
from diffbio_engine.ports import Offer

PH = Port(
    "acidity",
    "cells",
    Kind.SCORE,
    "Acidity of the medium of each cell.",
    offer=Offer(
        title="Acidity",
        help="The pH of the medium.",
        lacking="the pH of each cell's medium",
        columns=("acidity",),
    ),
)
WELLS = Port(
    "well_of_cells",  # nothing in its name says that its numbers are names
    "cells",
    Kind.LABELS,
    "Which well each cell is from.",
    offer=Offer(title="Well column", lacking="the well of each cell", columns=("well",)),
)


@pytest.fixture
def declared(monkeypatch):
    for port in (PH, WELLS):
        monkeypatch.setitem(DATA_PORTS, port.name, port)


@pytest.fixture
def dataset():
    random = np.random.default_rng(0)
    obs = pd.DataFrame(
        {"medium_acidity": np.linspace(6, 8, 40), "well": np.arange(40) % 4 + 1},
        index=[f"cell {i}" for i in range(40)],
    )
    return Dataset.from_anndata(ad.AnnData(random.poisson(2, (40, 5)).astype("float32"), obs=obs))


def test_a_file_with_such_a_column_is_suggested_for_it(declared, dataset):
    fields = dict(suggest_fields(preview_of(dataset)))
    assert fields["acidity"] == "obs/medium_acidity" and fields["well_of_cells"] == "obs/well"


def test_the_data_panel_lists_it_with_the_columns_that_could_be_it(declared, dataset):
    preview = preview_of(dataset)
    card = DatasetCard("1", "x", "x.h5ad", 40, 5, dict(suggest_fields(preview)), preview.as_dict())
    rows = {row["port"]: row for row in shown(card)["fields"]}
    acidity, wells = rows["acidity"], rows["well_of_cells"]
    assert (acidity["title"], acidity["help"]) == ("Acidity", "The pH of the medium.")
    assert acidity["place"] == "obs/medium_acidity"
    assert {o["title"] for o in acidity["options"]} == {"none", "medium_acidity", "well"}
    assert {o["title"] for o in wells["options"]} == {
        "none",
        "well (4 values)",
        "medium_acidity (40 values)",
    }


def test_its_values_are_read_as_its_kind_says(declared, dataset):
    fields = {"acidity": "obs/medium_acidity", "well_of_cells": "obs/well"}
    found = resolve(dataset, fields, fields)
    np.testing.assert_allclose(found["acidity"], np.linspace(6, 8, 40), rtol=1e-6)
    assert found["well_of_cells"].names == ["1", "2", "3", "4"]
    assert set(open_source(dataset, fields, fields).per_cell) == set(fields)


def test_where_it_lacks_a_person_reads_what_it_is_and_where_it_usually_lies(declared, dataset):
    with pytest.raises(DataError, match="acidity=obs/acidity"):
        resolve(dataset, {}, ["acidity"])
    spec = PipelineSpec(
        name="x",
        blocks=(Block("harmony", "singlecell.harmony"),),
        wires=(Wire("data.well_of_cells", "harmony.batch_labels"),),
    )
    with pytest.raises(UserError, match=r"needs the well of each cell.*well_of_cells"):
        plan(spec, {})
    preset = Preset("x", "X", "", lambda fields: spec, needs=("counts", "acidity"))
    assert preset.lacking({"counts": "X"}) == "the pH of each cell's medium"


def test_every_field_of_a_data_set_is_declared_in_words():
    for name, port in DATA_PORTS.items():
        assert port.offer and port.offer.lacking, name
        assert bool(port.offer.title) == bool(port.offer.help), name
