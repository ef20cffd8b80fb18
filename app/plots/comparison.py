"""What a comparison found of each gene: volcano, MA plot and dispersions, linked with one table."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from app.plots import Content, Plot, Sheet
from app.plots._tables import table_of
from diffbio_engine.data.writers.gene_table import COLUMNS
from diffbio_engine.data.writers.small_p_values import with_small_p_values
from diffbio_engine.ports import Address, Kind, Role
from diffbio_engine.runs import Finding, Findings

# Which columns of DESeq2's table they are.
_ROLES = (
    Role.MEAN, Role.CHANGE, Role.UNSURE, Role.STATISTIC, Role.CHANCE, Role.DISCOVERY,
    Role.OWN_SPREAD, Role.USUAL_SPREAD, Role.SPREAD, Role.OUTLIER,
)  # fmt: skip
_TITLES = dict(zip(_ROLES, COLUMNS, strict=True))
_NEEDED = frozenset({Role.MEAN, Role.CHANGE, Role.DISCOVERY})
_ABOUT = "Each point is a gene: click it to find it in the other plots and in the table."
_MEANS = (
    "baseMean: mean of the normalised counts.\n"
    "log2FoldChange: how much more there is, as a power of two; lfcSE its standard error.\n"
    "stat, pvalue: the change in standard errors, and how likely so large a one is by chance.\n"
    "padj: the share of false ones among genes called at this value. None where a gene has no"
    " counts, an outlier rules it (pvalue), or its counts are too low to tell (padj).\n"
    "dispGeneEst, dispFit, dispersion: the dispersion that the gene says by itself, that of genes"
    " with its mean, and the one that is used.\n"
    "maxCooks: Cook's distance of the sample that moves the gene most; none without replicates."
)


@dataclass(frozen=True)
class _OfOne(Finding):
    """What is said of one of several groups, such as clusters.

    Attributes:
        whole: What is said of all of them.
        member: Which it is.
    """

    whole: Finding | None = None
    member: int = -1


def _together(found: list[Finding]) -> list[list[Finding]]:
    """All that a comparison says of genes on one sheet; without what the plots show, none.

    Of several groups each has a sheet of its own.
    """
    axes = dict.fromkeys(f.axes for f in found)
    alike = [[f for f in found if f.axes == same] for same in axes]
    told = [group for group in alike if {f.role for f in group} >= _NEEDED]
    return [sheet for group in told for sheet in _by_member(group)]


def _by_member(found: list[Finding]) -> list[list[Finding]]:
    if len(found[0].axes) == 1:
        return [found]
    (change,) = (f for f in found if f.role == Role.CHANGE)
    # Nothing is drawn of a group that could not be compared; something is if none could.
    could = np.flatnonzero(np.isfinite(change.values).any(axis=1))
    of_each = [f for f in found if f.role in _TITLES]
    groups = could if len(could) else [0]
    return [[_of_one(f, int(k)) for f in of_each] for k in groups]


def _of_one(whole: Finding, member: int) -> _OfOne:
    told = vars(whole) | {"axes": whole.axes[1:], "values": whole.values[member]}
    return _OfOne(**told, whole=whole, member=member)


def _sheet(findings: Findings, block: str, found: list[Finding]) -> Sheet:
    title = tested(findings, block).replace("_", " ") or "Comparison"
    if isinstance(one := found[0], _OfOne) and one.whole:
        name = findings.along(one.whole, one.whole.axes[0])[one.member]
        title = f"{name[:1].upper()}{name[1:]}: {title}"
    return _titled(title, findings, block, found)


def _titled(title: str, findings: Findings, block: str, found: list[Finding]) -> Sheet:
    change = next(f for f in found if f.role == Role.CHANGE)

    def make() -> Content:
        return _content(findings, found)

    def other(title: str, values: Mapping[str, np.ndarray]) -> Sheet:
        told = {f.port: values.get(Address.parse(f.port).port, f.values) for f in found}
        return _titled(title, findings, block, [replace(f, values=told[f.port]) for f in found])

    member = f"/{change.member}" if isinstance(change, _OfOne) else ""
    return Sheet(
        f"{change.port}{member}", title, block, "comparison", _ABOUT, make, asked=True, other=other,
        missing="NA",
    )  # fmt: skip


def tested(findings: Findings, block: str) -> str:
    """Which column of the design it is about, or which group against which, where the block says
    so."""
    for f in findings.of(block, Role.TESTED):
        if f.values.any():
            names = findings.along(f, f.axes[0])
            against = f" vs {names[int(np.argmin(f.values))]}" if f.values.min() < 0 else ""
            return f"{names[int(np.argmax(f.values))]}{against}"
    return ""


def _content(findings: Findings, found: list[Finding]) -> Content:
    by_role = {f.role: f for f in found}
    table = pd.DataFrame({"gene": findings.along(found[0], "genes")})
    for role, title in _TITLES.items():
        if role in by_role:
            table[title] = np.asarray(by_role[role].values, float)
    if {"stat", "pvalue"} <= set(table):
        small = with_small_p_values(*(table[c].to_numpy() for c in ("stat", "pvalue", "padj")))
        table["pvalue"], table["padj"] = small
    for beside in found:
        if beside.role not in _TITLES:
            table[beside.title] = np.asarray(beside.values, float)
    ranks = {"padj": "small", "pvalue": "small", "log2FoldChange": "far"}
    content: dict[str, Any] = table_of(table, _MEANS, ranks)
    # The surest first, then the largest change; p-values beside them order nothing more.
    columns = list(table.columns)
    content["order"] = [columns.index("padj"), columns.index("log2FoldChange")]
    content["roles"] = {title: columns.index(title) for title in columns}
    return content, table


PLOT = Plot(
    axes=("genes", "* genes"),
    kinds=frozenset({Kind.PROFILE}),
    sheet=_sheet,
    place=2,
    leads=True,
    together=_together,
)
