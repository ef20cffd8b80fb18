"""A table lies the right way round whatever its cells and genes are called."""

import numpy as np
import pandas as pd
import pytest

from diffbio_engine.data import read

RNG = np.random.default_rng(5)
SOME = ["ACTB", "CD3D", "RPL3", "LYZ", "IL7R", *(f"ZNF{i}" for i in range(7))]
SYMBOLS = [*SOME, *(f"{a}BQX{b}" for a in "KLMNOPQR" for b in "WY")]
UNKNOWN = [f"{a}BQX{b}" for a in "KLMNOPQ" for b in "WXYZ"]
TAGGED = [f"HN26_{i:04d}" for i in range(1, 26)]
LOCI = [f"PA14_{i:05d}" for i in range(10, 290, 10)]


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("genes", "cells", "titles"),
    [
        (SYMBOLS, TAGGED, ("", "")),  # the genes are known: tags are then cells
        (UNKNOWN, TAGGED, ("gene", "cell")),  # nobody is known: the title tells
        (SYMBOLS, [f"b{i:04d}" for i in range(25)], ("", "")),
        (LOCI, ["".join(RNG.choice(list("ACGT"), 12)) for _ in range(25)], ("", "")),
        (LOCI, [f"P{i}x" for i in range(25)], ("", "sample")),
        (SYMBOLS, TAGGED, ("sample", "gene")),  # a title of the other side
    ],
)
def test_cells_named_like_locus_tags_are_no_genes_and_genes_are(
    tmp_path, genes, cells, titles, turned
):
    counts = RNG.poisson(3.0, (len(cells), len(genes)))
    frame = pd.DataFrame(counts, index=cells, columns=genes)
    frame = frame.T if turned else frame
    frame.to_csv(tmp_path / "x.csv", index_label=titles[0 if turned else 1])
    dataset = read(tmp_path / "x.csv")
    assert list(dataset.var.index) == genes and list(dataset.obs.index) == cells
