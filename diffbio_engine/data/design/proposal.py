"""Which design is likely meant, by what the columns of samples are called and hold."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from diffbio_engine.data.dataset.name_words import words_of
from diffbio_engine.data.design.formula import Formula
from diffbio_engine.data.design.matrix import design_of, levels_of, with_columns
from diffbio_engine.errors import DataError

# What of samples is taken into account rather than asked about: who they are from, and how they
# came to be measured.
_NUISANCE = {
    "batch", "donor", "donors", "patient", "patients", "subject", "individual", "person", "animal",
    "mouse", "pair", "pairs", "block", "replicate", "rep", "run", "lane", "plate", "flowcell",
    "library", "prep", "date", "site", "center", "centre", "cell", "line", "litter", "family",
    "cage", "dam",
}  # fmt: skip
_MOST_LEVELS, _MOST_OFFERED = 20, 8


def proposed(
    table: pd.DataFrame | Mapping[str, Any], condition: str = "", batch: str = ""
) -> list[Formula]:
    """Designs that these samples allow, the likeliest first; what is compared stands last.

    Args:
        condition: The column that is taken for the condition; empty if none is.
        batch: The column that is taken for the batch.
    """
    table = pd.DataFrame(table)
    alone = {c: made for c in map(str, table.columns) if (made := _alone(table, c))}
    nuisance = [c for c in alone if c == batch or _is_nuisance(c)]
    asked = [c for c in alone if c not in nuisance]
    asked.sort(key=lambda c: c != condition)
    found: dict[str, Formula] = {}
    for column in (*asked, *nuisance)[:_MOST_OFFERED]:
        formula = alone[column].formula
        for one in (_beside(alone, _accounted(alone, nuisance, column), formula), formula):
            found[one.text] = one
    return list(found.values())[:_MOST_OFFERED]


@dataclass(frozen=True)
class _Alone:
    """A column that can be compared: by itself, and the columns of numbers that it becomes."""

    formula: Formula
    matrix: np.ndarray


def _alone(table: pd.DataFrame, name: str) -> _Alone | None:
    if not _may_name_groups(table, name):
        return None
    numbers = frozenset({name} if table[name].dtype.kind in "fiu" else ())
    formula = Formula(((name,),), classes=numbers)
    try:
        matrix = design_of(table, formula).matrix[:, 1:]
        # Of what is compared the reference is written down, so that it is seen and can be changed.
        reference = levels_of(table, formula, name)[0]
    except DataError:
        return None
    return _Alone(formula.with_reference(name, reference), matrix)


def _accounted(alone: dict[str, _Alone], nuisance: list[str], column: str) -> list[str]:
    """All that can be taken into account beside a column, one after the other."""
    compared = alone[column].matrix
    n = len(compared)
    basis = with_columns(np.full((1, n), n**-0.5), compared)
    taken: list[str] = []
    for name in nuisance:
        if name == column or basis is None or len(basis) + alone[name].matrix.shape[1] >= n:
            continue
        if (wider := with_columns(basis, alone[name].matrix)) is not None:
            basis = wider
            taken.append(name)
    return taken


def _beside(alone: dict[str, _Alone], taken: list[str], compared: Formula) -> Formula:
    """The same comparison, with these columns taken into account."""
    terms = tuple((name,) for name in taken) + compared.terms
    numbers = frozenset().union(*(alone[name].formula.classes for name in taken))
    return replace(compared, terms=terms, classes=compared.classes | numbers)


def _is_nuisance(name: str) -> bool:
    words = [w.lower() for w in words_of(name)]
    return bool(words) and all(w in _NUISANCE or w in ("id", "no", "number") for w in words)


def _may_name_groups(table: pd.DataFrame, name: str) -> bool:
    """Words, or few whole numbers, of which at least one stands in several samples."""
    values = table[name].dropna()
    n = values.astype(str).nunique()
    if values.dtype.kind in "fiu" and not (values % 1 == 0).all():
        return False
    return 2 <= n <= min(_MOST_LEVELS, len(values) - 1)
