"""Makes folders as programs write them, with the numbers of ``zoo``; cells by genes in all."""

import gzip
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import zoo

IDS = [f"ENSG{g:011d}" for g in range(12)]


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode(), mtime=0))
    else:
        path.write_text(text)


def mtx(path: Path, matrix) -> None:
    coo = sp.coo_matrix(np.asarray(matrix).astype(int))
    lines = [f"{r + 1} {c + 1} {v}" for r, c, v in zip(coo.row, coo.col, coo.data, strict=True)]
    head = ["%%MatrixMarket matrix coordinate integer general", "%", f"{' '.join(map(str, coo.shape))} {coo.nnz}"]  # fmt: skip # noqa: E501
    write(path, "\n".join(head + lines) + "\n")


def lines(names) -> str:
    return "".join(f"{n}\n" for n in names)


def features(genes=range(12), kind="Gene Expression") -> str:
    return lines(f"{IDS[g]}\t{zoo.GENES[g]}\t{kind}" for g in genes)


def tenx(folder: Path, counts=zoo.COUNTS, cells=zoo.CELLS, *, prefix="", ending="", genes=None):
    """Cell Ranger's three files; with a prefix, as GEO has them."""
    genes = range(counts.shape[1]) if genes is None else genes
    mtx(folder / f"{prefix}matrix.mtx{ending}", counts.T)
    write(folder / f"{prefix}barcodes.tsv{ending}", lines(cells))
    write(folder / f"{prefix}features.tsv{ending}", features(genes))
    return folder


def starsolo(folder: Path):
    """Gene, GeneFull and Velocyto, each raw and filtered; raw has 5 cells more."""
    more = np.vstack([zoo.COUNTS, np.ones((5, 12))])
    cells = [*zoo.CELLS, *(f"empty{i}" for i in range(5))]
    for kind, times in (("Gene", 1), ("GeneFull", 2)):
        tenx(folder / "Solo.out" / kind / "raw", times * more, cells)
        tenx(folder / "Solo.out" / kind / "filtered", times * zoo.COUNTS)
    mtx(folder / "Solo.out/Gene/raw/UniqueAndMult-EM.mtx", 3 * more.T)
    there = tenx(folder / "Solo.out/Velocyto/filtered")
    (there / "matrix.mtx").unlink()
    for times, name in ((1, "spliced"), (4, "unspliced"), (5, "ambiguous")):
        mtx(there / f"{name}.mtx", times * zoo.COUNTS.T)
    write(folder / "Solo.out/Gene/Summary.csv", "Number of Reads,12\n")
    return folder


def kallisto(folder: Path, *, nac=False):
    there = folder / "counts_unfiltered"
    for name, times in (("mature", 1), ("nascent", 2), ("ambiguous", 3)) if nac else (("", 1),):
        mtx(there / f"cells_x_genes{'.' * nac}{name}.mtx", times * zoo.COUNTS)
    write(there / "cells_x_genes.barcodes.txt", lines(zoo.CELLS))
    write(there / "cells_x_genes.genes.txt", lines(IDS))
    write(there / "cells_x_genes.genes.names.txt", lines(zoo.GENES))
    write(folder / "run_info.json", "{}")
    return folder


def alevin_fry(folder: Path, *, usa=True):
    parts = [zoo.COUNTS, 2 * zoo.COUNTS, 3 * zoo.COUNTS] if usa else [zoo.COUNTS]
    names = [f"{i}{mark}" for mark in ("", "-U", "-A")[: len(parts)] for i in IDS]
    mtx(folder / "alevin/quants_mat.mtx", np.hstack(parts))
    write(folder / "alevin/quants_mat_rows.txt", lines(zoo.CELLS))
    write(folder / "alevin/quants_mat_cols.txt", lines(names))
    write(folder / "quant.json", "{}")
    return folder


def parse(folder: Path, *, name="DGE.mtx"):
    for place in ("all-sample", "xcond_1"):
        counts = zoo.COUNTS if place == "all-sample" else zoo.COUNTS[:10]
        there = folder / place / "DGE_filtered"
        mtx(there / name, counts)
        rows = zip(IDS, zoo.GENES, strict=True)
        write(there / "all_genes.csv", "gene_id,gene_name,genome\n"
              + lines(f"{i},{n},hg38" for i, n in rows))  # fmt: skip
        cells = [f"{c},xcond_{1 + (i >= 10)},hg38,{i + 5}" for i, c in enumerate(zoo.CELLS)]
        head = "bc_wells,sample,species,tscp_count\n"
        write(there / "cell_metadata.csv", head + lines(cells[: len(counts)]))
    return folder


def expression_atlas(folder: Path):
    stem = "E-MTAB-9067.aggregated_filtered_counts.mtx"
    mtx(folder / stem, zoo.COUNTS.T)
    mtx(folder / "E-MTAB-9067.aggregated_filtered_normalised_counts.mtx", 9 * zoo.COUNTS.T)
    write(folder / f"{stem}_rows", lines(f"{i}\t{i}" for i in IDS))
    write(folder / f"{stem}_cols", lines(zoo.CELLS))
    return folder


def bustools_of_two_files(folder: Path):
    """The older layout for velocity: each matrix has its own lists."""
    for name, times in (("spliced", 1), ("unspliced", 2)):
        mtx(folder / f"{name}.mtx", times * zoo.COUNTS)
        write(folder / f"{name}.barcodes.txt", lines(zoo.CELLS))
        write(folder / f"{name}.genes.txt", lines(IDS))
    return folder


def shared_features(folder: Path):
    """As many series on GEO: a matrix and barcodes of each sample, one list of genes for all."""
    for name, rows in (("GSM1_ctrl", slice(0, 15)), ("GSM2_stim", slice(15, 40))):
        mtx(folder / f"{name}.mtx.gz", zoo.COUNTS[rows].T)
        write(folder / f"{name}_barcodes.tsv.gz", lines(zoo.CELLS[rows]))
    write(folder / "GSE9_genes.tsv.gz", lines(f"{i}\t{n}" for i, n in zip(IDS, zoo.GENES, strict=True)))  # fmt: skip # noqa: E501
    return folder
