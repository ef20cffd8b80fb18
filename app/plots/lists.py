"""Numbers of genes, of pairs, of whatever lies along one axis: one table for each block."""

import pandas as pd

from app.plots import Content, Plot, Sheet, one
from app.plots._tables import table_of
from diffbio_engine.declare import Kind
from diffbio_engine.runs import Finding, Findings


def _along_one_axis(found: list[Finding]) -> list[list[Finding]]:
    axes = dict.fromkeys(f.axes for f in found)
    return [[f for f in found if f.axes == axis] for axis in axes]


def _sheet(findings: Findings, block: str, found: list[Finding]) -> Sheet:
    (axis,) = found[0].axes

    def make() -> Content:
        table = pd.DataFrame({one(axis): findings.along(found[0], axis)})
        for finding in found:
            table[finding.title] = finding.values.astype(float)
        said = "\n".join(f"{f.title}: {f.doc}" for f in found)
        return table_of(table, said, {f.title: f.ranks for f in found}), table

    title = axis.capitalize() if len(found) > 1 else found[0].title
    about = found[0].doc if len(found) == 1 else ""
    of_the_model = all(f.kind == Kind.PARAMETER for f in found)
    return Sheet(f"{block}.{axis}", title, block, "table", about, make, of_the_model)


PLOT = Plot(axes=("*",), sheet=_sheet, place=10, leads=True, together=_along_one_axis)
