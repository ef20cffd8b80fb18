"""The table of genes beside a result: what a comparison found of each, as DESeq2 writes it."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.writers.h5ad import whole_or_nothing
from diffbio_engine.data.writers.spreadsheet import as_csv
from diffbio_engine.ports import Place

# What every place of ours ends with where it lies among columns of other programs.
_OURS = "_diffbio"
# The columns of DESeq2's results, and those beside them in the order in which it has them.
COLUMNS = (
    "baseMean", "log2FoldChange", "lfcSE", "stat", "pvalue", "padj",
    "dispGeneEst", "dispFit", "dispersion", "maxCooks",
)  # fmt: skip


def write_gene_table(dataset: Dataset, arrays: Mapping[str, Any], out: Path) -> list[str]:
    """Writes what was found of each gene, the columns of DESeq2 first; the sentence about it.

    ``NA`` where nothing can be said: no counts, an outlier, filtered. Nothing is written, and said,
    where nothing was found of all genes of the data set.

    Args:
        arrays: What was found, by place in the result.
    """
    found = {
        Place.parse(place).name.removesuffix(_OURS): np.asarray(values)
        for place, values in arrays.items()
        if Place.parse(place).table == "var" and len(values) == dataset.n_genes
    }
    if not found:
        return []
    table = pd.DataFrame({name: found[name] for name in _ordered(found)})
    table.insert(0, "gene", [str(name) for name in dataset.var.index])
    with whole_or_nothing(out) as part:
        part.write_bytes(as_csv(table, missing="NA"))
    return [f"{out.name} is the table of genes, with DESeq2's names of columns."]


def write_table_by_group(dataset: Dataset, arrays: Mapping[str, Any], out: Path) -> list[str]:
    """As `write_gene_table` of what was found in each of several groups: a row for each and gene.

    The first column says which group, under the name of the columns of the tables; groups of which
    nothing can be said are left out.

    Args:
        arrays: What was found, by place in the result; tables of genes in ``varm``.
    """
    found = {
        Place.parse(place).name.removesuffix(_OURS): values
        for place, values in arrays.items()
        if Place.parse(place).table == "varm" and len(values) == dataset.n_genes
    }
    if not found:
        return []
    groups = next(iter(found.values())).columns
    genes = [str(name) for name in dataset.var.index]
    parts = []
    for group in groups:
        of_one = pd.DataFrame({name: found[name][group].to_numpy() for name in _ordered(found)})
        if of_one.notna().to_numpy().any():
            of_one.insert(0, "gene", genes)
            of_one.insert(0, str(groups.name or "group"), group)
            parts.append(of_one)
    if not parts:
        return []
    with whole_or_nothing(out) as part:
        part.write_bytes(as_csv(pd.concat(parts, ignore_index=True), missing="NA"))
    left = f"; of {len(groups) - len(parts)} of {len(groups)} groups nothing can be said"
    told = left if len(parts) < len(groups) else ""
    return [
        f"{out.name} is the table of genes in each group, with DESeq2's names of columns{told}."
    ]


def _ordered(names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda n: COLUMNS.index(n) if n in COLUMNS else len(COLUMNS))
