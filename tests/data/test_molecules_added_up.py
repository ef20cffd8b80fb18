"""Spliced and unspliced counts are added up where a person says so, and never unsaid."""

import anndata
import layouts
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import zoo

from diffbio_engine.command_line.look import in_words
from diffbio_engine.data import inspect, read
from diffbio_engine.errors import DataError

TWO, THREE = "spliced + unspliced", "spliced + unspliced + ambiguous"


def velocyto(path, x=None, **layers):
    found = {"spliced": zoo.COUNTS, "unspliced": 2 * zoo.COUNTS, "ambiguous": zoo.COUNTS} | layers
    data = anndata.AnnData(
        None if x is None else sp.csr_matrix(x),
        obs=pd.DataFrame(index=zoo.CELLS),
        var=pd.DataFrame(index=zoo.GENES),
        layers={k: sp.csr_matrix(v) for k, v in found.items() if v is not None},
    )
    data.write_h5ad(path)
    return path


def choice_of(preview):
    return next((c for c in preview.choices if c.name == "molecules"), None)


@pytest.mark.parametrize("x", [None, zoo.COUNTS, np.log1p(zoo.COUNTS)])
def test_where_x_is_no_total_the_sum_is_offered_and_taken_only_when_asked(tmp_path, x):
    path = velocyto(tmp_path / "x.h5ad", x)
    preview = inspect(path)
    choice = choice_of(preview)
    assert choice.taken == "as it is" and [v for v, _ in choice.possible] == [
        "as it is",
        TWO,
        THREE,
    ]
    assert "layers/total_counts" not in [m.place for m in preview.matrices]
    assert any(
        "--molecules 'spliced + unspliced' |" in line for line in in_words(preview.as_dict())
    )
    for asked, times in ((TWO, 3), (THREE, 4), ("spliced+unspliced", 3)):
        told = inspect(path, molecules=asked)
        assert told.suggested["counts"] == "layers/total_counts"
        assert any(w.startswith("The counts are spliced + unspl") for w in told.warnings)
        summed = read(path, molecules=asked).matrix("layers/total_counts").toarray()
        np.testing.assert_array_equal(summed, times * zoo.COUNTS)


def test_where_x_is_the_total_nothing_is_offered(tmp_path):
    preview = inspect(velocyto(tmp_path / "x.h5ad", 4 * zoo.COUNTS))
    assert choice_of(preview) is None and preview.suggested["counts"] == "X"


def test_what_is_no_count_is_not_added_up(tmp_path):
    path = velocyto(tmp_path / "x.h5ad", None, unspliced=np.log1p(zoo.COUNTS), ambiguous=None)
    assert choice_of(inspect(path)) is None
    with pytest.raises(DataError, match=r"'spliced \+ unspliced' cannot be counted in x\.h5ad"):
        read(path, molecules=TWO)


def test_folders_of_text_can_be_added_up_too(tmp_path):
    path = layouts.kallisto(tmp_path / "kb", nac=True)
    assert choice_of(inspect(path)).taken == "as it is"
    told = inspect(path, molecules=THREE)
    assert told.suggested["counts"] == "layers/total_counts"
    total = read(path, molecules=THREE).matrix("layers/total_counts").toarray()
    np.testing.assert_array_equal(total, 6 * zoo.COUNTS)
    assert any(f"({6 * zoo.COUNTS.sum() / 40:,.0f} molecules a cell" in w for w in told.warnings)


def test_a_sum_that_nobody_asked_for_is_missing_with_the_way_to_it(tmp_path):
    dataset = read(velocyto(tmp_path / "x.h5ad", zoo.COUNTS))
    with pytest.raises(DataError) as error:
        dataset.matrix("layers/total_counts")
    assert error.value.fix == "Add it up: molecules 'spliced + unspliced'."
