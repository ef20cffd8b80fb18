"""The lists of cells and genes beside a Matrix Market file, as each program writes them."""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from diffbio_engine.data.dataset.gene_names import gene_name_style
from diffbio_engine.data.readers.barcodes import match
from diffbio_engine.data.readers.feature_kinds import kinds_of_features
from diffbio_engine.data.readers.mtx import AGAIN, cut_off
from diffbio_engine.data.readers.packed_text import BROKEN, bare_name, open_text
from diffbio_engine.errors import DataError

_LIST = re.compile(r"\.(tsv|txt|csv|mtx_rows|mtx_cols)$")
_GENES = re.compile(r"(^|[^a-z])(genes?|features?|gene_?names?|all_genes|var)([^a-z]|$)")
_CELLS = re.compile(r"(^|[^a-z])(barcodes?|cells?|cell_?metadata|cellids?|obs)([^a-z]|$)")
_ROWS = re.compile(r"(^|[^a-z])(rows?|mtx_rows)([^a-z]|$)")
_COLUMNS = re.compile(r"(^|[^a-z])(cols?|columns?|mtx_cols)([^a-z]|$)")
ABOUT_CELLS = re.compile(
    r"(meta_?data|annot|clusters?|coldata|cell_?(info|types?|labels?|data)|pheno|"
    r"tissue_positions|samples?[-_]?(info|sheet|table)|design|sra_?run_?table|(^|[^a-z])(obs|meta)([^a-z]|$)).*\.(csv|tsv|txt|tab)$|"
    r"(^|[^a-z])samples\.(csv|tsv|txt|tab)$"
)
ABOUT_GENES = re.compile(r"annot|meta_?data|info|description|biotype|length|id_to_name|t2g")
_NAME_COLUMNS = ("gene_name", "gene_symbol", "symbol", "name", "gene")
_ID_COLUMNS = ("gene_id", "gene_ids", "ensembl_id", "id")
_CELL_COLUMNS = ("bc_wells", "barcode", "barcodes", "cell", "cell_id", "cellid")
_HEADERS = {"barcode", "barcodes", "cell", "cells", "cell_id", "gene", "genes", "gene_id", "x"}


@dataclass(frozen=True)
class NameList:
    """A file of names: what it is a list of, and its lines split into columns.

    Attributes:
        role: ``"genes"``, ``"cells"``, ``"rows"`` or ``"columns"`` (of the matrix).
    """

    path: Path
    role: str
    lines: list[list[str]]

    def fits(self, n: int) -> bool:
        """Whether it has a line for each of ``n``, with or without a header."""
        return len(self.lines) == n or (len(self.lines) == n + 1 and self._has_header)

    @property
    def _has_header(self) -> bool:
        first = [word.strip().strip('"').lower() for word in self.lines[0]]
        return len(first) > 1 or first[0] in _HEADERS

    def table(self, n: int) -> pd.DataFrame:
        """Its columns as a table of ``n`` rows, named where it has a header."""
        body, names = self.lines, [f"column_{i}" for i in range(self.width)]
        if len(body) == n + 1:
            given = [w.strip().strip('"') for w in body[0]]
            if len(given) == self.width - 1:
                given = ["", *given]  # R leaves out the title of the numbers
            names, body = [w or names[i] for i, w in enumerate(given)], body[1:]
        width = len(names)
        rows = [[*row[:width], *[""] * (width - len(row))] for row in body]
        table = pd.DataFrame(rows, columns=pd.Index(names, dtype=object), dtype=object)
        numbered = [str(i) for i in range(1, n + 1)]
        if width > 1 and names[0] == "column_0" and list(table.iloc[:, 0]) == numbered:
            return table.iloc[:, 1:]  # R numbers its rows
        return table

    @property
    def width(self) -> int:
        return max((len(line) for line in self.lines), default=1)


def is_list(path: Path) -> bool:
    """Whether it may be a list of names, by how its name ends."""
    return bool(_LIST.search(bare_name(path)))


def role_of(path: Path, before: str = "") -> str:
    """What a file is a list of, by its name; empty if it is no list.

    Args:
        before: What the name begins with because the matrix has it too.
    """
    name = bare_name(path)
    if not _LIST.search(name):
        return ""
    rest = name.removeprefix(before.lower())
    for role, pattern in (("genes", _GENES), ("cells", _CELLS), ("rows", _ROWS),
                          ("columns", _COLUMNS)):  # fmt: skip
        if pattern.search(rest):
            return role
    return ""


