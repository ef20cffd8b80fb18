"""Spots of a tissue are not called cells."""

import anndata
import numpy as np
import pandas as pd
import pytest

from app.map.cells_shown import cells_in_words
from app.session.session import DatasetCard, Session
from diffbio_engine.data import inspect
from diffbio_engine.data.kinds.spots import why_spots

PLACED = {"spatial": (3, 2)}
BARCODES = ["AAACAAGTATCTCCCA-1", "AAACACCAATAACTGC-1", "AAACAGAGCGACTCCT-1"]


@pytest.mark.parametrize(
    "names, columns, obsm, expected",
    [
        (BARCODES, ["in_tissue", "array_row", "array_col"], {}, "spots"),  # Space Ranger
        (BARCODES, ["cluster"], PLACED, "spots"),
        (["7x15", "7x16", "12.5x30"], [], PLACED, "spots"),  # Spatial Transcriptomics, 2016
        (["spot_0", "spot_1", "spot_2"], [], PLACED, "spots"),
        (BARCODES, ["cluster"], {"X_umap": (3, 2)}, "cells"),  # a 10x run without a tissue
        (["1_f3", "2_f3", "3_f3"], ["cell_area"], PLACED, "cells"),  # MERFISH
        (["aaaadpbp-1", "aaabcdef-1", "aaaciopk-1"], ["cell_area"], PLACED, "cells"),  # Xenium
    ],
)
def test_the_file_says_whether_its_rows_are_spots(names, columns, obsm, expected):
    assert bool(why_spots(names, columns, obsm)) == (expected == "spots")


def test_a_data_set_of_earlier_versions_is_of_cells():
    assert DatasetCard("1", "old.h5ad", "/old.h5ad", 3, 2, preview={"n_cells": 3}).rows == "cells"


def test_spots_are_called_so_where_they_are_counted(tmp_path):
    data = anndata.AnnData(
        np.ones((3, 2), np.float32), obs=pd.DataFrame(index=["2x3", "2x4", "3x3"])
    )
    data.obsm["spatial"] = np.zeros((3, 2), np.float32)
    path = tmp_path / "slice.h5ad"
    data.write_h5ad(path)
    preview = inspect(path)
    assert "3 spots x 2 genes" in preview.sentence
    card = DatasetCard("1", "slice.h5ad", str(path), 3, 2, preview=preview.as_dict())
    frame = type("Frame", (), {"xy": np.zeros((3, 2)), "cells": None})()
    session = Session()
    session.data.card = card
    assert cells_in_words(frame, session) == "3 spots shown"
