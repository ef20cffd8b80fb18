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


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("stem", ["ASV{}", "{}", "TRINITY_DN{}_c0_g1"])
def test_taxa_and_genes_that_are_only_counted_through_are_told_from_samples_by_counts(
    tmp_path, stem, turned
):
    samples = [f"{a}{b}" for a in ("leaf", "root", "soil") for b in "XYZW"]
    genes = [stem.format(1000 + 7 * i) for i in range(100)]
    counts = RNG.poisson(RNG.gamma(0.5, 20.0, (1, 100)), (12, 100))
    frame = pd.DataFrame(counts, index=samples, columns=genes)
    (frame.T if turned else frame).to_csv(tmp_path / "x.csv")
    assert list(read(tmp_path / "x.csv").obs.index) == samples


def test_totals_that_differ_by_chance_alone_tell_nothing(tmp_path):
    counts = RNG.poisson(RNG.lognormal(8.0, 0.6, (60, 30)))
    names = [f"{a}{b}QX" for a in "ABCDEFGHIJKL" for b in "VWXYZ"]
    pd.DataFrame(counts, index=names, columns=[*UNKNOWN, "QY", "QZ"]).to_csv(tmp_path / "x.csv")
    dataset = read(tmp_path / "x.csv")
    assert list(dataset.obs.index) == names
    assert any("the names do not tell" in w for w in dataset.warnings)
