"""What samples of a design can be compared, by name: a level of a factor against another."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from diffbio_engine.data.design.formula import Formula
from diffbio_engine.data.design.matrix import column_of, design_of, levels_of


@dataclass(frozen=True)
class Factor:
    """Something that is compared: a column of classes, or a single column of the design.

    Attributes:
        name: Of the column of the samples; of a single column of the design its own name.
        levels: Of the classes, the reference first; none for a single column.
        beside: Where its effect depends on other columns: what these are, where it is told.
    """

    name: str
    levels: tuple[str, ...] = ()
    beside: str = ""


@dataclass(frozen=True)
class Comparison:
    """One contrast, as DESeq2's ``contrast = c(factor, level, against)`` says it.

    Attributes:
        title: In words.
        contrast: A weight for each column of the design.
        members: The columns so added up that they are 1 for the samples compared; 0 for all.
    """

    title: str
    contrast: np.ndarray
    members: np.ndarray


class Comparisons:
    """All comparisons that a design allows.

    Args:
        table: Of the samples.
        formula: Of the design.

    Raises:
        DataError: The formula makes no design of these samples.
    """

    def __init__(self, table: pd.DataFrame | Mapping[str, Any], formula: Formula):
        table = pd.DataFrame(table)
        self.names = design_of(table, formula).names
        self._levels = {c: tuple(levels_of(table, formula, c)) for c in formula.columns}
        self._formula = formula
        taken = {self._column(f, v) for f, levels in self._levels.items() for v in levels[1:]}
        alone = [Factor(n) for n in self.names[1:] if n not in taken]
        self.factors = (*(self._factor(c) for c, v in self._levels.items() if v), *alone)

    def of(self, name: str, level: str = "", against: str = "") -> Comparison | None:
        """The comparison of two levels, or of a single column; None where there is no such one."""
        factor = next((f for f in self.factors if f.name == name), None)
        if factor is None:
            return None
        if not factor.levels:
            return Comparison(name.replace("_", " "), self._one(name), np.zeros(len(self.names)))
        if level == against or not {level, against} <= set(factor.levels):
            return None
        contrast = self._of_level(name, level) - self._of_level(name, against)
        members = self._members(factor, level) + self._members(factor, against)
        beside = f", where {factor.beside}" if factor.beside else ""
        return Comparison(f"{name} {level} against {against}{beside}", contrast, members)

    def named(self, column: str) -> tuple[str, str, str] | None:
        """Name, level and reference of what a column of the design compares."""
        for factor in self.factors:
            if factor.name == column and not factor.levels:
                return column, "", ""
            for level in factor.levels[1:]:
                if self._column(factor.name, level) == column:
                    return factor.name, level, factor.levels[0]
        return None

    def _factor(self, name: str) -> Factor:
        other = {c for t in self._formula.terms if name in t for c in t} - {name}
        told = (f"{c} is {(self._levels[c] or ('0',))[0]}" for c in sorted(other))
        return Factor(name, self._levels[name], " and ".join(told))

    def _column(self, name: str, level: str) -> str:
        return column_of(name, level, self._levels[name][0])

    def _one(self, column: str) -> np.ndarray:
        return np.array([float(n == column) for n in self.names])

    def _of_level(self, name: str, level: str) -> np.ndarray:
        """The reference is where all columns of a factor are 0."""
        reference = self._levels[name][0]
        return (
            np.zeros(len(self.names))
            if level == reference
            else self._one(self._column(name, level))
        )

    def _members(self, factor: Factor, level: str) -> np.ndarray:
        if level != factor.levels[0]:
            return self._one(self._column(factor.name, level))
        others = (self._one(self._column(factor.name, v)) for v in factor.levels[1:])
        return self._one(self.names[0]) - sum(others)
