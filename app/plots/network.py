"""Who acts on which gene: a table of edges, the strongest first."""

import numpy as np
import pandas as pd

from app.plots import Content, Plot, Sheet, one
from app.plots._tables import table_of
from diffbio_engine.declare import Kind
from diffbio_engine.runs import Finding, Findings

_MOST_EDGES = 5000


def _sheet(findings: Findings, block: str, found: list[Finding]) -> Sheet:
    (finding,) = found
    return Sheet(
        finding.port, finding.title, block, "table", finding.doc, lambda: _edges(findings, finding)
    )


def _edges(findings: Findings, finding: Finding) -> Content:
    """Who acts on whom, the strongest first."""
    first, second = finding.axes
    rows, columns = findings.along(finding, first), findings.along(finding, second)
    strength = np.asarray(finding.values, float)
    order = np.argsort(-np.abs(strength), axis=None)
    order = order[: np.count_nonzero(strength)]
    i, j = np.unravel_index(order, strength.shape)
    table = pd.DataFrame(
        {
            one(first): np.array(rows, object)[i],
            "target": np.array(columns, object)[j],
            "strength": strength[i, j],
        }
    )
    shown = table_of(table.head(_MOST_EDGES), finding.doc, {"strength": "far"})
    shown["note"] = f"{len(table):,} edges of {strength.size:,} possible ones."
    if len(table) > _MOST_EDGES:
        shown["note"] += f" The {_MOST_EDGES:,} strongest are shown; the file has all."
    return shown, table


PLOT = Plot(axes=("* genes", "genes *"), kinds=frozenset({Kind.NETWORK}), sheet=_sheet, place=60)
