"""Numbers along positions or iterations: of the data set, or of each of some records (a track)."""

import pandas as pd

from app.plots import Content, Plot, Sheet, one
from app.plots._tables import lists
from diffbio_engine.declare import Kind
from diffbio_engine.runs import Finding, Findings

_MOST_POINTS = 4000


def _sheet(findings: Findings, block: str, found: list[Finding]) -> Sheet:
    (finding,) = found
    return Sheet(
        finding.port,
        finding.title,
        block,
        "curve",
        finding.doc,
        lambda: _lines(findings, finding),
        of_the_model=finding.kind == Kind.PARAMETER,
    )


def _lines(findings: Findings, finding: Finding) -> Content:
    *before, along = finding.axes
    lines = findings.along(finding, before[0]) if before else [finding.title]
    names = findings.along(finding, along)
    values = finding.values.astype(float).reshape(len(lines), len(names))
    table = pd.DataFrame(values.T, columns=lines)
    table.insert(0, one(along), names)
    shown = values[:, :_MOST_POINTS]
    cut = f"The first {_MOST_POINTS:,} of {len(names):,} {along}; the file has all."
    content = {
        "lines": lines, "names": names[:_MOST_POINTS], "values": lists(shown), "axis": along,
        "note": cut if len(names) > _MOST_POINTS else "",
    }  # fmt: skip
    return content, table


PLOT = Plot(axes=("positions", "* positions", "iterations"), sheet=_sheet, place=5)
