"""The table of samples as the page shows it: plain data, made in the pool."""

from typing import Any

from app.data.samples import Row, Samples, called_twice, compared
from diffbio_engine.data.samples import GENES, Comparison, Facts, Verdict
from diffbio_engine.errors import UserError


def told(samples: Samples) -> dict[str, Any]:
    """A row for each sample and what is to be known of all together; empty without rows."""
    called = samples.called()
    if not called:
        return {}
    found, verdicts = compared(called)
    samples.refused = frozenset(key for key, verdict in verdicts.items() if verdict.problem)
    twice = called_twice(called, verdicts)
    rows = [_row(row, name, name in twice, verdicts.get(row.key)) for row, name in called]
    n_good = sum(row["state"] == "good" for row in rows)
    first = called[0][0]
    of_one = len(called) > 1 and all(row.dataset_id == first.dataset_id for row, _ in called)
    return {
        "rows": rows,
        "column": samples.column,
        "genes": samples.genes,
        "ways": [
            {"value": GENES[0], "title": f"that all samples have: {found.n_shared:,}"},
            {"value": GENES[1], "title": f"that any has, else 0: {found.n_any:,}"},
        ],
        "loses": n_good > 1 and found.n_any > found.n_shared,
        "said": _said(found, n_good, samples.genes),
        "good": n_good,
        "waits": any(row["state"] == "looking" for row in rows),
        "whole": first.dataset_id if of_one and first.part else "",
    }


def _said(found: Comparison, n_good: int, genes: str) -> list[str]:
    if n_good < 2:
        return []
    by, lost = f"matched by their {found.by}", found.n_any - found.n_shared
    if not lost:
        told = f"All {found.n_any:,} genes are in each of the {n_good} samples, {by}."
    elif genes == GENES[0]:
        told = (
            f"{found.n_shared:,} of {found.n_any:,} genes are in all {n_good} samples, {by}, and "
            f"are kept; {lost:,} that some lack are left out."
        )
    else:
        told = (
            f"All {found.n_any:,} genes are kept, {by}; {lost:,} of them some samples lack: they "
            "are 0 there, which is right only where they were left out for having no counts."
        )
    return [told, *found.said]


def _row(row: Row, name: str, twice: bool, verdict: Verdict | None) -> dict[str, Any]:
    told: dict[str, Any] = {"key": row.key, "file": row.file, "part": row.part, "name": name}
    told |= dict.fromkeys(("kind", "size", "organism", "shared", "what", "fix"), "")
    told |= {"state": "looking", "notes": []}
    if isinstance(row.found, UserError):
        return told | {"state": "bad", "what": row.found.what, "fix": row.found.fix}
    if not isinstance(row.found, Facts) or verdict is None:
        return told
    preview = row.found.preview
    told |= {"kind": preview["kind"], "size": preview["size"], "organism": row.found.organism}
    told |= {"notes": list(verdict.notes)}
    if verdict.problem:
        return told | {"state": "bad", "what": verdict.problem, "fix": verdict.fix}
    if twice:
        same = f"Two samples are called '{name}'."
        return told | {"state": "bad", "what": same, "fix": "Give one of them another name."}
    shared = f"{verdict.n_shared:,} of {verdict.n_genes:,}"
    return told | {"state": "good", "shared": shared}
