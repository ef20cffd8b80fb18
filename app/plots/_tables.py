"""Tables as plain data: rows to sort and search, and how they are ordered at first."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd


def table_of(
    table: pd.DataFrame, doc: str, ranks: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Rows and how they are ordered at first; whatever is sorted, ties follow that order.

    What is surest comes first, then what is strongest: where thousands of cells make hundreds of
    p-values 0, it is the size of the effect that tells which genes matter.

    Args:
        ranks: ``Port.ranks`` of columns.
    """
    titles = [str(c) for c in table.columns]
    ranked = {i: r for i, t in enumerate(titles) if (r := (ranks or {}).get(t, ""))}
    if not ranked:  # runs of before it was declared, and tables of many columns alike
        tested = [i for i, t in enumerate(titles) if re.search(r"\b[pq] val", t.lower())]
        ranked = dict.fromkeys(tested, "small") or {1: "large"}
    columns = [
        {"title": t, "number": table[c].dtype.kind == "f", "ranks": ranked.get(i, "")}
        for i, (t, c) in enumerate(zip(titles, table.columns, strict=True))
    ]
    return {
        "columns": columns,
        "rows": [[_plain(v) for v in row] for row in table.itertuples(index=False)],
        "order": sorted(ranked, key=lambda i: ranked[i] != "small"),
        "note": "",
        "doc": doc,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, float | np.floating):
        return float(f"{value:.6g}") if np.isfinite(value) else None
    return str(value)


def lists(values: np.ndarray) -> list:
    """Numbers as the page is sent them: rounded, what is missing as 0."""
    return np.round(np.nan_to_num(np.asarray(values, float)), 5).tolist()
