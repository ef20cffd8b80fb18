"""Findings as sheets to look at: the form follows from kind and axes, never from the operator.

| what it is | how it is shown |
|---|---|
| numbers of genes, of pairs | one table for each block: sorted, searched, exported |
| something of each gene (archetypes) | a table with a column for each |
| several things of groups and genes | one table: the best genes of each group (markers) |
| shares by group of cells | composition bars |
| network of regulators and genes | a table of who acts on whom, the strongest first |
| network or plan between few things | a heat map, a slice of it where it has three axes |
| network of classes, classes and pairs | a dot matrix: who talks to whom, by which pair |
| single numbers | numbers |
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from app.results.tables import by_gene, edges, groups_and_genes, table_of
from diffbio_engine.data.writers import spreadsheet
from diffbio_engine.declare import Kind
from diffbio_engine.ports import Address
from diffbio_engine.runs import GROUPS, Finding, Findings

MARKERS = "markers"
_MOST_COLUMNS = 60
_MOST_PAIRS = 30
_MOST_IN_A_HEAT_MAP = 120


@dataclass(frozen=True)
class Sheet:
    """One thing to look at.

    Attributes:
        form: "table", "bars", "heat", "dots" or "numbers".
        block: Id of the block that found it.
        make: The content as plain data, and as a table for a file; costs nothing before it is
            called.
        of_the_model: It tells of the model (dispersions), not of the cells.
    """

    id: str
    title: str
    block: str
    form: str
    doc: str
    make: Callable[[], tuple[dict[str, Any], pd.DataFrame]]
    of_the_model: bool = False


def sheets_of(findings: Findings) -> list[Sheet]:
    """Everything that can be shown of a run, block by block."""
    sheets: list[Sheet] = []
    of_block: dict[str, list[Finding]] = {}
    for finding in findings.found:
        of_block.setdefault(Address.parse(finding.port).block, []).append(finding)
    for block, found in of_block.items():
        lists = [f for f in found if len(f.axes) == 1 and f.values.size]
        for axis in dict.fromkeys(f.axes[0] for f in lists):
            sheets.append(_list_of(findings, block, [f for f in lists if f.axes == (axis,)]))
        numbers = [f for f in found if f.axes == () and f.kind != Kind.LOSS]
        if numbers:
            sheets.append(_numbers(block, numbers))
        together = [fs for fs in _alike(found) if len(fs) > 2]
        sheets += [_markers(findings, block, fs) for fs in together]
        alone = [f for f in found if not any(f in fs for fs in together)]
        sheets += [s for f in alone if (s := _of_one(findings, block, f, found)) is not None]
    return sheets


def _alike(found: list[Finding]) -> list[list[Finding]]:
    """Those that say something of the same groups and genes."""
    alike: dict[tuple[str, ...], list[Finding]] = {}
    for finding in found:
        if finding.kind == Kind.PROFILE and len(finding.axes) == 2 and finding.axes[1] == "genes":
            alike.setdefault(finding.axes, []).append(finding)
    return list(alike.values())


def _of_one(
    findings: Findings, block: str, finding: Finding, beside: list[Finding]
) -> Sheet | None:
    axes, values = finding.axes, finding.values
    if not values.size or len(axes) < 2 or _is_said_elsewhere(finding, beside):
        return None
    if axes[0] == GROUPS:
        return _sheet(finding, block, "bars", lambda: _bars(findings, finding))
    if len(axes) == 3 and finding.kind == Kind.NETWORK:
        return _sheet(finding, block, "dots", lambda: _dots(findings, finding, beside))
    if "genes" in axes and len(axes) == 2:
        if finding.kind == Kind.NETWORK:
            return _sheet(finding, block, "table", lambda: edges(findings, finding))
        if values.size // values.shape[axes.index("genes")] <= _MOST_COLUMNS:
            return _sheet(finding, block, "table", lambda: by_gene(findings, finding))
        return None
    if max(values.shape[-2:]) <= _MOST_IN_A_HEAT_MAP:
        return _sheet(finding, block, "heat", lambda: _heat(findings, finding))
    return None


def _sheet(finding: Finding, block: str, form: str, make: Any) -> Sheet:
    return Sheet(finding.port, finding.title, block, form, finding.doc, make)


def _is_said_elsewhere(finding: Finding, beside: list[Finding]) -> bool:
    """How sure each strength of a network is, is seen in its dots."""
    networks = [f for f in beside if f.kind == Kind.NETWORK and f.axes == finding.axes]
    return len(finding.axes) == 3 and finding.kind != Kind.NETWORK and bool(networks)


def _markers(findings: Findings, block: str, found: list[Finding]) -> Sheet:
    axis = found[0].axes[0]
    about = "What each group has more of than all others. Search for a gene or a group."
    if not np.isfinite(found[0].values).all(axis=1).any():
        about = (
            "No group has three members with three others to compare them with, so no gene is told"
            " to mark one. Ask for fewer groups."
        )
    return Sheet(
        f"{block}.{MARKERS}", f"Marker genes of {axis}", block, "table", about,
        lambda: groups_and_genes(findings, found),
    )  # fmt: skip


def _list_of(findings: Findings, block: str, found: list[Finding]) -> Sheet:
    (axis,) = found[0].axes

    def make() -> tuple[dict[str, Any], pd.DataFrame]:
        table = pd.DataFrame({axis.removesuffix("s"): findings.along(found[0], axis)})
        for finding in found:
            table[finding.title] = finding.values.astype(float)
        said = "\n".join(f"{f.title}: {f.doc}" for f in found)
        return table_of(table, said, {f.title: f.ranks for f in found}), table

    title = axis.capitalize() if len(found) > 1 else found[0].title
    about = found[0].doc if len(found) == 1 else ""
    of_the_model = all(f.kind == Kind.PARAMETER for f in found)
    return Sheet(f"{block}.{axis}", title, block, "table", about, make, of_the_model)


def _numbers(block: str, found: list[Finding]) -> Sheet:
    def make() -> tuple[dict[str, Any], pd.DataFrame]:
        rows = [(f.title, float(f.values), f.doc) for f in found]
        content = {"numbers": [{"title": t, "value": v, "doc": d} for t, v, d in rows]}
        return content, pd.DataFrame(rows, columns=["number", "value", "what it is"])

    return Sheet(f"{block}.numbers", "Numbers", block, "numbers", "", make)


def _bars(findings: Findings, finding: Finding) -> tuple[dict[str, Any], pd.DataFrame]:
    groups, classes = (findings.along(finding, a) for a in finding.axes)
    table = pd.DataFrame(finding.values.astype(float), columns=classes)
    table.insert(0, "group", groups)
    return {"groups": groups, "classes": classes, "values": _lists(finding.values)}, table


def _heat(findings: Findings, finding: Finding) -> tuple[dict[str, Any], pd.DataFrame]:
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
    content = {
        "slices": slices, "rows": rows, "columns": columns, "values": _lists(stacked),
        "axes": [first, second], "signed": bool((values < 0).any()),
    }  # fmt: skip
    return content, table[[*names, *columns]]


def _dots(
    findings: Findings, finding: Finding, beside: list[Finding]
) -> tuple[dict[str, Any], pd.DataFrame]:
    """From whom to whom by which pair: size is the strength, colour how sure it is."""
    third = finding.axes[2]
    names = [findings.along(finding, a) for a in finding.axes]
    strength = finding.values.astype(float)
    # What has the same axes and is called a p-value says how sure each strength is.
    sure = next(
        (f.values.astype(float) for f in beside if f.axes == finding.axes and "pval" in f.port),
        None,
    )
    table = pd.DataFrame(
        {
            "from": np.repeat(np.array(names[0], object), len(names[1]) * len(names[2])),
            "to": np.tile(np.repeat(np.array(names[1], object), len(names[2])), len(names[0])),
            third.removesuffix("s"): np.tile(
                np.array(names[2], object), len(names[0]) * len(names[1])
            ),
            "strength": strength.ravel(),
        }
    )
    if sure is not None:
        table["p value"] = sure.ravel()
    believed = strength if sure is None else np.where(sure < 0.05, strength, 0.0)
    best = np.argsort(-believed.max(axis=(0, 1)), kind="stable")[:_MOST_PAIRS]
    note = f"The {len(best)} strongest of {strength.shape[2]:,} pairs; the file has all."
    content = {
        "from": names[0], "to": names[1], "pairs": [names[2][i] for i in best],
        "strength": _lists(strength[:, :, best]),
        "sure": None if sure is None else _lists(sure[:, :, best]),
        "note": note if len(best) < strength.shape[2] else "",
    }  # fmt: skip
    return content, table.sort_values("strength", ascending=False)


def _lists(values: np.ndarray) -> list:
    return np.round(np.nan_to_num(np.asarray(values, float)), 5).tolist()


def as_csv(sheet: Sheet) -> bytes:
    """All of a sheet, as a file for a spreadsheet."""
    return spreadsheet.as_csv(sheet.make()[1])
