"""Anything between few things, plans and networks: a heat map, slice by slice."""

import numpy as np
import pandas as pd

from app.plots import Content, Plot, Sheet
from app.plots._tables import lists
from diffbio_engine.runs import Finding, Findings

_MOST_SHOWN = 120


def _sheet(findings: Findings, block: str, found: list[Finding]) -> Sheet:
    (finding,) = found
    return Sheet(
        finding.port, finding.title, block, "heat", finding.doc, lambda: _heat(findings, finding)
    )


def _heat(findings: Findings, finding: Finding) -> Content:
    *before, first, second = finding.axes
    rows, columns = findings.along(finding, first), findings.along(finding, second)
    values = finding.values.astype(float)
    slices = findings.along(finding, before[0]) if before else [""]
    stacked = values if before else values[None]
    frames = [pd.DataFrame(part, columns=columns).assign(**{"from": rows}) for part in stacked]
    table = pd.concat(
        [f.assign(**{before[0]: s}) if before else f for f, s in zip(frames, slices, strict=True)]
    )
    names = [*([before[0]] if before else []), "from"]
    down, across = (_largest(stacked, axis) for axis in (1, 2))
    cut = [
        f"{len(kept)} of {of:,} {axis}"
        for kept, of, axis in ((down, len(rows), first), (across, len(columns), second))
        if len(kept) < of
    ]
    content = {
        "slices": slices, "rows": [rows[i] for i in down], "columns": [columns[i] for i in across],
        "values": lists(stacked[:, down][:, :, across]), "axes": [first, second],
        "signed": bool((values < 0).any()),
        "note": f"Of the largest values: {', '.join(cut)}; the file has all." if cut else "",
    }  # fmt: skip
    return content, table[[*names, *columns]]


def _largest(stacked: np.ndarray, axis: int) -> np.ndarray:
    """Which rows (1) or columns (2) are shown, in their order: those with the largest values."""
    size = np.nan_to_num(np.abs(stacked)).max(axis=(0, 3 - axis))
    return np.sort(np.argsort(-size, kind="stable")[:_MOST_SHOWN])


PLOT = Plot(axes=("* *", "* * *"), sheet=_sheet, place=90)
