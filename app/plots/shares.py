"""How each group of records is shared among classes: a bar for each group."""

import pandas as pd

from app.plots import Content, Plot, Sheet
from app.plots._tables import lists
from diffbio_engine.runs import GROUPS, Finding, Findings

_NOTE = "Mean share of each class, of all and of each group that is wired into the pipeline."


def _sheet(findings: Findings, block: str, found: list[Finding]) -> Sheet:
    (finding,) = found

    def make() -> Content:
        groups, classes = (findings.along(finding, a) for a in finding.axes)
        # Runs of before say cells, whatever their rows are.
        table = pd.DataFrame(finding.values.astype(float), columns=classes)
        table.insert(0, "group", groups)
        bars = {"groups": groups, "classes": classes, "values": lists(finding.values)}
        return bars | {"note": _NOTE}, table

    return Sheet(finding.port, finding.title, block, "bars", finding.doc, make, usual=True)


PLOT = Plot(axes=(f"{GROUPS} *",), sheet=_sheet, place=40)
