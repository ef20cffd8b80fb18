"""The saved versions of a pipeline: a folder of numbered files, the newest of which counts."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffbio_engine.runs.folder.durable_files import exclusive_lock, read_json, write_json
from diffbio_engine.runs.folder.plain_values import number, text

_KEPT = 50


@dataclass(frozen=True)
class PipelineEntry:
    """A saved pipeline."""

    name: str
    version: int
    saved: float
    n_versions: int


@dataclass(frozen=True)
class PipelineVersion:
    """One of the versions of a saved pipeline; `change` is what was done last before it."""

    version: int
    saved: float
    n_blocks: int
    change: str = ""


def versions(folder: Path) -> list[int]:
    """Versions that are kept, oldest first."""
    return sorted(int(f.stem) for f in folder.glob("[0-9]*.json") if f.stem.isdecimal())


def version_file(folder: Path, version: int | None) -> Path:
    """Where a version lies."""
    return folder / f"{version or 0:06d}.json"


def save_version(folder: Path, name: str, document: dict[str, Any], change: str) -> int:
    """Saves a document as the newest version, unless it is the same as that; gives the version."""
    with exclusive_lock(folder / "lock"):
        known = versions(folder)
        newest = known[-1] if known else 0
        if newest and read_json(version_file(folder, newest)).get("document") == _as_read(document):
            return newest
        saved = {"name": name, "saved": time.time(), "change": change, "document": document}
        write_json(version_file(folder, newest + 1), saved)
        for old in known[: -(_KEPT - 1)]:
            version_file(folder, old).unlink(missing_ok=True)
    return newest + 1


def document_of(folder: Path, version: int) -> dict[str, Any] | None:
    """The document of a version; None if it is damaged."""
    document = read_json(version_file(folder, version)).get("document")
    return document if isinstance(document, dict) else None


def newest_entry(folder: Path) -> PipelineEntry | None:
    """What a folder of versions holds, by the newest that can be read; None if none can."""
    known = versions(folder)
    for version in reversed(known):
        saved = read_json(version_file(folder, version))
        name = text(saved.get("name"))
        if name and isinstance(saved.get("document"), dict):
            return PipelineEntry(name, version, number(saved.get("saved")), len(known))
    return None


def history(folder: Path) -> list[PipelineVersion]:
    """What is known of each version, newest first; a damaged one is left out."""
    found = []
    for version in reversed(versions(folder)):
        saved = read_json(version_file(folder, version))
        document = saved.get("document")
        if isinstance(document, dict):
            blocks = document.get("blocks")
            n_blocks = len(blocks) if isinstance(blocks, list) else 0
            when, said = number(saved.get("saved")), text(saved.get("change"))
            found.append(PipelineVersion(version, when, n_blocks, said))
    return found


def _as_read(document: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(document))
