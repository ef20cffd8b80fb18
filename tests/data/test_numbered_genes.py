"""Genes that are only numbered take names from where they are; none is matched by its place."""

import anndata
import numpy as np
import pandas as pd
import pytest
import zoo

from diffbio_engine.data import align_genes, names_and_ids, read
from diffbio_engine.errors import DataError

IDS = [f"ENSG{g:011d}" for g in range(12)]
NUMBERS = [str(i) for i in range(12)]


def test_numbered_genes_of_an_h5ad_are_called_by_their_symbols(tmp_path):
    var = pd.DataFrame({"feature_id": IDS, "feature_name": zoo.GENES}, index=NUMBERS)
    anndata.AnnData(zoo.COUNTS, var=var).write_h5ad(tmp_path / "census.h5ad")
    names, ids = names_and_ids(read(tmp_path / "census.h5ad").var)
    assert list(names) == zoo.GENES and list(ids) == IDS
    names, ids = names_and_ids(var[["feature_id"]])
    assert list(names) == list(ids) == IDS


def test_entrez_ids_stay_ids_beside_symbols():
    entrez = [str(100_000 + 977 * i) for i in range(12)]
    names, ids = names_and_ids(pd.DataFrame({"gene_symbol": zoo.GENES}, index=entrez))
    assert list(names) == zoo.GENES and list(ids) == entrez


@pytest.mark.parametrize("start", [0, 1])
@pytest.mark.parametrize("title", ["gene", "gene_name", "Unknown"])
def test_a_table_with_counted_rows_takes_the_names_from_the_column_of_words(tmp_path, start, title):
    table = pd.DataFrame(
        zoo.COUNTS.T.astype(int), columns=[f"c{i}_ACGTACGTACGT" for i in range(40)]
    )
    table.insert(0, title, zoo.GENES)
    table.index += start
    table.to_csv(tmp_path / "x.csv")
    dataset = read(tmp_path / "x.csv")
    assert list(dataset.var.index) == zoo.GENES
    np.testing.assert_array_equal(dataset.matrix("X").toarray(), zoo.COUNTS)
    assert f"The rows are only numbered: column '{title}' names them." in dataset.warnings


def test_counted_cells_take_their_barcodes_from_the_column_and_no_cluster(tmp_path):
    table = pd.DataFrame(zoo.COUNTS.astype(int), columns=zoo.GENES)
    table.insert(0, "cluster", zoo.TYPES)
    table.insert(1, "barcode", zoo.CELLS)
    table.to_csv(tmp_path / "x.csv")
    dataset = read(tmp_path / "x.csv")
    assert list(dataset.obs.index) == zoo.CELLS and list(dataset.obs["cluster"]) == list(zoo.TYPES)


def test_numbered_genes_are_matched_by_ids_and_never_by_number():
    order = np.arange(12)[::-1]
    found = align_genes(NUMBERS, list(np.array(IDS)[order]), NUMBERS, IDS)
    np.testing.assert_array_equal(found.columns, order)
    with pytest.raises(DataError, match="are only numbered"):
        align_genes(NUMBERS, None, NUMBERS, None)
    entrez = [str(100_000 + 977 * i) for i in range(12)]
    assert align_genes(entrez, None, entrez[::-1], None).share == 1
