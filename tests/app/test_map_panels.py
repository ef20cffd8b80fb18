"""All maps beside one another: the same cells in the same colours."""

import io

import numpy as np
from PIL import Image

from app.map.drawing import draw, drawing_order
from app.map.gallery import usual_rows
from app.map.panels import as_panels
from app.map.view_state import MapViewState
from app.session.dataset_card import DatasetCard
from tests.runs.drawn import drawn


def maps(n=200):
    rng = np.random.default_rng(0)
    labels = (np.arange(n) // (n // 2)).astype(np.int16)
    one, two = (rng.normal(size=(n, 2)).astype(np.float32) for _ in range(2))
    certainty = np.ones(n, np.float32)
    return drawn(3, one, labels, certainty, **{"b.embedding": two})


def test_a_row_for_each_colour_and_a_column_for_each_map():
    state = MapViewState(run="panels")
    names = ("umap.embedding", "b.embedding")
    rows = [
        [draw(maps(), MapViewState(run="panels", map=name, colour=colour)) for name in names]
        for colour in ("cluster", "certainty")
    ]
    svg = as_panels(rows, ["Uncorrected", "Harmony"], state, "svg").decode()
    assert svg.count("PathCollection") == 4
    for words in ("Uncorrected", "Harmony", ">Cluster<", "Certainty"):
        assert words in svg, words
    small, large = (
        Image.open(io.BytesIO(as_panels(rows[:1], ["a", "b"], state, "png", dpi))).size
        for dpi in (50, 100)
    )
    assert large[0] == 2 * small[0]


def test_where_there_are_batches_the_rows_are_batches_and_types():
    fields = {"counts": "X", "batch_labels": "obs/donor", "labels": "obs/kind"}
    assert usual_rows(DatasetCard("1", "x", "x", fields=fields)) == ["obs/donor", "obs/kind"]
    del fields["labels"]
    assert usual_rows(DatasetCard("1", "x", "x", fields=fields)) == ["obs/donor", ""]
    del fields["batch_labels"]
    assert usual_rows(DatasetCard("1", "x", "x", fields=fields)) == [""]


def test_no_sample_of_a_sorted_file_covers_the_others():
    sample = np.repeat([0, 1, 2], 1000)
    aside = sample == 1
    order = drawing_order(aside, None)
    assert (sample[order[:1000]] == 1).all()
    last = sample[order[-300:]]  # drawn on top
    assert 0.4 < (last == 0).mean() < 0.6
    values = np.array([3.0, 1.0, np.nan, 2.0])
    assert drawing_order(np.isnan(values), values).tolist() == [2, 1, 3, 0]
