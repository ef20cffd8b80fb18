"""A pipeline may have several data blocks: what a reference tells belongs to no cell of data."""

import json

import numpy as np
import pytest

from diffbio_engine.data import Records
from diffbio_engine.errors import PipelineError
from diffbio_engine.pipelines import (
    Block,
    DataPort,
    Pipeline,
    PipelineSpec,
    Wire,
    plan,
    ports_of,
    values_of_cells,
)
from diffbio_engine.pipelines.document_checks import SCHEMA
from diffbio_engine.ports import DATA_BLOCKS, field_of, port_of_field, start_of

BY_REFERENCE = PipelineSpec(
    "By reference",
    (Block("annotate", "singlecell.cell_annotator", {"annotation_mode": "singler"}),),
    (
        Wire("data.counts", "annotate.counts"),
        Wire("reference.profiles", "annotate.reference_profiles"),
    ),
)
PROFILES = np.array([[9, 1, 1, 1], [1, 9, 1, 1], [1, 1, 9, 9]], np.float32)
COUNTS = np.array([[8, 0, 1, 0], [0, 1, 7, 9], [1, 5, 1, 1], [0, 8, 0, 2], [5, 1, 1, 1]], "f4")
FIELD = "reference.profiles"


def words(spec, data):
    with pytest.raises(PipelineError) as caught:
        plan(spec, data)
    return str(caught.value)


def test_a_field_of_the_data_has_its_plain_name_and_one_of_another_block_its_address():
    for block in DATA_BLOCKS.values():
        for name, port in block.ports.items():
            field = name if block.id == "data" else f"{block.id}.{name}"
            assert field_of(start_of(field)) == field and port_of_field(field) is port
    assert port_of_field("nothing") is None and port_of_field("reference.counts") is None


def test_sizes_and_names_of_types_come_from_the_reference():
    offered = {"counts": DataPort.named("counts", 4), FIELD: DataPort.named(FIELD, 3, 4)}
    planned = plan(BY_REFERENCE, offered)
    assert planned.needed_fields == ("counts", FIELD)
    assert planned.blocks["annotate"].config.n_cell_types == 3
    assert planned.blocks["annotate"].shapes["cell_type_probabilities"] == (None, 3)
    assert planned.port(FIELD).axis_names == ("classes", "genes")


def test_every_cell_of_the_data_meets_the_whole_of_the_reference():
    cells = Records(COUNTS, per_dataset={FIELD: PROFILES})
    pipeline = Pipeline(plan(BY_REFERENCE, ports_of(cells, {})))
    port = "annotate.cell_type_labels"
    found = values_of_cells(pipeline, cells, (port,))[port]
    np.testing.assert_array_equal(found, [0, 2, 1, 1, 0])
    result, _, _ = pipeline.apply({"counts": COUNTS, FIELD: PROFILES})
    np.testing.assert_array_equal(result[port], found)
    some = cells.subset(np.array([1, 2]))
    np.testing.assert_array_equal(values_of_cells(pipeline, some, (port,))[port], [2, 1])


def test_what_belongs_to_cells_of_the_reference_is_refused_at_a_block_of_the_data():
    spec = PipelineSpec(
        "Wrong",
        (Block("cluster", "singlecell.soft_kmeans"),),
        (Wire("reference.embeddings", "cluster.embeddings"),),
    )
    said = words(spec, {"embeddings": DataPort.named("embeddings", 4)})
    assert "none of its rows belongs to one of data" in said and "profiles" in said


def test_a_reference_that_is_not_chosen_is_said_to_be_missing():
    said = words(BY_REFERENCE, {"counts": DataPort.named("counts", 4)})
    assert said == (
        "annotate: needs profiles of the types of a reference, which the reference does not offer."
        " Choose a data set as the reference, and where its counts and labels lie."
    )


def test_profiles_do_not_pass_for_a_profile_of_one_row():
    spec = PipelineSpec(
        "Wrong",
        (Block("ambient", "singlecell.ambient_removal"),),
        (
            Wire("data.counts", "ambient.counts"),
            Wire("reference.profiles", "ambient.ambient_profile"),
        ),
    )
    offered = {"counts": DataPort.named("counts", 4), FIELD: DataPort.named(FIELD, 3, 4)}
    assert "needs profile (genes); reference.profiles is profile (classes genes)" in words(
        spec, offered
    )


def test_a_document_keeps_it_and_no_block_may_take_its_name():
    document = json.loads(json.dumps(BY_REFERENCE.to_json()))
    assert (
        document["schema"] == SCHEMA
        and PipelineSpec.from_json(document).wires == BY_REFERENCE.wires
    )
    assert BY_REFERENCE.data_blocks == ("data", "reference")
    assert PipelineSpec("Plain").data_blocks == ("data",)
    document["blocks"][0]["id"] = "reference"
    with pytest.raises(PipelineError, match="'data' and 'reference' are taken"):
        PipelineSpec.from_json(document)