def read_names(path: Path, role: str) -> NameList:
    """The lines of a list."""
    try:
        with open_text(path) as file:
            text = file.read()  # with a number, Python would take that much memory at once
    except BROKEN as error:
        if isinstance(error, DataError):
            raise
        raise cut_off(path, error) from None
    separator = "," if bare_name(path).endswith(".csv") else "\t"
    lines = text.splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    split = csv.reader(lines, delimiter=separator) if separator == "," else None
    try:
        rows = list(split) if split else [_unquoted(line.split("\t")) for line in lines]
    except csv.Error as error:
        raise DataError(f"{path.name} cannot be read ({error}).", fix=AGAIN) from None
    return NameList(path, role, rows)


def _unquoted(fields: list[str]) -> list[str]:
    return [f[1:-1] if len(f) > 1 and f[0] == f[-1] == '"' else f for f in fields]


def gene_table(lists: list[NameList], n: int) -> pd.DataFrame:
    """One row per gene: symbols as names where there are any, ids in ``gene_ids``."""
    tables = [found.table(n) for found in lists]
    table = tables[0]
    named = {str(c).lower(): table[c] for c in table.columns}
    ids = next((named[c] for c in _ID_COLUMNS if c in named), table.iloc[:, 0])
    names = next((named[c] for c in _NAME_COLUMNS if c in named), None)
    if names is None and "column_1" in named:
        names = named["column_1"]
    others = [told for other in tables[1:] if (told := _in_order_of(ids, names, other)) is not None]
    if names is None:
        names = next((found for told in others if (found := _names_in(told)) is not None), None)
    if names is None and len(tables) > 1 and tables[1].shape[1] == 1:
        other = tables[1].iloc[:, 0]
        # Whichever of two lists looks like ids is the one of ids.
        if gene_name_style(other) == "Ensembl ids" and gene_name_style(ids) != "Ensembl ids":
            ids, names = other, ids
        else:
            names = other
    names = ids if names is None else names.where(names.str.strip() != "", ids)
    columns: dict[str, object] = {"gene_ids": ids.to_numpy(dtype=object)}
    kinds = named.get("feature_types", named.get("column_2"))
    if kinds is not None and (kinds.str.strip() != "").all():
        # A third column of another meaning (a biotype, a chromosome) is kept under no such name.
        told = kinds_of_features(pd.DataFrame({"feature_types": kinds})) is not None
        column = "feature_types" if told or "feature_types" in named else "column_3"
        columns[column] = kinds.to_numpy(dtype=object)
    if "genome" in named:
        columns["genome"] = named["genome"].to_numpy(dtype=object)
    for told in others:
        # What another table tells of the genes, under the titles that it has.
        for title in (t for t in told if not t.startswith("column_") and t not in columns):
            if told[title] is not names and title.lower() not in (*_NAME_COLUMNS, *_ID_COLUMNS):
                columns[title] = told[title].to_numpy(dtype=object)
    return pd.DataFrame(columns, index=pd.Index(names.to_numpy(dtype=object), dtype=object))


def _in_order_of(
    ids: pd.Series, names: pd.Series | None, table: pd.DataFrame
) -> pd.DataFrame | None:
    """The other columns of a table of genes, in the order of these; None where it has others."""
    if table.shape[1] < 2:
        return None
    for mine in (ids, names):
        for key in table.columns if mine is not None else ():
            found = match(list(mine), list(table[key])) if mine is not None else None
            if found is not None and not found.how and found.n_cells > 0.5 * len(ids):
                rest = table.drop(columns=[key]).reindex(found.lines).fillna("")
                return rest.set_axis(ids.index)
    return None


def _names_in(told: pd.DataFrame) -> pd.Series | None:
    """The column of names of genes: by its title, else one of which most values differ."""
    by_title = {str(c).lower(): told[c] for c in told.columns}
    named = next((by_title[c] for c in _NAME_COLUMNS if c in by_title), None)
    if named is not None:
        return named
    differ = (told[c] for c in told.columns if told[c].nunique() > 0.5 * len(told))
    return next(differ, None)


def cell_table(found: NameList, n: int) -> pd.DataFrame:
    """One row per cell; further columns are kept, numbered where they have no title."""
    table = found.table(n)
    named = {str(c).lower(): c for c in table.columns}
    key = next((named[c] for c in _CELL_COLUMNS if c in named), table.columns[0])
    obs = table.drop(columns=[key]).set_axis(pd.Index(table[key].to_numpy(), dtype=object))
    counted: dict[str, str] = {}
    for i, column in enumerate(table.columns):
        if column == f"column_{i}" and column in obs:
            told = obs[column] != ""
            if not told.any() or (obs[column] == obs.index).all():
                obs = obs.drop(columns=[column])  # nothing, or the names once more
            else:
                counted[column] = f"column_{i + 1}"
    obs = obs.rename(columns=counted)
    for column in obs.columns:
        numbers = pd.to_numeric(obs[column].replace("", np.nan), errors="coerce")
        if numbers.notna().sum() == (obs[column] != "").sum() and numbers.notna().any():
            obs[column] = numbers
    return obs
