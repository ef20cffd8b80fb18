"""What stands at each place, letter by letter: a sequence logo, of one or of several motifs."""

import numpy as np
import pandas as pd

from app.plots import Content, Plot, Sheet, one
from app.plots._tables import lists
from diffbio_engine.runs import Finding, Findings


def _sheet(findings: Findings, block: str, found: list[Finding]) -> Sheet:
    (finding,) = found
    return Sheet(
        finding.port, finding.title, block, "logo", finding.doc, lambda: _logos(findings, finding)
    )


def _logos(findings: Findings, finding: Finding) -> Content:
    """Letters as high as they count: frequencies by their information, weights as they are.

    Rows that add up to one are frequencies; a letter is then ``p * (log2 A - H)`` bits high, with
    ``H`` the entropy of its place and ``A`` letters (Schneider and Stephens 1990, Sequence logos).
    Else the letter is as high as its weight, those below zero under the line.
    """
    *before, place, alphabet = finding.axes
    letters, places = findings.along(finding, alphabet), findings.along(finding, place)
    if place in ("positions", "width"):  # counted from 1, as everywhere in the field
        places = [str(i + 1) for i in range(len(places))]
    slices = findings.along(finding, before[0]) if before else [""]
    values = np.nan_to_num(finding.values.astype(float)).reshape(-1, len(places), len(letters))
    frequencies = bool((values >= 0).all() and np.allclose(values.sum(axis=-1), 1, atol=1e-3))
    heights = values
    if frequencies:
        some = np.where(values > 0, values, 1.0)
        entropy = -(some * np.log2(some)).sum(axis=-1, keepdims=True)
        heights = values * np.maximum(np.log2(len(letters)) - entropy, 0.0)
    frames = [pd.DataFrame(part, columns=letters) for part in values]
    for name, frame in zip(slices, frames, strict=True):
        frame.insert(0, one(place), places)
        if before:
            frame.insert(0, one(before[0]), name)
    content = {
        "slices": slices, "places": places, "letters": letters, "heights": lists(heights),
        "unit": "bits" if frequencies else "",
    }  # fmt: skip
    return content, pd.concat(frames, ignore_index=True)


PLOT = Plot(axes=("* letters", "* * letters"), sheet=_sheet, place=7)
