"""The table of genes beside a result: what a comparison found of each, as DESeq2 writes it."""

from collections.abc import Mapping
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
    order = sorted(found, key=lambda n: COLUMNS.index(n) if n in COLUMNS else len(COLUMNS))
    table = pd.DataFrame({name: found[name] for name in order})
    table.insert(0, "gene", [str(name) for name in dataset.var.index])
    with whole_or_nothing(out) as part:
        part.write_bytes(as_csv(table, missing="NA"))
    return [f"{out.name} is the table of genes, with DESeq2's names of columns."]
