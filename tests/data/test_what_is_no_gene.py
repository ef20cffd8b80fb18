"""Genes and cells of a table stay in it: few lines are taken out, and none for being large."""

import numpy as np
import pandas as pd

from diffbio_engine.data import read

GENES = [f"GENE{g}" for g in range(100)]
CELLS = [f"C{i}_ACGTACGTACGT" for i in range(60)]


def few_counts(seed=0):
    return np.random.default_rng(seed).poisson(0.3, (60, 100)).astype(float)


def read_table(path, values, genes=GENES, **more):
    pd.DataFrame({**more, **dict(zip(genes, values.T, strict=True))}, CELLS).to_csv(path)
    return read(path)


def test_sparse_estimates_with_fractions_lose_no_gene_and_no_cell(tmp_path):
    for share, name in ((0.1, "some.csv"), (1.0, "all.csv")):
        values = few_counts()
        odd = np.random.default_rng(1).random(100) < share
        values[:, odd] *= 0.93
        dataset = read_table(tmp_path / name, values)
        assert (dataset.n_cells, dataset.n_genes) == (60, 100)


def test_a_few_columns_of_fractions_among_counts_are_still_no_genes(tmp_path):
    values = few_counts()
    values[:, [7, 8]] = np.random.default_rng(1).random((60, 2))
    assert read_table(tmp_path / "x.csv", values).n_genes == 98


def test_a_gene_that_outweighs_all_others_is_a_gene(tmp_path):
    values = few_counts()
    values[:, 3] = 500 + 10 * np.arange(60)
    genes = [*GENES[:3], "INS", *GENES[4:]]
    assert "INS" in read_table(tmp_path / "x.csv", values, genes).var.index
    genes[3] = "all_molecules"
    assert "all_molecules" in read_table(tmp_path / "y.csv", values, genes).obs.columns


def test_fields_of_view_and_negative_probes_of_cosmx_are_no_genes(tmp_path):
    values = np.hstack([few_counts(), few_counts(2)[:, :5]])
    odd = ["NegPrb1", "Negative02", "SystemControl3", "antisense_TP53", "Blank-4"]
    table = pd.DataFrame(values.astype(int), columns=[*GENES, *odd])
    table.insert(0, "fov", [1] * 30 + [2] * 30)
    table.insert(1, "cell_ID", [*range(1, 31), *range(1, 31)])
    table.to_csv(tmp_path / "S1_exprMat_file.csv", index=False)
    dataset = read(tmp_path / "S1_exprMat_file.csv")
    assert list(dataset.var.index) == GENES
    assert list(dataset.obs["fov"]) == [1] * 30 + [2] * 30 and "cell_ID" in dataset.obs
    said = "5 of 105 features are of type Negative probe and were left out."
    assert said in dataset.warnings
    assert read(tmp_path / "S1_exprMat_file.csv", features="all").n_genes == 105
