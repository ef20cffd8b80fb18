"""Records are rows of one kind; what is known of each is asked for by its name."""

import anndata
import numpy as np
import pandas as pd
import pytest

from diffbio_engine.data import CellSource, Dataset, Records, open_source
from diffbio_engine.errors import DataError
from diffbio_engine.pipelines import ports_of

COUNTS = np.arange(12, dtype=np.float32).reshape(4, 3)
DONORS = np.array([0, 1, 0, 1], np.int32)


def test_counts_are_a_field_like_every_other():
    samples = Records(COUNTS, {"batch_labels": DONORS}, record="samples")
    assert samples.n == 4 and samples.record.one == "sample"
    assert samples.fields == {"counts": (3,), "batch_labels": ()}
    np.testing.assert_array_equal(samples.rows("counts", [3, 1]), COUNTS[[3, 1]])
    np.testing.assert_array_equal(samples.rows("batch_labels", [3, 1]), DONORS[[3, 1]])
    np.testing.assert_array_equal(samples.batch([3, 1])["counts"], COUNTS[[3, 1]])
    assert set(ports_of(samples, {"batch_labels": 2})) == {"counts", "batch_labels"}
    with pytest.raises(DataError, match="No field 'batch_label' is known of these samples"):
        samples.rows("batch_label", [0])


def test_names_along_the_axes_go_with_the_records():
    obs, var = pd.DataFrame(index=list("abcd")), pd.DataFrame(index=["CD3D", "LYZ", "MS4A1"])
    dataset = Dataset.from_anndata(anndata.AnnData(COUNTS, obs, var))
    cells = open_source(dataset, {"counts": "X"}, ["counts"], counts_must_be_raw=False)
    some = cells.subset(np.array([2, 0]))
    assert list(some.names["cells"]) == ["c", "a"]
    assert list(some.names["genes"]) == ["CD3D", "LYZ", "MS4A1"]


def test_the_name_and_the_keywords_of_notebooks_still_work():
    cells = CellSource(COUNTS, per_cell={"batch_labels": DONORS})
    assert cells.n_cells == 4 and cells.record.name == "cells"
    assert cells.per_cell is cells.per_record
