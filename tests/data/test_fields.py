"""Ports find their arrays, and a person learns what to write when they do not."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import zoo

from diffbio_engine.data import (
    Dataset,
    Fields,
    align_genes,
    batch_candidates,
    labels_of,
    open_source,
    resolve,
)
from diffbio_engine.data.fields.suggestions import suggest_fields
from diffbio_engine.data.inspection.preview import preview_of
from diffbio_engine.errors import DataError


@pytest.fixture
def dataset():
    adata = zoo.new_anndata()
    adata.obs["one_value"] = "only"
    adata.obs["n_umi"] = zoo.COUNTS.sum(1)
    adata.obs["donor"] = [1, 2, 3, 4] * 10
    adata.var["soup"] = 2.0
    return Dataset.from_anndata(adata)


def test_a_field_is_written_as_port_equals_place():
    assert dict(Fields.parse(["batch_labels=obs/batch", "counts = layers/counts"])) == {
        "batch_labels": "obs/batch",
        "counts": "layers/counts",
    }
    with pytest.raises(DataError, match=r"Write it as batch_labels=obs/batch"):
        Fields.parse(["batch"])
    with pytest.raises(DataError, match=r"counts: 'matrix' is no place in a data set"):
        Fields({"counts": "matrix"})


def test_every_sort_of_place_gives_its_array(dataset):
    fields = Fields(
        {
            "counts": "X",
            "batch_labels": "obs/batch",
            "embeddings": "obsm/X_pca",
            "features": "X",
            "size": "obs/n_umi",
            "ambient_profile": "var/soup",
        }
    )
    found = resolve(dataset, fields, fields)
    assert found["counts"].dtype == np.float32 and found["counts"].format == "csr"
    assert found["batch_labels"].codes.dtype == np.int32
    assert found["batch_labels"].names == ["a", "b"]
    np.testing.assert_array_equal(found["features"], zoo.COUNTS)
    np.testing.assert_array_equal(found["size"], zoo.COUNTS.sum(1))
    np.testing.assert_allclose(found["ambient_profile"], np.full(12, 1 / 12))


def test_the_ambient_profile_is_the_pooled_profile(dataset):
    everything = resolve(dataset, Fields({"ambient_profile": "ambient:mean", "counts": "X"}),
                         ["ambient_profile"])["ambient_profile"]  # fmt: skip
    np.testing.assert_allclose(everything, zoo.COUNTS.sum(0) / zoo.COUNTS.sum(), rtol=1e-6)
    place = "ambient:mean-of-low-count-cells"
    low = resolve(dataset, Fields({"ambient_profile": place}), ["ambient_profile"])
    totals = zoo.COUNTS.sum(1)
    poor = zoo.COUNTS[totals <= np.quantile(totals, 0.1)]
    np.testing.assert_allclose(low["ambient_profile"], poor.sum(0) / poor.sum(), rtol=1e-6)


def test_a_misspelt_column_is_met_with_the_nearest_one(dataset):
    with pytest.raises(DataError, match=r"batch_labels: The column 'bacth' is not in obs\. Did you "
                                        r"mean 'batch'\?"):  # fmt: skip
        resolve(dataset, {"batch_labels": "obs/bacth"}, ["batch_labels"])
    with pytest.raises(DataError, match=r"'X_tsne' is not in obsm; there are: X_pca"):
        resolve(dataset, {"embeddings": "obsm/X_tsne"}, ["embeddings"])
    with pytest.raises(DataError, match=r"no matrix 'layers/counts' in data; there are X"):
        resolve(dataset, {"counts": "layers/counts"}, ["counts"])
    with pytest.raises(DataError, match=r"not known where to find 'counts'.*counts=layers/counts"):
        resolve(dataset, {}, ["counts"])


def test_a_batch_column_with_one_value_is_refused_when_batches_are_corrected(dataset):
    fields = Fields({"batch_labels": "obs/one_value", "embeddings": "obsm/X_pca"})
    sentence = r"The batch column 'one_value' has one value \('only'\) for all 40 cells.*Choose a"
    with pytest.raises(DataError, match=sentence):
        open_source(dataset, fields, fields, several_batches=True)
    assert open_source(dataset, fields, fields).label_names == {"batch_labels": ["only"]}


def test_batch_columns_are_suggested_by_name_and_number_of_values(dataset):
    assert batch_candidates(preview_of(dataset)) == [("obs/batch", 2), ("obs/donor", 4)]


@pytest.mark.parametrize("name", ["condition", "stim", "treatment"])
def test_a_treatment_is_suggested_as_condition_and_never_as_batch(dataset, name):
    obs = [replace(c, name=name) if c.name == "batch" else c for c in preview_of(dataset).obs]
    preview = replace(preview_of(dataset), obs=[c for c in obs if c.name != "donor"])
    assert batch_candidates(preview) == []
    suggested = dict(suggest_fields(preview))
    assert suggested["condition_labels"] == f"obs/{name}" and "batch_labels" not in suggested


def test_cells_without_a_value_become_unassigned():
    labels = labels_of(pd.Series(pd.Categorical(["b", None, "a"], categories=["a", "b", "c"])))
    assert labels.names == ["a", "b", "unassigned"]
    assert labels.codes.tolist() == [1, 2, 0]
    numbers = labels_of(pd.Series([2.0, np.nan, 10.0]))
    assert (numbers.names, numbers.codes.tolist()) == (["2", "10", "unassigned"], [0, 2, 1])


def test_features_that_are_not_finite_are_refused(dataset):
    dataset.obsm["X_pca"][3, 0] = np.nan
    with pytest.raises(DataError, match=r"obsm/X_pca has values that are not finite in 1 of 40"):
        resolve(dataset, {"embeddings": "obsm/X_pca"}, ["embeddings"])


def test_genes_are_matched_by_name_then_by_id_whatever_the_version():
    found = align_genes(
        ["B", "X9", "A", "unused"],
        ["ENSG00000000002.3", "ENSG00000000003.7", "ENSG00000000001.1", "ENSG00000000009"],
        ["A", "B", "C", "D"],
        ["ENSG00000000001", "ENSG00000000002", "ENSG00000000003", "ENSG00000000004"],
    )
    assert found.columns.tolist() == [2, 0, 1, -1]
    assert (found.by_name, found.by_id, found.missing) == (2, 1, ("D",))
    assert found.sentence == (
        "75% of 4 genes found (3, 1 of them by id); 1 filled with 0 (D); "
        "1 genes of the new data are not used. With less than 80% of the genes the result may be"
        " wrong, however certain it looks: cells are placed as if the others were silent."
    )
    np.testing.assert_array_equal(found.take(np.array([[1.0, 2, 3, 4]])), [[3, 1, 2, 0]])


def test_no_shared_genes_shows_names_of_both_sides():
    new, trained = [f"mt-{i}" for i in range(9)], [f"MT-{i}" for i in range(9)]
    with pytest.raises(DataError, match=r"share no genes.*mt-0, .*mt-4; .*MT-0, .*MT-4\."):
        align_genes(new, None, trained)


def test_a_source_can_be_seen_through_trained_genes(dataset):
    source = open_source(
        dataset, Fields({"counts": "X", "ambient_profile": "ambient:mean"}),
        ["counts", "ambient_profile"],
    )  # fmt: skip
    trained = ["GENE5", "NEW", "GENE2"]
    seen = source.aligned(align_genes(source.var_names, source.var_ids, trained))
    assert seen.n_genes == 3
    np.testing.assert_array_equal(
        seen.rows("counts", [7])[0], [zoo.COUNTS[7, 5], 0, zoo.COUNTS[7, 2]]
    )
    np.testing.assert_array_equal(seen.chunk(3, 5)[:, 1], 0)
    assert seen.per_dataset["ambient_profile"].sum() == pytest.approx(1)
