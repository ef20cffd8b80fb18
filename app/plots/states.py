"""Which state each position of some records is in: a strip for each, coloured by its shares."""

import numpy as np
import pandas as pd

from app.plots import Content, Plot, Sheet, one
from app.plots._tables import lists
from diffbio_engine.declare import Kind
from diffbio_engine.runs import Finding, Findings

_MOST_POSITIONS = 2000


def _sheet(findings: Findings, block: str, found: list[Finding]) -> Sheet:
    (finding,) = found
    return Sheet(
        finding.port,
        finding.title,
        block,
        "strips",
        finding.doc,
        lambda: _strips(findings, finding),
    )


def _strips(findings: Findings, finding: Finding) -> Content:
    records, along, states = (findings.along(finding, axis) for axis in finding.axes)
    record, axis, _ = finding.axes
    values = np.asarray(finding.values, float)
    table = pd.DataFrame(values.reshape(-1, len(states)), columns=states)
    table.insert(0, one(axis), along * len(records))
    table.insert(0, one(record), np.repeat(np.array(records, object), len(along)))
    cut = f"The first {_MOST_POSITIONS:,} of {len(along):,} {axis}; the file has all."
    content = {
        "names": records, "classes": states, "axis": axis,
        "values": lists(values[:, :_MOST_POSITIONS]),
        "note": cut if len(along) > _MOST_POSITIONS else "",
    }  # fmt: skip
    return content, table


PLOT = Plot(axes=("* positions *",), kinds=frozenset({Kind.SHARES}), sheet=_sheet, place=6)
