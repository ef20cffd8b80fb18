"""Tables about the cells that lie beside a matrix, joined to its cells by their names."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.dataset.name_words import head_of, words_of
from diffbio_engine.data.dataset.plain_note import PlainNote
from diffbio_engine.data.inspection.column_names import CLUSTERINGS
from diffbio_engine.data.readers.barcodes import Matched, match, match_samples
from diffbio_engine.data.readers.cell_tables import read_about, typed
from diffbio_engine.data.readers.names_beside import ABOUT_CELLS, role_of
from diffbio_engine.data.readers.packed_text import BROKEN, bare_name
from diffbio_engine.data.reading import ALL_TABLES, NO_TABLES, Choice, Reading
from diffbio_engine.errors import DataError, did_you_mean

_MOST_TABLES, _MOST_KEYS, _MOST_SHOWN = 16, 8, 6
_ENOUGH = 0.5
_OF_SAMPLES = ("sample", "library", "gsm", "accession")


def is_about_cells(path: Path) -> bool:
    """Whether it may be a table about cells, by its name."""
    name = bare_name(path).replace(".xlsx", ".csv")
    return bool(ABOUT_CELLS.search(name)) or role_of(path) == "cells"


def join_tables(
    dataset: Dataset, folder: Path, files: Iterable[Path], reading: Reading
) -> list[Path]:
    """Joins the tables that name cells of the data set to ``obs``; gives those that were looked at.

    A table is joined where half of its names, or of the cells, are found in the other; how they
    were compared, n of N and why a table was not joined is said.

    Args:
        folder: Where the files lie, for their names.
        files: What may be such tables, by name.
    """
    tables = {_called(f, folder): f for f in sorted(files)[:_MOST_TABLES]}
    if not tables:
        return []
    wanted = reading.annotation
    if wanted and wanted not in (ALL_TABLES, NO_TABLES, *tables):
        raise DataError(
            f"There is no table about cells '{wanted}' in {folder.name}; there is "
            f"{', '.join(tables)}.",
            fix=did_you_mean(wanted, tables) or "Choose one of these, all or none.",
            where="annotation",
        )
    joined: list[str] = []
    said: list[str] = []
    titles: list[tuple[str, str]] = []
    from_tables: dict[str, pd.Series] = {}
    own = set(dataset.obs.columns)
    for name, path in tables.items():
        asked = wanted == name
        taken = asked or wanted in ("", ALL_TABLES)
        try:
            told = _one(dataset, name, path, from_tables if taken else {}, own, sure=asked)
        except (DataError, *BROKEN, pd.errors.ParserError) as error:
            if asked:
                raise
            why = error.what if isinstance(error, DataError) else str(error)
            said.append(f"{name} was not joined: {why}")
            continue
        if not told:
            said.append(f"Not opened: {name}, which has names alone.")
        else:
            titles.append((name, f"{name} ({told[0]})"))
            said += [told[1]] if taken else []
            joined += [name] if taken else []
    dataset.warnings += said
    if not titles:
        return list(tables.values())
    obs = dataset.obs.drop(columns=[c for c in from_tables if c in dataset.obs])
    dataset.obs = pd.concat([obs, pd.DataFrame(from_tables, index=obs.index)], axis=1)
    _place_spots(dataset)
    possible = [*titles, (NO_TABLES, "none of them")]
    if len(titles) > 1:
        possible.insert(0, (ALL_TABLES, "all of them"))
    taken_now = NO_TABLES if not joined else joined[0] if len(joined) == 1 else ALL_TABLES
    why = "" if wanted else "it names the same cells"
    choice = Choice("annotation", "Tables about the cells", taken_now, tuple(possible), why)
    dataset.choices = (*dataset.choices, choice)
    return list(tables.values())


def _place_spots(dataset: Dataset) -> None:
    """Where the spots of a Visium slide lie: across, then down, in pixels of the full image."""
    columns = ["pxl_col_in_fullres", "pxl_row_in_fullres"]
    there = all(c in dataset.obs and dataset.obs[c].dtype.kind in "fiu" for c in columns)
    if there and not len(dataset.obsm):
        dataset.obsm = {"spatial": dataset.obs[columns].to_numpy(np.float64)}
        told = f"Where the spots lie (obsm/spatial) is taken from {' and '.join(columns)}."
        dataset.warnings.append(PlainNote(told))


def _called(path: Path, folder: Path) -> str:
    try:
        return path.relative_to(folder).as_posix()
    except ValueError:
        return path.name


def _one(
    dataset: Dataset,
    name: str,
    path: Path,
    columns: dict[str, pd.Series],
    own: set[str],
    *,
    sure: bool,
) -> tuple[str, str] | None:
    """Adds the columns of one table; how many cells it names, and the sentence. None: no table."""
    table = read_about(path)
    if table is None:
        return None
    cells = dataset.obs.index
    sample, key, found = _in_its_sample(dataset, name, table)
    whole = _key_of(table, cells)
    if whole[1].n_cells > found.n_cells:
        sample, (key, found) = "", whole
    fewest = min(len(table), dict(dataset.samples).get(sample, len(cells)))
    what, how_many = "cells", f"{found.n_cells:,} of {len(cells):,} cells"
    if found.n_cells < _ENOUGH * fewest and (by_sample := _of_samples(dataset, table)):
        key, found, how_many = by_sample
        fewest, what = 0, "samples"
    if not found.n_cells and (repeated := _repeated(table, cells)):
        raise DataError(repeated, fix="Keep one line for each cell.", where="annotation")
    if not found.n_cells or (found.n_cells < _ENOUGH * fewest and not sure):
        shown = _as_names(table.iloc[:, 0] if key is None else table[key])
        n = "none" if not found.n_cells else f"only {found.n_cells:,}"
        raise DataError(
            f"{n} of its {len(table):,} names ({shown.iloc[0]}, ...) is found among the "
            f"{len(cells):,} cells ({cells[0]}, ...).",
            fix="Give the cells the same names in both.",
            where="annotation",
        )
    rest = [c for c in table.columns if c != key]
    numbered = [
        c for c in rest if set(words_of(c)) & CLUSTERINGS and table[c].dtype.kind == "f"
    ] if sample and not sure else []  # fmt: skip
    if rest and rest == numbered:
        raise DataError(
            f"its clusters are of {sample} alone; those of other samples have the same numbers.",
            fix="Join it by its name, if that is what you want.",
            where="annotation",
        )
    rest = [c for c in rest if c not in numbered]
    # "clusters.csv" of graphclust and of kmeans_2: the folder tells which.
    stem = Path(name).parent.name or Path(bare_name(path)).stem
    put, same = [], 0
    for column in rest:
        values = typed(table[column]).reindex(found.lines)
        values.index = cells
        into = _placed(str(column), values, columns, dataset.obs, own, stem)
        same += into is None
        put += [into] if into else []
    shown = ", ".join(put[:_MOST_SHOWN]) + (", ..." if len(put) > _MOST_SHOWN else "")
    how = f" (names {found.how})" if found.how else ""
    unused = _unused(table, key, found) if what == "cells" else ""
    if numbered:
        unused += (
            f" {', '.join(numbered)} was left out: its numbers are of {sample} alone, and those of"
            " other samples are the same."
        )
    columns_are = (
        f"its column {shown} is" if len(put) == 1 else f"its {len(put)} columns ({shown}) are"
    )
    known = f"; {same} more say what is known already" if same else ""
    told = f"{how_many} found in {name}{how}: {columns_are} in the table of cells{known}.{unused}"
    return how_many, PlainNote(told) if found.n_cells == len(cells) and not unused else told


def _in_its_sample(
    dataset: Dataset, name: str, table: pd.DataFrame
) -> tuple[str, str | None, Matched]:
    """The sample in whose folder a table lies, or whose name it has, matched with its cells."""
    none = Matched(np.full(dataset.n_cells, -1))
    if not {"sample", "barcode"} <= set(dataset.obs) or len(dataset.samples) < 2:
        return "", None, none
    names = [s for s, _ in dataset.samples]
    mine = [
        s
        for s in names
        if f"/{s}/" in f"/{name}" or re.match(rf"{re.escape(s)}(?![A-Za-z0-9])", Path(name).name)
    ]
    sample = max(mine, key=len, default="")
    rows = np.flatnonzero(dataset.obs["sample"].astype(str) == sample)
    if not sample or not len(rows):
        return "", None, none
    key, found = _key_of(table, list(dataset.obs["barcode"].iloc[rows].astype(str)))
    lines = none.lines.copy()
    lines[rows] = found.lines
    return sample, key, Matched(lines, found.how)


def _of_samples(dataset: Dataset, table: pd.DataFrame) -> tuple[str, Matched, str] | None:
    """A table with a line for each sample: its column of names, the line of each cell, n of N."""
    if "sample" not in dataset.obs or len(dataset.samples) < 2:
        return None
    of_cells = dataset.obs["sample"].astype(str)
    samples = list(dict.fromkeys(of_cells))
    found = {c: match_samples(samples, list(_as_names(table[c]))) for c in table.columns}
    # A column of replicates numbers its lines as one of samples does.
    key = max(found, key=lambda c: (len(found[c]), head_of(c) in _OF_SAMPLES), default="")
    if not key or len(found[key]) < max(2, _ENOUGH * len(samples)):
        return None
    lines = of_cells.map(found[key]).fillna(-1).to_numpy().astype(int)
    one = next(iter(found[key]))
    other = str(table[key].iloc[found[key][one]])
    how = "" if one == other else f"{one} here is {other} there"
    return key, Matched(lines, how), f"{len(found[key]):,} of {len(samples):,} samples"


def _key_of(table: pd.DataFrame, cells: Sequence[str]) -> tuple[str | None, Matched]:
    """The column that names most cells."""
    best: tuple[str | None, Matched] = (None, Matched(np.full(len(cells), -1)))
    # Names of cells differ: a column of few values is none, nor one of fractions.
    columns = [c for c in table.columns if table[c].nunique() > 0.5 * len(table)]
    for column in columns[:_MOST_KEYS]:
        if table[column].dtype.kind == "f" and (table[column] % 1 != 0).any():
            continue
        names = table[column]
        found = match(cells, _as_names(names))
        if found.n_cells > best[1].n_cells:
            best = column, found
        if best[1].n_cells == min(len(table), len(cells)):
            break
    return best


def _unused(table: pd.DataFrame, key: str | None, found: Matched) -> str:
    """How many lines were not taken, and why."""
    n, left = len(table), np.ones(len(table), bool)
    left[found.lines[found.lines >= 0]] = False
    again = left & (key is not None and table[key].duplicated(keep=False).to_numpy())
    n_again, n_other = int(again.sum()), int((left & ~again).sum())
    said = f" {n_other:,} of its {n:,} lines are of no cell here." if n_other else ""
    if n_again:
        said += (
            f" {n_again:,} of its {n:,} lines have a name that other lines have too, so it is not"
            " known which is a cell's: none of them was taken."
        )
    return said


def _as_names(column: pd.Series) -> pd.Series:
    """Words; numbers as a person writes them, ``1`` and not ``1.0``."""
    if column.dtype.kind != "f" or not (column.dropna() % 1 == 0).all():
        return column.astype(str)
    return column.astype("Int64").astype(str)


def _repeated(table: pd.DataFrame, cells: Sequence[str]) -> str:
    """What to say of a table with several lines for a cell; empty if it is none."""
    for column in table.columns[:_MOST_KEYS]:
        names = table[column].astype(str)
        known = names.isin(cells)
        if known.mean() > _ENOUGH and names.nunique() > 1:
            return (
                f"its column '{column}' names {names[known].nunique():,} cells in "
                f"{int(known.sum()):,} lines, so it is not known which line is a cell's."
            )
    return ""


def _placed(
    name: str,
    values: pd.Series,
    columns: dict[str, pd.Series],
    obs: pd.DataFrame,
    own: set[str],
    stem: str,
) -> str | None:
    """Puts a column under a free name, or into one of the same name of other cells."""
    if name in columns and not (columns[name].notna() & values.notna()).any():
        columns[name] = columns[name].where(columns[name].notna(), values)
        return name
    if name in own:
        both = obs[name].notna() & values.notna()
        if (obs[name][both].astype(str) == values[both].astype(str)).all():
            return None
    free, n = name, 1
    while free in own or free in columns:
        free = f"{stem}_{name}" if n == 1 else f"{stem}_{name}_{n}"
        n += 1
    columns[free] = values
    return free
