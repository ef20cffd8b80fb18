"""Samples at the end of barcodes: ``ACGT...-1``, ``-2``, as Cell Ranger's aggr writes them."""

import csv
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from diffbio_engine.data.column_evidence import one_for_each
from diffbio_engine.data.column_names import MOST_BATCHES
from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.packed_text import BROKEN, bare_name, open_text

# Seurat writes "_2", and anndata puts its own number after that of Cell Ranger: "-1-0".
_SUFFIX = re.compile(r"^(?:.*[^ACGTN])?[ACGTN]{8,}(?:[-.]1)?[-._](\d{1,4})$")
_MOST_ALIKE, _FEWEST_CELLS = 0.95, 2
_AGGREGATION = ("aggregation.csv", "aggregation_csv.csv")
_NAMES = ("library_id", "sample_id", "sample")


def is_aggregation(path: Path) -> bool:
    """Whether it is the list of samples that aggr leaves in its folder, by its name."""
    return bare_name(path).endswith(_AGGREGATION)


def name_samples(dataset: Dataset, files: Iterable[Path]) -> None:
    """Adds a column with the sample of each cell, where barcodes end with several numbers.

    The column is called ``sample`` (``gem_group`` where there is one already). None is added where
    a column says the same, where samples were joined, or where all end with the same number.

    Args:
        files: What lies beside; of ``aggregation.csv``, line n names the sample of ``-n``.
    """
    if len(dataset.samples) > 1:
        return
    matches = [_SUFFIX.match(str(name)[-200:]) for name in dataset.obs.index]
    numbers = np.array([int(m[1]) if m else -1 for m in matches])
    kinds, sizes = np.unique(numbers[numbers >= 0], return_counts=True)
    few = len(kinds) < 2 or len(kinds) > min(MOST_BATCHES, len(numbers) // 4)
    # Where names were made unique, the numbers stand at the end of some, or count a few cells.
    if few or (numbers >= 0).mean() < _MOST_ALIKE or np.median(sizes) < _FEWEST_CELLS:
        return
    names = _of_aggregation(files)
    by_name = bool(names) and kinds.min() >= 1 and kinds.max() <= len(names)
    titles = [names[k - 1] if by_name else str(k) for k in kinds]
    values = pd.Series(pd.NA, index=dataset.obs.index, dtype=object)
    for kind, title in zip(kinds, titles, strict=True):
        values[numbers == kind] = title
    told = dataset.obs.assign(**{"\x00": values})
    if one_for_each(told, "\x00", list(dataset.obs.columns)):
        return
    column = next(c for c in _free(dataset.obs))
    dataset.obs = dataset.obs.assign(**{column: pd.Categorical(values, categories=titles)})
    if not dataset.samples:
        counts = [(t, int(n)) for t, n in zip(titles, sizes, strict=True)]
        dataset.samples = tuple(counts)
    shown = ", ".join(
        f"-{k} {f'is {t} ' if by_name else ''}({n:,} cells)"
        for k, t, n in list(zip(kinds, titles, sizes, strict=True))[:8]
    )
    more = ", ..." if len(kinds) > 8 else ""
    named = " by aggregation.csv" if by_name else ""
    dataset.warnings.append(
        f"Sample by the end of the barcode: {len(kinds)} samples{named} ({shown}{more}), in the "
        f"column '{column}'."
    )


def _free(obs: pd.DataFrame) -> Iterable[str]:
    yield from (c for c in ("sample", "gem_group") if c not in obs.columns)
    yield from (c for i in range(2, 1_000) if (c := f"gem_group_{i}") not in obs.columns)


def _of_aggregation(files: Iterable[Path]) -> list[str]:
    """The names of the samples in the order of their numbers; none where it is not known."""
    found = [f for f in files if is_aggregation(f)]
    if len(found) != 1:
        return []
    try:
        with open_text(found[0]) as file:
            rows = list(csv.reader(file.read(2**20).splitlines()))
    except (*BROKEN, csv.Error):
        return []
    header = [h.strip().lower() for h in rows[0]] if rows else []
    column = next((header.index(n) for n in _NAMES if n in header), None)
    if column is None:
        return []
    names = [row[column].strip() for row in rows[1:] if len(row) > column]
    return names if all(names) and len(set(names)) == len(names) else []
