"""Shares of a whole among what lies along one axis (transcripts): one bar, the largest apart."""

import numpy as np
import pandas as pd

from app.plots import Content, Plot, Sheet, one
from app.plots._tables import lists
from diffbio_engine.declare import Kind
from diffbio_engine.runs import Finding, Findings

_MOST_APART = 12


def _shares(found: list[Finding]) -> list[list[Finding]]:
    """What adds up to one; the rest is a table's."""
    return [[f] for f in found if (f.values >= 0).all() and abs(f.values.sum() - 1) < 1e-3]


def _sheet(findings: Findings, block: str, found: list[Finding]) -> Sheet:
    (finding,) = found
    (axis,) = finding.axes

    def make() -> Content:
        names, values = findings.along(finding, axis), finding.values.astype(float)
        table = pd.DataFrame({one(axis): names, finding.title: values})
        order = np.argsort(-values, kind="stable")
        apart = [i for i in order[:_MOST_APART] if values[i] > 0]
        there, n = int((values > 0).sum()), len(values)
        classes, shares = [names[i] for i in apart], [values[i] for i in apart]
        if there > len(apart):
            classes.append(f"{there - len(apart):,} others")
            shares.append(max(1 - sum(shares), 0.0))
        content = {
            "groups": [f"{there:,} of {n:,} {axis}"],
            "classes": classes,
            "values": lists(np.array([shares])),
            "note": f"The {len(apart)} most common of {there:,} {axis} with any share; the file"
            f" has all {n:,}.",
        }
        return content, table.iloc[order]

    return Sheet(finding.port, finding.title, block, "bars", finding.doc, make, usual=True)


PLOT = Plot(
    axes=("transcripts",), kinds=frozenset({Kind.PROFILE}), sheet=_sheet, place=8, together=_shares
)
