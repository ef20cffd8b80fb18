"""What a second data set tells of its types, over the genes of the data in use."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from diffbio_engine.data import Dataset, Records
from diffbio_engine.data.fields.type_profiles import type_profiles
from diffbio_engine.data.kinds import kinds
from diffbio_engine.errors import DataError

FIELDS = {"counts": "X", "labels": "obs/kind"}
GENES = ["A", "B", "C", "D"]


def reference(genes=("D", "B", "E"), kinds=("x", "y", "x", "unknown", "y"), counts=None, **var):
    counts = np.array([[1, 2, 9], [0, 4, 9], [3, 0, 9], [7, 7, 9], [2, 0, 9]], np.float32)
    obs = pd.DataFrame({"kind": list(kinds)}, index=[f"c{i}" for i in range(len(kinds))])
    table = pd.DataFrame(var, index=list(genes))
    found = ad.AnnData(sp.csr_matrix(counts[: len(kinds)]), obs=obs, var=table)
    return Dataset.from_anndata(found, name="atlas.h5ad")


def test_profiles_are_the_mean_counts_of_each_type_over_the_genes_of_the_data():
    found = type_profiles(reference(), FIELDS, ["D", "A", "B"], None)
    assert found.names == ["x", "y"]
    # D of type x: cells with 1 and 3; A is no gene of the reference; B of y: 4 and 0.
    np.testing.assert_array_equal(found.codes, [[2, 0, 1], [1, 0, 2]])
    assert found.codes.dtype == np.float32
    assert found.notes[0] == "2 of 3 genes of the data are in the reference atlas.h5ad."
    assert "1 of 5 cells of the reference have no known type" in found.notes[1]


def test_genes_are_matched_by_id_where_their_names_differ():
    named = reference(genes=("d", "b", "e"), gene_ids=["ENSG01.3", "ENSG02.1", "ENSG03"])
    found = type_profiles(named, FIELDS, ["D", "B"], ["ENSG01", "ENSG02"])
    np.testing.assert_array_equal(found.codes, [[2, 1], [1, 2]])


def test_a_look_finds_the_same_mistakes_without_the_pass_over_the_counts():
    found = type_profiles(reference(), FIELDS, GENES, None, measure=False)
    assert found.codes.shape == (2, 4) and not found.codes.any()
    with pytest.raises(DataError, match="shares no genes with the data"):
        type_profiles(reference(), FIELDS, ["P", "Q"], None, measure=False)


@pytest.mark.parametrize(
    "dataset, fields, genes, words",
    [
        (reference(), {"counts": "X"}, GENES, "labels: .* the cell types of its cells"),
        (reference(), {"labels": "obs/kind"}, GENES, "counts: .* its raw counts"),
        (reference(kinds="xxxxx"), FIELDS, GENES, "labels: .* has 1 different values"),
        (reference(), FIELDS, ["E", "P", "Q"], "genes: .* shares only 1 genes with the data"),
        (reference(), {**FIELDS, "counts": "layers/no"}, GENES, "layers/no|no"),
    ],
)
def test_what_makes_no_profiles_is_refused_in_words(dataset, fields, genes, words):
    with pytest.raises(DataError, match=words):
        type_profiles(dataset, fields, genes, None)


def test_a_column_with_a_name_for_each_cell_is_no_column_of_types():
    n = 600
    cells = ad.AnnData(
        sp.csr_matrix(np.ones((n, 2), np.float32)),
        obs=pd.DataFrame({"kind": [f"k{i}" for i in range(n)]}, index=[str(i) for i in range(n)]),
        var=pd.DataFrame(index=["A", "B"]),
    )
    with pytest.raises(DataError, match="600 different values: these are hardly types"):
        type_profiles(Dataset.from_anndata(cells), FIELDS, ["A", "B"], None)


def test_a_kind_of_data_without_genes_says_that_it_has_no_profiles():
    records = Records(np.ones((3, 2)), var_names=["A", "B"])
    for kind in kinds().values():
        with pytest.raises(DataError, match=rf"is of {kind.name}, which have no portraits"):
            kind.beside("portraits", reference(), FIELDS, records)
