"""Single numbers of a block, each with what it means."""

import pandas as pd

from app.plots import Content, Plot, Sheet
from diffbio_engine.declare import Kind
from diffbio_engine.runs import Finding, Findings


def _together(found: list[Finding]) -> list[list[Finding]]:
    # Losses have a plot of their own.
    numbers = [f for f in found if f.kind != Kind.LOSS]
    return [numbers] if numbers else []


def _sheet(findings: Findings, block: str, found: list[Finding]) -> Sheet:
    def make() -> Content:
        rows = [(f.title, float(f.values), f.doc) for f in found]
        content = {"numbers": [{"title": t, "value": v, "doc": d} for t, v, d in rows]}
        return content, pd.DataFrame(rows, columns=["number", "value", "what it is"])

    return Sheet(f"{block}.numbers", "Numbers", block, "numbers", "", make)


PLOT = Plot(axes=("",), sheet=_sheet, place=9, leads=True, together=_together)
