"""Who acts on whom by which pair: a dot for each, large if it is strong, dark if it is sure."""

import numpy as np
import pandas as pd

from app.plots import Content, Plot, Sheet, one
from app.plots._tables import lists
from diffbio_engine.declare import Kind
from diffbio_engine.runs import Finding, Findings

_MOST_PAIRS = 30
_SURE = 0.05


def _with_what_is_said_of_it(found: list[Finding]) -> list[list[Finding]]:
    """Each network, and what else is said of the same: how sure it is."""
    networks = [f for f in found if f.kind == Kind.NETWORK]
    return [
        [f, *(o for o in found if o.axes == f.axes and o.kind != Kind.NETWORK)] for f in networks
    ]


def _sheet(findings: Findings, block: str, found: list[Finding]) -> Sheet:
    finding = found[0]
    return Sheet(
        finding.port, finding.title, block, "dots", finding.doc, lambda: _dots(findings, found)
    )


def _dots(findings: Findings, found: list[Finding]) -> Content:
    finding = found[0]
    third = finding.axes[2]
    names = [findings.along(finding, a) for a in finding.axes]
    strength = finding.values.astype(float)
    # What is called a p-value says how sure each strength is.
    sure = next((f.values.astype(float) for f in found if "pval" in f.port), None)
    table = pd.DataFrame(
        {
            "from": np.repeat(np.array(names[0], object), len(names[1]) * len(names[2])),
            "to": np.tile(np.repeat(np.array(names[1], object), len(names[2])), len(names[0])),
            one(third): np.tile(np.array(names[2], object), len(names[0]) * len(names[1])),
            "strength": strength.ravel(),
        }
    )
    if sure is not None:
        table["p value"] = sure.ravel()
    believed = strength if sure is None else np.where(sure < _SURE, strength, 0.0)
    best = np.argsort(-believed.max(axis=(0, 1)), kind="stable")[:_MOST_PAIRS]
    note = f"The {len(best)} strongest of {strength.shape[2]:,} {third}; the file has all."
    content = {
        "from": names[0], "to": names[1], "pairs": [names[2][i] for i in best],
        "strength": lists(strength[:, :, best]),
        "sure": None if sure is None else lists(sure[:, :, best]),
        "note": note if len(best) < strength.shape[2] else "",
    }  # fmt: skip
    return content, table.sort_values("strength", ascending=False)


PLOT = Plot(axes=("* * *",), sheet=_sheet, place=50, together=_with_what_is_said_of_it)
