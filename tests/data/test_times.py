"""Times stand in the order of time, whatever a person writes, or are refused in words."""

import numpy as np
import pandas as pd
import pytest
import zoo

from diffbio_engine.data import Dataset, Fields, open_source
from diffbio_engine.data.inspection.times import parse_time, time_codes, times_in_order
from diffbio_engine.errors import DataError


@pytest.mark.parametrize(
    ("written", "order"),
    [
        (["day 10", "day 2", "day 21"], ["day 2", "day 10", "day 21"]),
        (["D0", "D14", "D7"], ["D0", "D7", "D14"]),
        (["E9.5", "E10.5", "E8.25", "E13"], ["E8.25", "E9.5", "E10.5", "E13"]),
        (["P7", "E18.5", "P0", "adult"], ["E18.5", "P0", "P7", "adult"]),
        (["8-12h", "0-4h", "4-8h"], ["0-4h", "4-8h", "8-12h"]),
        (["E9.5-E10.5", "E8.5-E9.5"], ["E8.5-E9.5", "E9.5-E10.5"]),
        (["2 wk", "12h", "3 days"], ["12h", "3 days", "2 wk"]),
        (["2dpf", "24 hpf", "10hpf"], ["10hpf", "24 hpf", "2dpf"]),
        (["GW22", "GW9"], ["GW9", "GW22"]),
        (["24m", "3m"], ["3m", "24m"]),
        (["T10", "T2"], ["T2", "T10"]),
        (["90 min", "1 h", "0"], ["0", "1 h", "90 min"]),
        (["10", "9", "2.5"], ["2.5", "9", "10"]),
        (["post", "pre"], ["pre", "post"]),
        (["72 hours post infection", "8 hours post infection"],
         ["8 hours post infection", "72 hours post infection"]),
    ],
)  # fmt: skip
def test_times_as_text_stand_in_the_order_of_time(written, order):
    assert times_in_order(written).names == order
    codes, names, _ = time_codes(pd.Series(pd.Categorical(written)), "obs/day")
    assert [names[c] for c in codes] == written


def test_the_unit_and_what_was_converted_are_said():
    assert (
        times_in_order(["d10", "d2"], "obs/day").sentence == "Times in obs/day: d2 → d10 (in days)."
    )
    told = times_in_order(["24h", "1 d", "2 wk"], "obs/t")
    assert told.names == ["24h", "2 wk"] and told.place == {"24h": 0, "1 d": 0, "2 wk": 1}
    assert "days and hours and weeks were converted" in told.sentence
    assert "1 more name stands for a time that is there already" in told.sentence
    assert parse_time("day2_rep1") is parse_time("WT") is None


@pytest.mark.parametrize(
    ("written", "order", "said"),
    [
        (["1h", "30m", "2h"], ["30m", "1h", "2h"], "m is taken for minutes"),
        (["5m", "30s", "1 h"], ["30s", "5m", "1 h"], "m is taken for minutes"),
        (["1d", "90m", "2h"], ["90m", "2h", "1d"], "m is taken for minutes"),
        (["3m", "2w", "1y"], ["2w", "3m", "1y"], "m is taken for months"),
        (["3M", "24M"], ["3M", "24M"], "m is taken for months; write min for minutes"),
    ],
)  # fmt: skip
def test_m_is_minutes_beside_hours_and_months_beside_weeks(written, order, said):
    told = times_in_order(written)
    assert told.names == order and said in told.sentence


@pytest.mark.parametrize(
    ("written", "order", "minus"),
    [
        (["D0", "D7", "D-7"], ["D-7", "D0", "D7"], True),
        (["Week0", "Week-2", "Week4"], ["Week-2", "Week0", "Week4"], True),
        (["Day 0", "Day-1", "Day-3"], ["Day-3", "Day-1", "Day 0"], True),
        (["D7", "D−7"], ["D−7", "D7"], True),
        (["Day-10", "Day-0", "Day-3"], ["Day-0", "Day-3", "Day-10"], False),
        (["D-7", "D-3"], ["D-3", "D-7"], False),
    ],
)  # fmt: skip
def test_a_hyphen_is_a_minus_where_other_names_stand_without_one(written, order, minus):
    told = times_in_order(written)
    assert told.names == order
    assert f"is {'' if minus else 'not '}taken for a minus" in told.sentence
    assert "minus" not in times_in_order(["day -7", "day 0"]).sentence


@pytest.mark.parametrize(
    "written", [["12h", "3"], ["2 d", "24hpf"], ["E10.5", "GW12"], ["HH14", "day 3"]]
)
def test_units_that_do_not_compare_are_never_mixed(written):
    with pytest.raises(DataError, match=r"different units that cannot be compared.*in one unit"):
        times_in_order(written, "obs/day")


def test_names_without_a_time_are_refused_unless_the_file_orders_them():
    column = pd.Series(pd.Categorical(["b", "a"] * 3, categories=["b", "a"]))
    with pytest.raises(DataError, match="obs/stage cannot be put in order: 'b', 'a' have no numb"):
        time_codes(column, "obs/stage")
    codes, names, notes = time_codes(column.cat.as_ordered(), "obs/stage")
    assert names == ["b", "a"] and codes.tolist() == [0, 1] * 3
    assert "as the file orders them" in notes[0]


def test_a_missing_time_is_no_time_and_is_counted():
    data = zoo.new_anndata()
    data.obs["day"] = pd.Categorical(["day 10", None, "day 2", "unknown"] * 10)
    dataset = Dataset.from_anndata(data)
    fields = Fields({"counts": "X", "time_points": "obs/day"})
    cells = open_source(dataset, fields, ("counts", "time_points"))
    assert cells.label_names["time_points"] == ["day 2", "day 10"]
    assert cells.per_cell["time_points"].tolist() == [1, -1, 0, -1] * 10
    assert "20 of 40 cells have no time in obs/day" in cells.notes[1]
    data.obs["day"] = np.where(np.arange(40) % 2, np.nan, 3.0)
    cells = open_source(Dataset.from_anndata(data), fields, ("time_points",))
    assert cells.label_names["time_points"] == ["3"]
    assert cells.per_cell["time_points"].tolist() == [0, -1] * 20
