"""Tables for a spreadsheet: names come from files of others, and must stay names there."""

import io
from typing import Any

import pandas as pd

# What spreadsheets take for the beginning of a formula, which may fetch or run something.
_BEGINS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def as_csv(table: pd.DataFrame, missing: str = "") -> bytes:
    """A table as CSV. Text that a spreadsheet would take for a formula gets an apostrophe first.

    Numbers stay as they are, also negative ones. White space and other signs that a spreadsheet
    skips before it looks for ``=`` do not help.
    """
    guarded = table.rename(columns=_guarded)
    for i, dtype in enumerate(guarded.dtypes):
        if not (pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_bool_dtype(dtype)):
            guarded.isetitem(i, guarded.iloc[:, i].astype(object).map(_guarded))
    out = io.StringIO()
    guarded.to_csv(out, index=False, float_format="%.6g", na_rep=missing)
    return out.getvalue().encode("utf-8", "replace")


def _guarded(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    seen = value.lstrip(" \u00a0\ufeff\u200b\u2028\u2029\x00\x0b\x0c")
    # Full-width signs are taken for the plain ones by some.
    formula = seen.startswith((*_BEGINS_A_FORMULA, "\uff1d", "\uff0b", "\uff0d", "\uff20"))
    return f"'{value}" if formula else value
