"""Something of each gene: a row for each, a column for each of what lies along the other axis."""

import pandas as pd

from app.plots import Content, Plot, Sheet
from app.plots._tables import table_of
from diffbio_engine.declare import Kind
from diffbio_engine.runs import Finding, Findings

_MOST_COLUMNS = 60


def _sheet(findings: Findings, block: str, found: list[Finding]) -> Sheet:
    (finding,) = found

    def make() -> Content:
        across = finding.values if finding.axes[0] == "genes" else finding.values.T
        other = next((a for a in finding.axes if a != "genes"), "genes")
        names = findings.along(finding, other)
        table = pd.DataFrame({"gene": findings.along(finding, "genes")})
        columns = pd.DataFrame(across.astype(float), columns=names)
        table = pd.concat([table, columns], axis=1)
        ranks = dict.fromkeys(names, finding.ranks)
        content = table_of(table.iloc[:, : _MOST_COLUMNS + 1], finding.doc, ranks)
        if len(names) > _MOST_COLUMNS:
            content["note"] = f"The first {_MOST_COLUMNS} of {len(names):,} {other} are shown."
        return content, table

    of_the_model = finding.kind == Kind.PARAMETER
    return Sheet(finding.port, finding.title, block, "table", finding.doc, make, of_the_model)


PLOT = Plot(axes=("* genes", "genes *"), sheet=_sheet, place=70)
