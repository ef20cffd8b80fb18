"""`inspect`: what a file holds, in the words of the page's preview, or as data."""

import argparse
import json
from typing import Any

from diffbio_engine.command_line.looking import looked_at


def look(asked: argparse.Namespace, reading: dict[str, str]) -> int:
    """Looks at a file and prints what is found."""
    found = looked_at(asked.data, reading, limited=not asked.no_limits)
    if asked.json:
        print(json.dumps(_plain(found), indent=1, ensure_ascii=False))
    else:
        print("\n".join(in_words(found)))
    return 0


def in_words(found: dict[str, Any]) -> list[str]:
    """The lines that a person reads."""
    genes = f"genes are named by {found['gene_names']}: {', '.join(found['gene_examples'])}."
    said = [f"{found['name']}: {found['size']} ({found['kind']})"]
    said[0] += f"; {genes}" if found["n_genes"] else "."
    if len(found["samples"]) > 1 and not found["origin"]:
        rows = found["rows"]
        parts = ", ".join(f"{s['name']} ({s['n_cells']:,} {rows})" for s in found["samples"])
        said.append(f"{found['parts']}: {parts}")
    said += [*found["told"], *(m["sentence"] for m in found["matrices"])]
    said += found["origin"]
    said += [f"Note: {warning}" for warning in found["warnings"]]
    for choice in found["choices"]:
        others = [p["value"] for p in choice["possible"] if p["value"] != choice["taken"]]
        why = f" ({choice['why']})" if choice["why"] else ""
        said.append(f"{choice['title']}: {choice['taken']}{why}.")
        if others:
            flag = choice["name"].replace("_", "-")
            said[-1] += f" Change it by --{flag} {' | '.join(map(repr, others))}"
    said += [f"{port} <- {place}" for port, place in sorted(found["suggested"].items())]
    for column in found["obs"]:
        missing = f", {column['missing']:,} missing" if column["missing"] else ""
        said.append(
            f"obs/{column['name']}: {column['kind']}, {column['n_values']:,} values{missing}: "
            f"{', '.join(column['examples'])}"
        )
    said += [f"obsm/{key}: {shape[-1]} columns" for key, shape in found["obsm"].items()]
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
