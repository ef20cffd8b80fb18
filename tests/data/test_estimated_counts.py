"""Counts that a program has shared out among genes are rounded, and said; TPM is no counts."""

import numpy as np
import pandas as pd
import pytest

from diffbio_engine.data import inspect, open_source, read
from diffbio_engine.data.inspection.estimated_counts import said_of_estimates
from diffbio_engine.errors import DataError


def estimates(n_genes=60):
    """As salmon's NumReads, added up by gene: most are whole, of some genes reads are shared."""
    random = np.random.default_rng(0)
    counts = random.poisson(np.exp(random.normal(4, 2, n_genes)), (6, n_genes)).astype(float)
    counts[:, ::3] += random.random((6, len(range(0, n_genes, 3)))).round(3)
    return counts


def table(values, path):
    names, genes = [f"S{i}" for i in range(6)], [f"ENSG{i:011d}" for i in range(values.shape[1])]
    pd.DataFrame(values.T, genes, names).to_csv(path, index_label="gene_id")
    return path


def test_estimated_counts_are_counts_that_a_run_rounds(tmp_path):
    there = table(estimates(), tmp_path / "salmon.csv")
    found = inspect(there, rows="samples")
    assert found.suggested["counts"] == "X"
    assert any(
        "counts are estimates that are not whole; a run rounds them" in w for w in found.warnings
    )
    assert not any(w.startswith("No raw counts") for w in found.warnings)
    records = open_source(read(there, rows="samples"), {"counts": "X"}, ["counts"])
    np.testing.assert_array_equal(records.chunk(0, 6), np.round(estimates()))
    assert "not whole" in records.notes[0]


@pytest.mark.parametrize("made", ["tpm", "fpkm", "log"])
def test_what_was_divided_or_is_a_logarithm_is_no_count(made, tmp_path):
    counts = estimates()
    lengths = np.random.default_rng(1).uniform(500, 5000, counts.shape[1])
    rate = counts / lengths
    values = {
        "tpm": 1e6 * rate / rate.sum(axis=1, keepdims=True),
        "fpkm": 1e9 * rate / counts.sum(axis=1, keepdims=True) / 1e3,
        "log": np.log2(counts + 1),
    }[made]
    there = table(values, tmp_path / "values.csv")
    found = inspect(there, rows="samples")
    assert "counts" not in found.suggested
    (told,) = [w for w in found.warnings if "differential expression" in w]
    assert "NumReads" in told and ("adds up to 1,000,000, as TPM" in told) == (made == "tpm")
    with pytest.raises(DataError, match=r"raw counts.*NumReads"):
        open_source(read(there, rows="samples"), {"counts": "X"}, ["counts"])


def test_whole_counts_are_left_to_what_is_said_of_counts():
    assert not said_of_estimates(np.round(estimates()))
    # 32 bits, divided and multiplied again: 2,345,678.3 is what is left of a whole number.
    large = np.round(estimates())
    large[:, 0] = 2_345_678.3
    assert not said_of_estimates(large)
