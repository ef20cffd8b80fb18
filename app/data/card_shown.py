"""What a person sees of a data set before using it."""

from typing import Any

from app.data.field_choices import choices_of
from app.session.dataset_card import DatasetCard
from diffbio_engine.data.kinds import kind_named
from diffbio_engine.ports import DATA_PORTS


def shown(card: DatasetCard, used: DatasetCard | None = None) -> dict[str, Any]:
    """What the person sees of a data set before using it; plain data.

    Args:
        used: The one in use: only of that it is said that its cells can be controlled.
    """
    p, kind = card.preview, kind_named(card.rows)
    kinds = {"categorical": "{n} values", "number": "number", "text": "text, {n} values"}
    columns = [
        {
            "name": c["name"],
            "what": kinds[c["kind"]].format(n=f"{c['n_values']:,}")
            + (f", {c['missing']:,} missing" if c["missing"] else ""),
            "examples": ", ".join(c["examples"]),
        }
        for c in p.get("obs", ())
    ]
    return {
        "id": card.id,
        "controlled": used is not None
        and used.source == card.source
        and kind_named(card.rows).has_quality_control,
        "name": card.name,
        "kind": p.get("kind", ""),
        "bytes": p.get("n_bytes", 0),
        "n_cells": card.n_cells,
        "rows": card.rows,
        "n_genes": card.n_genes,
        "facts": list(p.get("facts") or ()) or _facts_of_genes(card),
        "matrices": [
            *p.get("told", ()),
            *(m["sentence"] for m in p.get("matrices", ())),
            *p.get("origin", ()),
        ],
        "warnings": list(p.get("warnings", ())),
        "plain": list(p.get("plain", ())),
        "columns": columns,
        "choices": [c for c in p.get("choices", ()) if len(c["possible"]) > 1],
        "samples": list(p.get("samples", ())) if not p.get("origin") else [],
        "parts": p.get("parts") or "Samples",
        "fields": [
            found
            for port in DATA_PORTS.values()
            if (said := kind.offer(port.name)).title
            for found in choices_of(card, port, said)
        ],
    }


def _facts_of_genes(card: DatasetCard) -> list[tuple[str, str]]:
    """The first things to know of rows by genes: value, and what it is of."""
    n_rows, n_genes = f"{card.n_cells:,}", f"{card.n_genes:,}"
    names = str(card.preview.get("gene_names", ""))
    return [(n_rows, card.rows), (n_genes, "genes"), (names, "gene names")]
