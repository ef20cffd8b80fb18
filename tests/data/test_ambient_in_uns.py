"""The profile of empty droplets is found in ``uns``, by its name and by adding up to one."""

import numpy as np
import pandas as pd
import pytest
import zoo

from diffbio_engine.data import Dataset, Fields, inspect, read, resolve

SHARES = np.arange(1.0, 13.0) / 78


def saved(path, **uns):
    data = zoo.new_anndata()
    data.uns = uns
    data.write_h5ad(path)
    return path, data


@pytest.mark.parametrize(
    "uns, place",
    [
        ({"ambient_profile": SHARES}, "uns/ambient_profile"),
        ({"soupx": {"soup_profile": SHARES}}, "uns/soupx/soup_profile"),
        ({"background": {"shares": SHARES[:, None]}}, "uns/background/shares"),
        (
            {"soupProfile": pd.DataFrame({"est": SHARES, "counts": SHARES * 78}, zoo.GENES)[::-1]},
            "uns/soupProfile/est",
        ),
    ],
)
def test_it_is_taken_by_its_name_and_its_sum_and_that_is_said(tmp_path, uns, place):
    path, data = saved(tmp_path / "x.h5ad", **uns)
    preview = inspect(path)
    assert preview.suggested["ambient_profile"] == place
    assert f"The profile of empty droplets is taken from {place}." in preview.warnings
    for dataset in (read(path), Dataset.from_anndata(data)):
        found = resolve(dataset, Fields({"ambient_profile": place}), ["ambient_profile"])
        np.testing.assert_allclose(found["ambient_profile"], SHARES, rtol=1e-6)
    assert Dataset.from_anndata(data).profiles == (place,)


@pytest.mark.parametrize(
    "uns",
    [
        {"ambient_profile": SHARES[:11]},  # of other genes
        {"ambient_profile": SHARES * 5},  # adds up to five
        {"hvg_profile": SHARES},  # called otherwise
        {"ambient_profile": np.arange(12)},
    ],
)
def test_what_is_none_is_not_taken(tmp_path, uns):
    path, _ = saved(tmp_path / "x.h5ad", **uns)
    assert inspect(path).suggested["ambient_profile"] == "ambient:mean-of-low-count-cells"


def test_of_the_features_that_are_kept_the_shares_add_up_to_one(tmp_path):
    data = zoo.new_anndata()
    data.var["feature_types"] = ["Gene Expression"] * 10 + ["Antibody Capture"] * 2
    data.uns["ambient"] = SHARES
    data.write_h5ad(tmp_path / "x.h5ad")
    dataset = read(tmp_path / "x.h5ad")
    fields = Fields({"ambient_profile": "uns/ambient"})
    found = resolve(dataset, fields, fields)["ambient_profile"]
    np.testing.assert_allclose(found, SHARES[:10] / SHARES[:10].sum(), rtol=1e-6)
