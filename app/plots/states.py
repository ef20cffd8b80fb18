"""Which state each position of some records is in: a strip for each, coloured by its shares.

Above it stands what was measured there, where anything was, and below it where it lies: bases of a
contig, or positions of a sequence.
"""

from typing import Any

import numpy as np
import pandas as pd

from app.plots import Content, Plot, Sheet, one
from app.plots._tables import lists
from diffbio_engine.declare import Kind
from diffbio_engine.ports import Address, Role
from diffbio_engine.runs import Finding, Findings

_MOST_POSITIONS = 2000
# Signals are drawn to this quantile of what is shown, so that one high bin does not hide the rest.
_TOP = 0.995


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
    values = np.asarray(finding.values, float)
    # Runs of before do not say where positions lie.
    ruler = finding.ruler or tuple((name, 1, 1, len(along)) for name in records)
    seen = _seen(findings, finding)
    drawn = [min(n, _MOST_POSITIONS) for *_, n in ruler]
    cut = sum(n > _MOST_POSITIONS for *_, n in ruler)
    note = f"The first {_MOST_POSITIONS:,} {finding.axes[1]} of each; the file has all."
    content: dict[str, Any] = {
        "names": records, "classes": states, "axis": finding.axes[1],
        "one": "base" if _is_of_contigs(records, ruler) else one(finding.axes[1]),
        "ruler": [[title, first, step] for title, first, step, _ in ruler],
        "values": [lists(row[:n]) for row, n in zip(values, drawn, strict=True)],
        "note": note if cut else "",
    }  # fmt: skip
    if seen is not None:
        rows = [row[:n] for row, n in zip(seen.values, drawn, strict=True)]
        shown = np.concatenate([row[np.isfinite(row)] for row in rows]) if rows else np.zeros(0)
        largest = float(shown.max(initial=0.0))
        top = float(np.quantile(shown, _TOP)) if len(shown) else 0.0
        content |= {
            "seen": seen.title, "signal": [lists(row) for row in rows],
            "top": top if top > 0 else max(largest, 1e-9), "largest": largest,
        }  # fmt: skip
    return content, _table(finding, records, states, ruler, seen)


def _is_of_contigs(records: list[str], ruler: tuple[tuple[str, int, int, int], ...]) -> bool:
    """Whether these are windows of contigs, whose bases are counted from 0; else from 1."""
    return any(title != name for (title, *_), name in zip(ruler, records, strict=True))


def _seen(findings: Findings, finding: Finding) -> Finding | None:
    """What the same block was given along the same positions."""
    seen = findings.of(Address.parse(finding.port).block, Role.SEEN)
    return next((f for f in seen if f.values.shape == finding.values.shape[:2]), None)


def _table(
    finding: Finding,
    records: list[str],
    states: list[str],
    ruler: tuple[tuple[str, int, int, int], ...],
    seen: Finding | None,
) -> pd.DataFrame:
    """A row for each position that there is; of bins where each begins and ends, as in a BED."""
    lengths = np.array([n for *_, n in ruler], int)
    rows = np.repeat(np.arange(len(records)), lengths)
    places = np.concatenate([np.arange(n) for n in lengths]) if len(lengths) else rows
    firsts, steps = (np.array([r[i] for r in ruler], int)[rows] for i in (1, 2))
    columns = {one(finding.axes[0]): np.array(records, object)[rows]}
    if _is_of_contigs(records, ruler):
        start = firsts + places * steps
        columns |= {"start": start, "end": start + steps}
    else:
        columns[one(finding.axes[1])] = firsts + places
    if seen is not None:
        columns[seen.title.lower()] = np.asarray(seen.values)[rows, places]
    shares = np.asarray(finding.values, float)[rows, places]
    return pd.concat([pd.DataFrame(columns), pd.DataFrame(shares, columns=states)], axis=1)


PLOT = Plot(axes=("* positions *",), kinds=frozenset({Kind.SHARES}), sheet=_sheet, place=6)
