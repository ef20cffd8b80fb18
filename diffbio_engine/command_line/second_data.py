"""Data sets beside the data, as they stand on the command line: `--reference FILE`."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from diffbio_engine.command_line.looking import looked_at
from diffbio_engine.data import Reading, examples
from diffbio_engine.errors import DataError, RunError
from diffbio_engine.pipelines import PipelineSpec, find_preset
from diffbio_engine.ports import DATA_BLOCKS, blocks_beside, start_of


def told_beside(
    asked: argparse.Namespace, said: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, Any]]:
    """What a run is told of other data sets, by data block.

    Args:
        asked: What stood on the command line.
        said: By data block, fields and where they were said to lie.
    """
    found = {}
    for block, (path, of_demo) in _given(asked).items():
        reading = _reading(block, getattr(asked, f"{block}_read"))
        found[block] = _told(block, path, of_demo, said[block], reading, not asked.no_limits)
    for block in blocks_beside():
        if block not in found and (said[block] or getattr(asked, f"{block}_read")):
            where = "--field" if said[block] else f"--{block}-read"
            raise DataError(f"{where} names {block}.", fix=f"Add --{block} FILE.", where=where)
    return found


def _given(asked: argparse.Namespace) -> dict[str, tuple[Path, dict[str, str]]]:
    """The files given, else what goes with the demo data; and where the fields of these lie."""
    given = {block: getattr(asked, block) for block in blocks_beside()}
    found = {block: (path, dict[str, str]()) for block, path in given.items() if path is not None}
    if asked.data or asked.pipeline:
        return found
    wanted = find_preset(asked.preset or "single_cell").demo
    known = {example.id: example for example in examples()}
    for block, name in known[wanted].beside.items() if wanted in known else ():
        other = known[name]
        found.setdefault(block, (other.make(asked.out.parent), dict(other.fields)))
    return found


def _reading(block: str, texts: list[str]) -> dict[str, str]:
    said = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise DataError(
                f"'{text}' does not say how a file is read.",
                fix=f"Write it as --{block}-read orientation='genes in rows'.",
                where=f"--{block}-read",
            )
        said[name.strip()] = value.strip()
    return Reading.of(said).as_dict()


def _told(
    block: str,
    path: Path,
    of_demo: Mapping[str, str],
    said: Mapping[str, str],
    reading: dict[str, str],
    limited: bool,
) -> dict[str, Any]:
    preview = looked_at(path, reading, limited=limited)
    for warning in preview["warnings"]:
        print(f"{path.name}: {warning}")
    fields = with_said({**preview["suggested"], **of_demo}, said)
    takes = DATA_BLOCKS[block].takes
    fields = {name: place for name, place in fields.items() if name in takes}
    there = ", ".join(f"{k} <- {v}" for k, v in sorted(fields.items()))
    print(f"{DATA_BLOCKS[block].title}: {path.name} ({there})")
    told = {"path": str(path.resolve()), "name": path.name, "fields": fields}
    return {**told, "reading": reading} if reading else told


def with_said(fields: Mapping[str, str], said: Mapping[str, str]) -> dict[str, str]:
    """Fields with what was said of some; an empty place takes one away."""
    return {name: place for name, place in {**fields, **said}.items() if place}


def check_used(document: PipelineSpec, beside: Mapping[str, Any]) -> None:
    """Refuses a second data set that nothing of the pipeline uses: it was meant for something."""
    used = {start_of(name).block for name in document.fields}
    for block in beside:
        if block not in used:
            raise RunError(
                f"Nothing in the pipeline '{document.name}' is wired to {block}.",
                fix=f"Leave --{block} out, or choose a pipeline that uses it.",
                where=f"--{block}",
            )
