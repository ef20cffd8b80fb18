"""LISI against the values that its authors' R package gives."""

import numpy as np
import pandas as pd
import pytest

from diffbio_engine.parts.neighbourhood_metrics import local_inverse_simpson


def test_lisi_is_that_of_the_authors_package(shared_data):
    folder = shared_data / "harmonypy_golden"
    cells = pd.read_csv(folder / "lisi_x.tsv.gz", sep="\t").to_numpy()
    labels = pd.read_csv(folder / "lisi_metadata.tsv.gz", sep="\t")
    expected = pd.read_csv(folder / "lisi_lisi.tsv.gz", sep="\t")
    for name in ("label1", "label2"):
        found = local_inverse_simpson(cells, labels[name].to_numpy())
        np.testing.assert_allclose(found, expected[name], rtol=1e-4)


@pytest.mark.parametrize("n_batches", [2, 5])
def test_well_mixed_batches_count_nearly_all_and_separate_ones_count_one(n_batches):
    rng = np.random.default_rng(0)
    cells = rng.normal(size=(600, 3))
    batch = np.arange(600) % n_batches
    assert 0.75 * n_batches < local_inverse_simpson(cells, batch).mean() <= n_batches
    apart = cells + 100.0 * batch[:, None]
    np.testing.assert_allclose(local_inverse_simpson(apart, batch), 1.0, atol=1e-6)
