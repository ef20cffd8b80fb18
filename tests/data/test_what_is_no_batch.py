"""What a study asks about is never corrected away in silence, and not all labels are types."""

import anndata
import numpy as np
import pandas as pd
import pytest

from diffbio_engine.data import Dataset
from diffbio_engine.data.fields.suggestions import suggest
from diffbio_engine.data.inspection.column_names import called_labels
from diffbio_engine.data.inspection.preview import ColumnPreview, preview_of
from diffbio_engine.data.inspection.times_as_names import named_by_time

COUNTS = np.random.default_rng(0).poisson(1.0, (120, 8)).astype(np.float32)


def told(**obs):
    table = {name: np.resize(values, 120) for name, values in obs.items()}
    index = [f"c{i}" for i in range(120)]
    data = anndata.AnnData(COUNTS, obs=pd.DataFrame(table, index=index))
    found = suggest(preview_of(Dataset.from_anndata(data)))
    return found.fields.get("batch_labels"), " ".join(found.notes)


@pytest.mark.parametrize(
    ("obs", "asked"),
    [
        ({"sample": ["S1", "S2"], "condition": ["ctrl", "stim"]}, "condition"),
        ({"sample": ["A", "B", "C"], "day": ["D0", "D3", "D7"]}, "day"),
        ({"donor": ["A", "B", "C"], "day": [0, 3, 7]}, "day"),
        ({"orig.ident": ["x", "y", "z"], "disease": ["MS", "RA", "SLE"]}, "disease"),
    ],
)
def test_a_batch_that_goes_one_to_one_with_a_condition_or_time_is_not_taken(obs, asked):
    batch, notes = told(**obs)
    assert batch is None and f"one group for each value of obs/{asked}" in notes
    # Several samples of each are batches, with nothing to say.
    name = next(iter(obs))
    values = [f"{v}{i}" for i in "xy" for v in obs[name]]
    batch, notes = told(**{name: values, asked: [*obs[asked], *obs[asked]]})
    assert batch == f"obs/{name}" and "one group" not in notes
    # Who calls it a batch means it, and is told; another column takes its place.
    batch, notes = told(batch=obs[name], **{asked: obs[asked]})
    assert batch == "obs/batch" and "taken as the batch, by its name. But" in notes
    batch, _ = told(**obs, lane=["1", "2", "3", "4", "5"])
    assert batch == "obs/lane"


def test_samples_that_are_named_by_times_are_no_batches():
    batch, notes = told(sample=["D0", "D3", "D7"])
    assert batch is None and "obs/sample (D0, D3, D7) looks like times" in notes
    for values in (["12h", "24h", "0h"], ["E8.5", "E9.5"], ["day 2", "day 10"], ["D2", "D7"]):
        assert named_by_time("sample", values), values
    for values in (
        ["1", "2", "3"], ["D1", "D2", "D3"], ["P1", "P4"], ["S1", "S3", "S4"], ["M2", "M5"],
        ["D0_1", "D0_2"], ["T1", "T3"], ["a", "b"], ["GSM1", "GSM2"],
    ):  # fmt: skip
        assert not named_by_time("sample", values), values
    assert not named_by_time("donor_id", ["D1", "D2", "D5"])


def named(name, *values):
    return [ColumnPreview(name, "categorical", len(values), 0, (), values)]


def test_what_is_known_of_droplets_or_people_are_no_types_of_cells():
    for name in (
        "demux_type", "doublet_label", "hashing_label", "HTO_type", "dropout_labels", "diet_type",
        "blood_type", "treatment_label", "sex_label", "age_label", "ethnicity.labels", "qc_label",
        "scrublet_label", "condition_label", "time_label", "organ_type",
    ):  # fmt: skip
        assert called_labels(named(name, "a", "b", "c")) == [], name
    for values in (
        ("singlet", "doublet", "unassigned"), ("Singlet", "Doublet", "Negative"), ("True", "False"),
        ("pass", "fail"), ("female", "male"), ("SNG", "DBL", "AMB"),
    ):  # fmt: skip
        assert called_labels(named("label", *values)) == [], values
    for name in (
        "cell_type", "labels", "blood_celltype", "bulk_labels", "seurat_annotations", "leiden",
        "louvain", "majorType", "predicted.celltype.l2", "cell_type_stage", "known_type",
    ):  # fmt: skip
        assert called_labels(named(name, "T", "B", "unassigned")) == [name], name
    assert called_labels(named("cell_type", "T cell", "Doublet", "Negative")) == ["cell_type"]
