"""Findings of genes as tables: rows to sort and search, and all of them for a file."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from diffbio_engine.runs import Finding, Findings

_MOST_EDGES = 5000
_MOST_OF_A_GROUP = 50


def by_gene(findings: Findings, finding: Finding) -> tuple[dict[str, Any], pd.DataFrame]:
    """A row for each gene, a column for each of what lies along the other axis."""
    across = finding.values if finding.axes[0] == "genes" else finding.values.T
    other = next(a for a in finding.axes if a != "genes")
    table = pd.DataFrame({"gene": findings.along(finding, "genes")})
    for i, name in enumerate(findings.along(finding, other)):
        table[name] = across[:, i].astype(float)
    return table_of(table, finding.doc), table


def groups_and_genes(
    findings: Findings, found: list[Finding]
) -> tuple[dict[str, Any], pd.DataFrame]:
    """The best genes of each group by what is ranked, with all that is said of them."""
    first, axis = found[0], found[0].axes[0]
    groups, genes = findings.along(first, axis), findings.along(first, "genes")
    parts = []
    for i, group in enumerate(groups):
        if np.isfinite(first.values[i]).all():
            order = np.argsort(-first.values[i], kind="stable")
            told = {f.title: f.values[i, order].astype(float) for f in found}
            gene = np.array(genes, object)[order]
            parts.append(pd.DataFrame({axis.removesuffix("s"): group, "gene": gene, **told}))
    if not parts:
        parts = [pd.DataFrame(columns=[axis.removesuffix("s"), "gene"])]
    table = pd.concat(parts, ignore_index=True)
    best = pd.concat([part.head(_MOST_OF_A_GROUP) for part in parts], ignore_index=True)
    said = "\n".join(f"{f.title}: {f.doc}" for f in found)
    content = table_of(best, said, {f.title: f.ranks for f in found})
    content["order"] = [0, 2]  # group by group, the best first
    if len(best) < len(table):
        n = _MOST_OF_A_GROUP
        content["note"] = f"The {n} best of {len(genes):,} genes of each; the file has all."
    return content, table


def edges(findings: Findings, finding: Finding) -> tuple[dict[str, Any], pd.DataFrame]:
    """Who acts on whom, the strongest first."""
    first, second = finding.axes
    rows, columns = findings.along(finding, first), findings.along(finding, second)
    strength = np.asarray(finding.values, float)
    order = np.argsort(-np.abs(strength), axis=None)
    order = order[: np.count_nonzero(strength)]
    i, j = np.unravel_index(order, strength.shape)
    table = pd.DataFrame(
        {
            first.removesuffix("s"): np.array(rows, object)[i],
            "target": np.array(columns, object)[j],
            "strength": strength[i, j],
        }
    )
    shown = table_of(table.head(_MOST_EDGES), finding.doc, {"strength": "far"})
    shown["note"] = f"{len(table):,} edges of {strength.size:,} possible ones."
    if len(table) > _MOST_EDGES:
        shown["note"] += f" The {_MOST_EDGES:,} strongest are shown; the file has all."
    return shown, table


def table_of(
    table: pd.DataFrame, doc: str, ranks: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Rows and how they are ordered at first; whatever is sorted, ties follow that order.

    What is surest comes first, then what is strongest: where thousands of cells make hundreds of
    p-values 0, it is the size of the effect that tells which genes matter.

    Args:
        ranks: ``Port.ranks`` of columns.
    """
    titles = [str(c) for c in table.columns]
    ranked = {i: r for i, t in enumerate(titles) if (r := (ranks or {}).get(t, ""))}
    if not ranked:  # runs of before it was declared, and tables of many columns alike
        tested = [i for i, t in enumerate(titles) if re.search(r"\b[pq] val", t.lower())]
        ranked = dict.fromkeys(tested, "small") or {1: "large"}
    columns = [
        {"title": t, "number": table[c].dtype.kind == "f", "ranks": ranked.get(i, "")}
        for i, (t, c) in enumerate(zip(titles, table.columns, strict=True))
    ]
    return {
        "columns": columns,
        "rows": [[_plain(v) for v in row] for row in table.itertuples(index=False)],
        "order": sorted(ranked, key=lambda i: ranked[i] != "small"),
        "note": "",
        "doc": doc,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, float | np.floating):
        return float(f"{value:.6g}") if np.isfinite(value) else None
    return str(value)
