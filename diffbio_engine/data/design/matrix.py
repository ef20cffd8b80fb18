"""From a formula and a table of samples to the columns of numbers that a regression takes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import pandas as pd

from diffbio_engine.data.design.formula import Formula
from diffbio_engine.errors import DataError, did_you_mean

_CONTROLS = re.compile(
    r"(control|controls|ctrl|ctl|untreated|untrt|vehicle|mock|dmso|placebo|sham|baseline|"
    r"wt|wild.?type|normal|healthy|none|non.?treated|unstim(ulated)?|before|pre|day.?0|t?0h?)",
    re.IGNORECASE,
)
# Levels together are multiplied: more columns than these, and than samples, are not even made.
_MOST_LEVELS, _MOST_COLUMNS = 100, 1_000
# Regressions square what they are given, in 32 bits.
_LARGEST = 1e15


@dataclass(frozen=True)
class Design:
    """A design, ready for a regression.

    Attributes:
        matrix: Samples by columns; the first is 1 everywhere.
        names: Of the columns, as DESeq2 has them: ``dex_treated_vs_control``.
        compared: What the last column tells, in words.
        notes: How it was read, in full sentences.
    """

    matrix: np.ndarray
    names: tuple[str, ...]
    compared: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Column:
    name: str
    told: str
    values: np.ndarray


def design_of(table: pd.DataFrame | Mapping[str, Any], formula: Formula) -> Design:
    """The columns of a design: 1, and of each term its numbers (a class as 0 and 1 a level).

    Args:
        table: Of the samples; the index has their names.

    Raises:
        DataError: A column is not there, has one value or lacks one, or two say the same.
    """
    table = pd.DataFrame(table)
    coded = {name: _coded(table, name, formula) for name in formula.columns}
    n_columns = 1 + sum(prod(len(coded[name]) for name in term) for term in formula.terms)
    if n_columns > max(_MOST_COLUMNS, len(table)):
        raise _too_wide(n_columns, len(table))
    columns = [_Column("Intercept", "", np.ones(len(table)))]
    of_term: list[tuple[str, ...]] = [()]
    for term in formula.terms:
        made = [_Column("", "", np.ones(len(table)))]
        for name in term:
            made = [_product(a, b) for a in made for b in coded[name]]
        columns += made
        of_term += [term] * len(made)
    matrix = np.column_stack([c.values for c in columns])
    _require_rank(matrix, columns, of_term, len(table))
    notes = [
        f"{formula.text}: {columns[-1].told} is compared"
        + (f"; {_listed(others)} is accounted for." if (others := formula.columns[:-1]) else ".")
    ]
    return Design(matrix, tuple(c.name for c in columns), columns[-1].told, tuple(notes))


def table_of(preview: Mapping[str, Any]) -> pd.DataFrame:
    """The columns of few samples as a preview has them in plain data; an order of classes stays."""
    table = pd.DataFrame(preview.get("table") or {})
    for column in preview.get("obs") or ():
        if column.get("ordered") and column.get("values") and column["name"] in table:
            values = table[column["name"]]
            table[column["name"]] = pd.Categorical(values, list(column["values"]), ordered=True)
    return table


def levels_of(table: pd.DataFrame | Mapping[str, Any], formula: Formula, column: str) -> list[str]:
    """The levels of a column of classes, its reference first; none for a column of numbers."""
    table = pd.DataFrame(table)
    if column not in table or not _is_class(table[column], column in formula.classes):
        return []
    levels = _levels(table[column])
    if order := formula.levels.get(column):
        if set(order) != set(levels):
            said = ", ".join(sorted(set(levels) ^ set(order))[:4])
            raise DataError(
                f"The levels of '{column}' in the design are not those of the samples: {said}.",
                fix=f"Name each of {_listed(levels[:8])} once.",
                where="design",
            )
        return list(order)
    reference = formula.references.get(column) or _usual_reference(levels)
    if reference not in levels:
        raise DataError(
            f"'{reference}' is no value of '{column}'; there are {_listed(levels[:8])}.",
            fix=did_you_mean(reference, levels) or "Choose one of these as the reference level.",
            where="design",
        )
    return [reference, *(level for level in levels if level != reference)]


def _coded(table: pd.DataFrame, name: str, formula: Formula) -> list[_Column]:
    if name not in table:
        there = [str(c) for c in table.columns]
        raise DataError(
            f"The design asks for '{name}', and the samples have no such column"
            f" ({_listed(there[:8]) or 'there is none'}).",
            fix=did_you_mean(name, there) or "Bring a table that describes the samples beside it.",
            where="design",
        )
    series = table[name]
    if (missing := series.isna()).any():
        first, n = str(table.index[int(np.argmax(missing))]), int(missing.sum())
        more = f" (and {n - 1:,} others)" if n > 1 else ""
        raise DataError(
            f"Sample {first}{more} has no value in '{name}'.",
            fix=f"Fill it in, leave the sample out, or leave '{name}' out of the design.",
            where="design",
        )
    if not _is_class(series, name in formula.classes):
        values = series.to_numpy(float)
        if not (np.abs(values) <= _LARGEST).all():
            first = str(table.index[int(np.argmax(~(np.abs(values) <= _LARGEST)))])
            raise DataError(
                f"Sample {first} has a value in '{name}' that is too large to reckon with.",
                fix=f"Mend it, or leave '{name}' out of the design.",
                where="design",
            )
        if np.ptp(values) == 0:
            raise _of_one_value(name, f"{values[0]:g}")
        return [_Column(name, f"{name}, for each 1 more", values)]
    first, *others = levels = levels_of(table, formula, name)
    if not others:
        raise _of_one_value(name, first)
    if len(levels) > _MOST_LEVELS:
        raise DataError(
            f"'{name}' has {len(levels):,} values, which are no groups.",
            fix="Leave it out of the design.",
            where="design",
        )
    values = _texts(series)
    return [
        _Column(column_of(name, level, first), f"{name} {level} against {first}", values == level)
        for level in others
    ]


def column_of(name: str, level: str, reference: str) -> str:
    """The column of a level, as DESeq2 calls it."""
    return f"{name}_{level}_vs_{reference}"


def _of_one_value(name: str, value: str) -> DataError:
    return DataError(
        f"'{name}' is '{value}' for all samples, so nothing differs with it.",
        fix="Leave it out of the design.",
        where="design",
    )


def _product(a: _Column, b: _Column) -> _Column:
    if not a.name:
        return b
    told = f"how the effect of {a.told} differs with {b.told} (interaction)"
    return _Column(f"{a.name}:{b.name}", told, a.values * b.values)


def _require_rank(
    matrix: np.ndarray, columns: list[_Column], of_term: list[tuple[str, ...]], n: int
) -> None:
    """Refuses what cannot be told apart, by the names of the columns of the table."""
    basis = np.zeros((0, n))
    for k in range(matrix.shape[1]):
        if (wider := with_columns(basis, matrix[:, k : k + 1])) is not None:
            basis = wider
            continue
        scaled = matrix[:, : k + 1] / np.linalg.norm(matrix[:, : k + 1], axis=0)
        said, *_ = np.linalg.lstsq(scaled[:, :k], scaled[:, k], rcond=None)
        mine = ":".join(of_term[k])
        same = [":".join(of_term[i]) for i in range(1, k) if abs(said[i]) > 1e-8]
        others = [t for t in dict.fromkeys(same) if t != mine]
        which = _listed([f"'{t}'" for t in others]) or "the intercept"
        raise DataError(
            f"'{mine}' and {which} say the same of these samples ({columns[k].name} follows from"
            f" {'them' if len(others) > 1 else 'it'}), so their effects cannot be told apart.",
            fix=f"Leave one out of the design: {_or(mine, others)}.",
            where="design",
        )
    if n <= matrix.shape[1]:
        raise _too_wide(matrix.shape[1], n)


def _too_wide(n_columns: int, n: int) -> DataError:
    return DataError(
        f"The design has {n_columns:,} columns for {n:,} samples: nothing is left to see by"
        " how much samples alike differ.",
        fix="Take fewer columns into account, or bring more samples.",
        where="design",
    )


def with_columns(basis: np.ndarray, columns: np.ndarray) -> np.ndarray | None:
    """An orthonormal basis (in rows) and these columns; None where one follows from those before.

    Cost: O(samples x rows of the basis) a column.
    """
    for column in columns.T:
        rest = column / np.linalg.norm(column)
        for _ in range(2):  # the second time for what rounding left
            rest = rest - basis.T @ (basis @ rest)
        if not np.abs(rest).max() > 1e-8:
            return None
        basis = np.vstack([basis, rest / np.linalg.norm(rest)])
    return basis


def _or(mine: str, others: list[str]) -> str:
    return " or ".join([*others, mine])


def _is_class(series: pd.Series, said: bool) -> bool:
    return said or series.dtype.kind not in "fiu" or isinstance(series.dtype, pd.CategoricalDtype)


def _texts(series: pd.Series) -> np.ndarray:
    return np.array([level_of(v) for v in series], dtype=object)


def level_of(value: Any) -> str:
    """What the level of a value is called: 1.0 is "1"."""
    is_whole = isinstance(value, float | np.floating) and float(value).is_integer()
    return str(int(value)) if is_whole else str(value)


def _levels(series: pd.Series) -> list[str]:
    """In the order that the file says, or by name with numbers by their size."""
    present = set(_texts(series.dropna()))
    if isinstance(series.dtype, pd.CategoricalDtype) and series.cat.ordered:
        return [c for c in map(level_of, series.cat.categories) if c in present]

    def key(level: str) -> list[tuple[int, int, str]]:
        parts = re.split(r"(\d{1,18})", level)
        return [(0, int(p), "") if p.isdecimal() else (1, 0, p.lower()) for p in parts if p]

    return sorted(present, key=key)


def _usual_reference(levels: list[str]) -> str:
    """What is called like a control; else the first, as R takes it."""
    called = (level for level in levels if _CONTROLS.fullmatch(level.strip()))
    inside = (
        level
        for level in levels
        if any(_CONTROLS.fullmatch(word) for word in re.split(r"[^A-Za-z0-9]+", level) if word)
    )
    return next(called, None) or next(inside, None) or (levels[0] if levels else "")


def _listed(words: Any) -> str:
    *first, last = words or [""]
    return f"{', '.join(first)} and {last}" if first else str(last)
