"""Classes of records: codes, and the names behind them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

UNASSIGNED = "unassigned"
# Words by which people mark cells whose type they do not know.
_UNKNOWN = {UNASSIGNED, "unknown", "unlabeled", "unlabelled", "nan", "na", "none", ""}


@dataclass(frozen=True)
class Labels:
    """Numbers and the names behind them: of each cell its class, of each known pair its genes.

    ``notes`` say in full sentences how they were read.
    """

    codes: np.ndarray
    names: list[str]
    notes: tuple[str, ...] = ()

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self.codes if dtype is None else self.codes.astype(dtype)


def labels_of(column: pd.Series) -> Labels:
    """A column as codes from 0 and names; cells without a value become 'unassigned'."""
    missing = column.isna().to_numpy()
    if isinstance(column.dtype, pd.CategoricalDtype):
        used = column.cat.remove_unused_categories().cat
        codes, names = used.codes.to_numpy(), [str(c) for c in used.categories]
    else:
        codes, values = pd.factorize(column, sort=True)
        names = [str(int(v)) if isinstance(v, float) and v.is_integer() else str(v) for v in values]
    codes = codes.astype(np.int32)
    if missing.any():
        if UNASSIGNED not in names:
            names.append(UNASSIGNED)
        codes[missing] = names.index(UNASSIGNED)
    return Labels(codes, names)


def without_unknown(labels: Labels) -> Labels:
    """The same, where a cell of no known type is -1 and of no class."""
    known = [i for i, name in enumerate(labels.names) if name.strip().lower() not in _UNKNOWN]
    number = np.full(len(labels.names), -1, np.int32)
    number[known] = np.arange(len(known))
    return Labels(number[labels.codes], [labels.names[i] for i in known])
