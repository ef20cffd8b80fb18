"""`inspect`: what a file holds, in the words of the page's preview, or as data."""

import argparse
import json

from diffbio_engine.data import Preview, inspect


def look(asked: argparse.Namespace, reading: dict[str, str]) -> int:
    """Looks at a file and prints what is found."""
    preview = inspect(asked.data, **reading)
    if asked.json:
        print(json.dumps(_plain(preview.as_dict()), indent=1, ensure_ascii=False))
    else:
        print("\n".join(in_words(preview)))
    return 0


def in_words(preview: Preview) -> list[str]:
    """The lines that a person reads."""
    said = [
        f"{preview.name}: {preview.n_cells:,} cells x {preview.n_genes:,} genes ({preview.kind}); "
        f"genes are named by {preview.gene_names}: {', '.join(preview.gene_examples)}."
    ]
    if len(preview.samples) > 1:
        parts = ", ".join(f"{name} ({n:,} cells)" for name, n in preview.samples)
        said.append(f"Samples: {parts}")
    said += [m.sentence for m in preview.matrices]
    said += [f"Note: {warning}" for warning in preview.warnings]
    for choice in preview.choices:
        others = [value for value, _ in choice.possible if value != choice.taken]
        why = f" ({choice.why})" if choice.why else ""
        said.append(f"{choice.title}: {choice.taken}{why}.")
        if others:
            said[-1] += f" Change it by --{choice.name} {' | '.join(map(repr, others))}"
    said += [f"{port} <- {place}" for port, place in sorted(preview.suggested.items())]
    for column in preview.obs:
        missing = f", {column.missing:,} missing" if column.missing else ""
        said.append(
            f"obs/{column.name}: {column.kind}, {column.n_values:,} values{missing}: "
            f"{', '.join(column.examples)}"
        )
    said += [f"obsm/{key}: {shape[-1]} columns" for key, shape in preview.obsm.items()]
    return said


def _plain(value: object) -> object:
    """Numbers that JSON does not know (infinite, not a number) become null."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value
