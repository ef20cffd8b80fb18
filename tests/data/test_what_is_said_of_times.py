"""What is taken for a time, what is not and why, and what a person may say of it."""

import anndata
import numpy as np
import pandas as pd
import pytest
import zoo

from diffbio_engine.command_line.look import in_words
from diffbio_engine.data import Fields, inspect, open_source, read
from diffbio_engine.data.genes.spreadsheet_names import was_changed
from diffbio_engine.errors import DataError


def saved(path, **obs):
    made = pd.DataFrame({k: np.resize(np.array(v, object), 40) for k, v in obs.items()}, zoo.CELLS)
    for column in made:
        made[column] = pd.Categorical(made[column])
    anndata.AnnData(zoo.COUNTS, obs=made, var=pd.DataFrame(index=zoo.GENES)).write_h5ad(path)
    return path


def note(preview, word):
    return next((w for w in preview.warnings if word in w), "")


def test_batches_that_lie_in_one_time_each_are_said(tmp_path):
    days = ["d0"] * 4 + ["d5"] * 4
    nested = inspect(saved(tmp_path / "x.h5ad", batch=list("aabbccdd"), day=days))
    assert nested.suggested["batch_labels"] == "obs/batch"
    told = "Each group of obs/batch lies in one of obs/day only"
    assert note(nested, told) and "Choose none" in note(nested, told)
    crossed = inspect(saved(tmp_path / "y.h5ad", batch=list("abcdabcd"), day=days))
    assert not note(crossed, "lies in one of")


@pytest.mark.parametrize(
    "column, values, why",
    [
        ("day", ["d1", "wt2x", "ko"], "have no number that can be read as a time"),
        ("time", ["3 h", "2"], "different units that cannot be compared"),
        ("day", ["d3"], "it has one value"),
        ("stage", ["25-year-old stage", "30-year-old stage"], "how old somebody was ('2"),
    ],
)
def test_why_a_column_called_like_a_time_is_none_is_said(tmp_path, column, values, why):
    preview = inspect(saved(tmp_path / "x.h5ad", **{column: values}))
    assert "time_points" not in preview.suggested
    said = note(preview, f"obs/{column} is called like a time, and is not taken for one")
    assert why in said


def test_a_second_time_is_named(tmp_path):
    preview = inspect(saved(tmp_path / "x.h5ad", time=["0", "1", "2"], day=["0", "1"]))
    assert preview.suggested["time_points"] == "obs/day"
    assert "obs/time could be taken instead" in note(preview, "Times in obs/day")


def test_what_m_stands_for_is_said_and_can_be_changed(tmp_path):
    path = saved(tmp_path / "x.h5ad", time=["1d", "90m", "30m"])
    preview = inspect(path)
    choice = next(c for c in preview.choices if c.name == "m")
    assert choice.taken == "months" and "m is taken for months" in note(preview, "Times in")
    assert any("--m 'minutes'" in line for line in in_words(preview.as_dict()))
    changed = inspect(path, m="minutes")
    assert "30m → 90m → 1d" in note(changed, "Times in obs/time")
    assert "as you said" in note(changed, "Times in obs/time")
    fields = Fields({"time_points": "obs/time"})
    assert open_source(read(path, m="min"), fields, fields).label_names["time_points"] == [
        "30m", "90m", "1d"]  # fmt: skip
    assert open_source(read(path), fields, fields).label_names["time_points"] == [
        "1d", "30m", "90m"]  # fmt: skip
    with pytest.raises(DataError, match="'metres' is no m"):
        inspect(path, m="metres")
    hours = inspect(saved(tmp_path / "y.h5ad", time=["1h", "2h"]))
    assert not [c for c in hours.choices if c.name == "m"]


def test_genes_that_a_spreadsheet_made_dates_are_said_with_what_they_were(tmp_path):
    genes = [*zoo.GENES[:8], "1-Mar", "2-Sep", "43891", "2.31E+13"]
    pd.DataFrame(zoo.COUNTS.astype(int), zoo.CELLS, genes).to_csv(tmp_path / "x.csv")
    said = note(inspect(tmp_path / "x.csv"), "4 gene names look like dates or numbers")
    assert "a spreadsheet has changed them (MARCH1 -> 1-Mar, SEPT2 -> 2-Sep)" in said
    twice = [*zoo.GENES[:10], "1-Mar", "1-Mar"]  # MARCH1 and MARC1
    pd.DataFrame(zoo.COUNTS.astype(int), zoo.CELLS, twice).to_csv(tmp_path / "y.csv")
    assert note(inspect(tmp_path / "y.csv"), "2 gene names look like dates")


@pytest.mark.parametrize(
    "name, changed",
    [("1-Mar", 1), ("Sep-02", 1), ("1-Dec-21", 1), ("2021-09-02 00:00:00", 1), ("44256", 1),
     ("5.73E+08", 1), ("sep-1", 0), ("MARCH1", 0), ("APR-246", 0), ("HLA-A", 0), ("7157", 0),
     ("RP11-34P13.7", 0), ("1-Marx1", 0)],
)  # fmt: skip
def test_a_changed_name_is_told_from_a_gene(name, changed):
    assert was_changed(name) == bool(changed)
