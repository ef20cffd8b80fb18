"""What goes into a spreadsheet stays text there."""

import numpy as np
import pandas as pd
import pytest

from diffbio_engine.data.writers.spreadsheet import as_csv


@pytest.mark.parametrize(
    "name",
    [
        "=1+1",
        "+cmd|' /C calc'!A0",
        "-2+3",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        " =1",
        "\ufeff=1",
        "\uff1d1",
    ],
)
def test_a_name_that_begins_like_a_formula_gets_an_apostrophe(name):
    table = pd.DataFrame({"gene": [name, "CD3D"], name: ["a", name]})
    header, first, *_ = as_csv(table).decode().split("\n", 2)
    assert f"'{name}" in as_csv(table).decode()
    assert header.startswith(("gene,'", "gene,\"'")) and first.startswith(("'", "\"'"))


def test_numbers_and_plain_names_stay_as_they_are():
    table = pd.DataFrame({"gene": ["CD3D", "HLA-A"], "score": [-1.5, np.nan], "n": [-1, 2]})
    assert as_csv(table) == b"gene,score,n\nCD3D,-1.5,-1\nHLA-A,,2\n"


def test_categories_are_guarded_too():
    assert b"'=x" in as_csv(pd.DataFrame({"type": pd.Categorical(["=x", "b"])}))
