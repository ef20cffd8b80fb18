"""What a pipeline says of the genes that it was trained on, laid among all genes of a file."""

import numpy as np
import pandas as pd
import scipy.sparse as sp

from diffbio_engine.data import Records


def of_all_genes(
    cells: Records, values: np.ndarray | pd.DataFrame
) -> np.ndarray | sp.csr_matrix | pd.DataFrame:
    """Numbers along the genes of a pipeline, (..., genes), along those of the file.

    One number a gene is NaN where the pipeline does not know the gene; so is a row of a table of
    genes. A layer becomes CSR with entries for the genes that it knows, and only for these.
    """
    columns = cells.columns
    if isinstance(values, pd.DataFrame):
        of_each = {name: of_all_genes(cells, one.to_numpy()) for name, one in values.items()}
        return pd.DataFrame(of_each, columns=values.columns)
    if columns is None or values.shape[-1] != cells.n_genes:
        return values
    n_all, there = cells.of_all_genes.n_genes, columns >= 0
    if values.ndim == 1:
        wide = np.full(n_all, np.nan, np.result_type(values.dtype, np.float32))
        wide[columns[there]] = values[there]
        return wide
    order = np.argsort(columns[there], kind="stable")
    known = np.ascontiguousarray(values[:, there][:, order], np.float32)
    n_cells, n_known = known.shape
    indices = np.tile(columns[there][order].astype(np.int32), n_cells)
    pointers = np.arange(n_cells + 1, dtype=np.int64) * n_known
    return sp.csr_matrix((known.ravel(), indices, pointers), shape=(n_cells, n_all))


def genes_trained_on(cells: Records) -> dict[str, np.ndarray]:
    """Which genes were chosen to train on, as two columns of a result file's ``var``."""
    assert cells.chosen is not None
    trained = np.zeros(len(cells.chosen.ranks), bool)
    trained[cells.chosen.columns] = True
    return {
        "var/trained_on_diffbio": trained,
        "var/variable_rank_diffbio": cells.chosen.ranks,
    }
