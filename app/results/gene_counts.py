"""The counts of one gene in each record, in the groups that a design compares."""

from typing import Any

import numpy as np

from app.files.readers import opened
from app.session.dataset_card import DatasetCard
from diffbio_engine.data.design import Formula, formula_at, level_of, levels_of, table_of
from diffbio_engine.errors import UserError
from diffbio_engine.ports import Role
from diffbio_engine.runs import Findings

# More dots than these are no dots any more, and more groups no groups.
_MOST_RECORDS, _MOST_GROUPS = 400, 12


def counts_of_gene(
    card: DatasetCard, gene: str, findings: Findings | None, factor: str = ""
) -> dict[str, Any]:
    """What is drawn of one gene; ``words`` where nothing can be.

    Counts are divided by the depth of each record, where the run found one. They stand in the
    groups of ``factor``, or of what the design compares.
    """
    told: dict[str, Any] = {"name": gene, "words": ""}
    if card.n_cells > _MOST_RECORDS:
        return {**told, "words": f"Shown for {_MOST_RECORDS} {card.rows} at most."}
    try:
        ask = opened(card.source).ask
        values = ask("counts_of", gene=gene, place=card.fields.get("counts", "X"))[1]["values"]
        samples = [str(n) for n in ask("cells")[0].get("names", ())]
    except UserError as error:
        return {**told, "words": f"{error.what} {error.fix}".strip()}
    depth = _depth(findings, len(values))
    group, groups, column = _groups(card, len(values), factor)
    divided = "divided by size factors" if depth is not None else "as they were counted"
    by = f", by {column}" if column else ""
    return {
        **told,
        "values": [float(f"{v:.5g}") for v in (values if depth is None else values / depth)],
        "samples": samples,
        "group": group,
        "groups": groups,
        "unit": f"Counts {divided}{by}.",
    }


def _depth(findings: Findings | None, n: int) -> np.ndarray | None:
    found = findings.found if findings else ()
    known = (f.values for f in found if f.role == Role.DEPTH and f.values.shape == (n,))
    return next((np.asarray(v, float) for v in known if (v > 0).all()), None)


def _groups(card: DatasetCard, n: int, factor: str) -> tuple[list[int], list[str], str]:
    """Of each record its group, what groups are called, and the column that names them."""
    none = [0] * n, [f"all {card.rows}"], ""
    table = table_of(card.preview)
    try:
        formula: Formula | None = formula_at(card.fields.get("design", ""))
        columns = formula.columns if formula else ("",)
        column = factor if factor in columns else columns[-1]
        levels = levels_of(table, formula, column) if formula and column in table else []
    except UserError:
        return none
    values = [level_of(v) for v in table[column]] if column in table else []
    if not 1 < len(levels) <= _MOST_GROUPS or len(values) != n or not set(values) <= set(levels):
        return none
    return [levels.index(v) for v in values], levels, column
