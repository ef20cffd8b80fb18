"""Files that hold cells and embeddings, but no genes."""

import anndata
import numpy as np
import pandas as pd

from diffbio_engine.data import inspect
from diffbio_engine.data.genes.known_genes import find_markers


def test_a_file_with_embeddings_alone_says_what_it_holds_and_what_is_missing(tmp_path):
    cells = pd.DataFrame({"batch": pd.Categorical(["a", "b", "a"])}, index=["1", "2", "3"])
    file = tmp_path / "pcs.h5ad"
    anndata.AnnData(obs=cells, obsm={"X_pca": np.ones((3, 20), np.float32)}).write_h5ad(file)
    preview = inspect(file)
    assert (preview.n_cells, preview.n_genes) == (3, 0)
    assert preview.suggested["embeddings"] == "obsm/X_pca"
    (said,) = preview.warnings
    assert "no genes and no expression matrix; it holds 3 cells with obsm/X_pca (20 co" in said
    assert "need counts or names of genes cannot" in said


def test_the_real_principal_components_of_the_cell_lines_can_be_looked_at(shared_data):
    preview = inspect(shared_data / "harmony_cell_lines_pcs.h5ad")
    assert (preview.n_cells, preview.suggested["batch_labels"]) == (2370, "obs/dataset")


def test_no_gene_marks_no_cell_type():
    matrix, names = find_markers([])
    assert matrix.shape == (0, 0) and names == []
