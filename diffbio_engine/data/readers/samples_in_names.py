"""Samples in names of cells: ``ACGT...-1``, ``-2`` (Cell Ranger's aggr), ``ctrl_ACGT...``."""

import csv
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.dataset.plain_note import PlainNote
from diffbio_engine.data.inspection.column_evidence import one_for_each
from diffbio_engine.data.inspection.column_names import MOST_BATCHES, called_batches
from diffbio_engine.data.inspection.preview import preview_column
from diffbio_engine.data.readers.packed_text import BROKEN, bare_name, open_text

# Seurat writes "_2", and anndata puts its own number after that of Cell Ranger: "-1-0".
_SUFFIX = re.compile(r"^(?:.*[^ACGTN])?(?P<barcode>[ACGTN]{8,})(?:[-.]1)?[-._](?P<number>\d{1,4})$")
_PREFIX = re.compile(r"^((?![ACGTN]{6,}(?:[^A-Za-z]|$)).+?)[-_.:|#]+[ACGTN]{8,}([^A-Za-z].*)?$")
_MOST_ALIKE, _FEWEST_CELLS, _LONGEST, _SHOWN = 0.95, 2, 200, 8
_SMALL, _SAME = 0.1, 0.5
_AGGREGATION = ("aggregation.csv", "aggregation_csv.csv")
_NAMES = ("library_id", "sample_id", "sample")


def is_aggregation(path: Path) -> bool:
    """Whether it is the list of samples that aggr leaves in its folder, by its name."""
    return bare_name(path).endswith(_AGGREGATION)


def name_samples(dataset: Dataset, files: Iterable[Path]) -> None:
    """Adds a column with the sample of each cell, where their names tell several.

    By what stands before the barcode, else by the number after it. The column is called ``sample``;
    ``barcode_group``, which is not suggested as the batch, where a person's own column is called
    like a batch. None is added where a column says the same, where
    samples were joined, or where all names are alike.

    Args:
        files: What lies beside; of ``aggregation.csv``, line n names the sample of ``-n``.
    """
    if len(dataset.samples) > 1:
        return
    names = [str(name) for name in dataset.obs.index]
    said = "Sample by what stands before the barcode"
    groups = _groups([m[1] if (m := _PREFIX.match(n[:_LONGEST])) else "" for n in names])
    if groups is None:
        found = _numbers_at_the_end(names)
        groups = _groups(found, _of_aggregation(files))
        said = "Sample by the end of the barcode"
    if groups is None:
        return
    told = dataset.obs.assign(**{"\x00": groups.names.to_numpy()})
    if one_for_each(told, "\x00", list(dataset.obs.columns)):
        return
    column = _free(dataset.obs)
    dataset.obs = dataset.obs.assign(**{column: groups.names.array})
    dataset.column_from_names = column
    sizes = groups.names.value_counts()
    if not dataset.samples:
        dataset.samples = tuple((t, int(sizes[t])) for t in groups.titles)
    shown = ", ".join(
        f"{mark}{f' is {title}' if groups.by else ''} ({sizes[title]:,} cells)"
        for mark, title in list(zip(groups.marks, groups.titles, strict=True))[:_SHOWN]
    )
    more = ", ..." if len(groups.titles) > _SHOWN else ""
    told = (
        f"{said}: {len(groups.titles)} samples{groups.by} ({shown}{more}), in the column "
        f"'{column}'."
    )
    dataset.warnings.append(PlainNote(told))


def _numbers_at_the_end(names: list[str]) -> list[str]:
    """The number after each barcode; none where the numbers tell names apart that were alike.

    Samples are counted through from one (or nought): of 1 and 11, the 11 is a 1 that was put after
    another. A small group whose barcodes are nearly all in the others too is of names that were
    made unique.
    """
    matches = [_SUFFIX.match(n[-_LONGEST:]) for n in names]
    numbers = pd.Series([m["number"] if m else "" for m in matches], dtype=object)
    kinds = {int(k) for k in numbers.unique() if k}
    if len(kinds) > MOST_BATCHES or (kinds and len(kinds) < 0.5 * max(kinds)):
        return [""] * len(names)
    barcodes = pd.Series([m["barcode"] if m else "" for m in matches], dtype=object)
    sizes = numbers[numbers != ""].value_counts()
    for kind, size in sizes.items():
        if size < _SMALL * sizes.max():
            others = barcodes[(numbers != kind) & (numbers != "")]
            if barcodes[numbers == kind].isin(others).mean() > _SAME:
                return [""] * len(names)
    return list(numbers)


class _Groups(NamedTuple):
    """The sample of each cell, what marks each sample, its name, and who says so."""

    names: pd.Series
    marks: list[str]
    titles: list[str]
    by: str = ""


def _groups(found: list[str], called: Sequence[str] = ()) -> _Groups | None:
    """Several samples by a mark of each name (empty: none); None where they tell no samples."""
    marks = pd.Series(found, dtype=object)
    sizes = marks[marks != ""].value_counts()
    few = len(sizes) < 2 or len(sizes) > min(MOST_BATCHES, len(found) // 4)
    # Where names were made unique, the numbers stand at the end of some, or count a few cells.
    if few or (marks != "").mean() < _MOST_ALIKE or sizes.median() < _FEWEST_CELLS:
        return None
    kinds = sorted(sizes.index, key=lambda k: (int(k), k) if k.isdecimal() else (0, k))
    titles, by = list(kinds), ""
    if called and all(k.isdecimal() and 1 <= int(k) <= len(called) for k in kinds):
        titles, by = [called[int(k) - 1] for k in kinds], " by aggregation.csv"
    names = pd.Categorical(marks.map(dict(zip(kinds, titles, strict=True))), categories=titles)
    shown = [f"-{k}" if k.isdecimal() else k for k in kinds]
    return _Groups(pd.Series(names), shown, titles, by)


def _free(obs: pd.DataFrame) -> str:
    columns = (preview_column(str(c), obs[c]) for c in dict.fromkeys(obs.columns))
    named = called_batches(columns) or "sample" in obs.columns
    stem = "barcode_group" if named else "sample"
    return next(c for i in range(1, 1_000) if (c := f"{stem}{i if i > 1 else ''}") not in obs)


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
