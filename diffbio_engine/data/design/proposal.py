"""Which design is likely meant, by what the columns of samples are called and hold."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from diffbio_engine.data.dataset.name_words import words_of
from diffbio_engine.data.design.formula import Formula
from diffbio_engine.data.design.matrix import design_of, levels_of
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
    classes = [str(c) for c in table.columns if _may_name_groups(table, str(c))]
    nuisance = [c for c in classes if c == batch or _is_nuisance(c)]
    asked = [c for c in classes if c not in nuisance]
    asked.sort(key=lambda c: c != condition)
    found = []
    for column in (*asked, *nuisance):
        others = [c for c in nuisance if c != column]
        if full := _largest(table, others, column):
            found.append(full)
        if full is None or len(full.terms) > 1:
            found += [alone] if (alone := _allowed(table, [column])) else []
    return list({f.text: f for f in found}.values())[:_MOST_OFFERED]


def _largest(table: pd.DataFrame, nuisance: list[str], column: str) -> Formula | None:
    """All that can be taken into account beside a column, one after the other."""
    taken: list[str] = []
    for name in nuisance:
        if _allowed(table, [*taken, name, column]):
            taken.append(name)
    return _allowed(table, [*taken, column])


def _allowed(table: pd.DataFrame, columns: list[str]) -> Formula | None:
    numbers = frozenset(c for c in columns if table[c].dtype.kind in "fiu")
    formula = Formula(tuple((c,) for c in columns), classes=numbers)
    try:
        design_of(table, formula)
        # Of what is compared the reference is written down, so that it is seen and can be changed.
        reference = levels_of(table, formula, columns[-1])[0]
    except DataError:
        return None
    return replace(formula, references={columns[-1]: reference})


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
