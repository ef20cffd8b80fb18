"""Sentences that are written of cells are said of the records that there are."""

import pytest

from diffbio_engine.axes import AXES, said_of


@pytest.mark.parametrize(
    "of_cells, of_samples",
    [
        ("3 of 8 cells hold no counts", "3 of 8 samples hold no counts"),
        ("Cells in rows", "Samples in rows"),
        ("per 10,000 of all counts of a cell", "per 10,000 of all counts of a sample"),
        ("of each cell type", "of each cell type"),
        ("its 2 columns (dex, cell) are", "its 2 columns (dex, cell) are"),
        ("the column n_cells", "the column n_cells"),
        (
            "of cells. cells.h5ad, my-cells.csv, obs/cells",
            "of samples. cells.h5ad, my-cells.csv, obs/cells",
        ),
    ],
)
def test_of_samples(of_cells, of_samples):
    assert said_of(AXES["samples"], of_cells) == of_samples
    assert said_of(AXES["cells"], of_cells) == of_cells
