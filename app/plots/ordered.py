"""Several things of the same groups and genes: one table, the best genes of each group first."""

import numpy as np
import pandas as pd

from app.plots import Content, Plot, Sheet, one
from app.plots._tables import table_of
from diffbio_engine.declare import Kind
from diffbio_engine.runs import Finding, Findings

_FEWEST, _MOST_OF_A_GROUP = 3, 50


def _of_the_same(found: list[Finding]) -> list[list[Finding]]:
    axes = dict.fromkeys(f.axes for f in found)
    alike = [[f for f in found if f.axes == both] for both in axes]
    return [group for group in alike if len(group) >= _FEWEST]


def _sheet(findings: Findings, block: str, found: list[Finding]) -> Sheet:
    axis = found[0].axes[0]
    about = "What each group has more of than all others. Search for a gene or a group."
    if not np.isfinite(found[0].values).all(axis=1).any():
        about = (
            "No group has three members with three others to compare them with, so no gene is told"
            " to mark one. Ask for fewer groups."
        )
    return Sheet(
        f"{block}.markers", f"Marker genes of {axis}", block, "table", about,
        lambda: _best_of_each(findings, found), usual=True,
    )  # fmt: skip


def _best_of_each(findings: Findings, found: list[Finding]) -> Content:
    """The best genes of each group by what is ranked, with all that is said of them."""
    first, axis = found[0], found[0].axes[0]
    groups, genes = findings.along(first, axis), findings.along(first, "genes")
    parts = []
    for i, group in enumerate(groups):
        if np.isfinite(first.values[i]).all():
            order = np.argsort(-first.values[i], kind="stable")
            told = {f.title: f.values[i, order].astype(float) for f in found}
            gene = np.array(genes, object)[order]
            parts.append(pd.DataFrame({one(axis): group, "gene": gene, **told}))
    if not parts:
        parts = [pd.DataFrame(columns=[one(axis), "gene"])]
    table = pd.concat(parts, ignore_index=True)
    best = pd.concat([part.head(_MOST_OF_A_GROUP) for part in parts], ignore_index=True)
    said = "\n".join(f"{f.title}: {f.doc}" for f in found)
    content = table_of(best, said, {f.title: f.ranks for f in found})
    content["order"] = [0, 2]  # group by group, the best first
    if len(best) < len(table):
        n = _MOST_OF_A_GROUP
        content["note"] = f"The {n} best of {len(genes):,} genes of each; the file has all."
    return content, table


PLOT = Plot(
    axes=("* genes",), kinds=frozenset({Kind.PROFILE}), sheet=_sheet, place=30, leads=True,
    together=_of_the_same,
)  # fmt: skip
