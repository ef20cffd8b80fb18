"""Lists of genes that a person keeps by name: read from what was pasted or dropped, and kept."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from app.session.session import Session
from diffbio_engine.errors import DataError
from diffbio_engine.runs.folder.durable_files import (
    exclusive_lock,
    explain_os_error,
    make_inside,
    read_json,
    write_json,
)
from diffbio_engine.workspace.store import folder_name

MOST_SETS, MOST_GENES, LONGEST_NAME = 200, 5_000, 80
_LONGEST_GENE = 60
# Letters beside which no gene is named: blanks, and what sets fields of tables apart.
_BETWEEN = re.compile(r"[\s,;|\"']+")
_NO_DESCRIPTION = ("", "na", "n/a", "-", ".")

type GeneSets = dict[str, tuple[str, ...]]


def parse(text: str, name: str = "", kept: Mapping[str, object] | None = None) -> GeneSets:
    """Sets of genes in a text: one list, or the many of a GMT file (name, description, genes).

    Args:
        text: Genes, one a line or between blanks, commas, semicolons or tabs.
        name: What the list is called, or the file that it came in; empty takes a number.
        kept: The sets that are there, whose names a number does not take.

    Raises:
        DataError: No genes are in it, or too many; in words.
    """
    if "\0" in text or "\ufffd" in text:
        raise DataError(
            f"{name or 'This'} holds no text, so no genes can be read from it.",
            fix="Paste the names of genes, or drop a text file or a .gmt file.",
        )
    lines = [line for line in text.splitlines() if line.strip()]
    kind = Path(name).suffix.lower()
    stem = Path(name).stem if kind in (".txt", ".csv", ".tsv") else name
    if kind == ".gmt" or _is_gmt(lines):
        fields = [line.split("\t") for line in lines]
        sets = [(f[0].strip(), _genes(f[2:])) for f in fields if len(f) > 2 and f[0].strip()]
    else:
        sets = [(stem.strip() or _numbered(kept or {}), _genes(_BETWEEN.split(text)))]
    found = _told_apart(sets)
    if not found:
        raise DataError(
            "There are no genes in it.",
            fix="Paste their names, one a line or separated by commas, such as CD3D, CD3E.",
        )
    for called, genes in found.items():
        if len(genes) > MOST_GENES:
            raise DataError(
                f"'{called}' holds {len(genes):,} names; at most {MOST_GENES:,} make a set.",
                fix="Choose those that matter.",
            )
    return found


def _is_gmt(lines: list[str]) -> bool:
    """Whether each line begins with a name and what describes it, as those of MSigDB do."""
    fields = [line.split("\t") for line in lines]
    return bool(fields) and all(
        len(f) > 2 and (f[1].strip().lower() in _NO_DESCRIPTION or f[1].startswith("http"))
        for f in fields
    )


def _genes(words: list[str]) -> tuple[str, ...]:
    """Each gene once, in the order in which they stand."""
    return tuple(dict.fromkeys(w.strip()[:_LONGEST_GENE] for w in words if w.strip()))


def _told_apart(sets: Iterable[tuple[str, tuple[str, ...]]]) -> GeneSets:
    """Those with genes, none in place of another: of the same name a second one is numbered.

    A long name is cut in its middle, for many of MSigDB differ only at their end.
    """
    found: GeneSets = {}
    many: Counter[str] = Counter()
    for whole, genes in sets:
        name = whole
        if len(name) > LONGEST_NAME:
            name = f"{whole[: LONGEST_NAME - 32]}…{whole[-31:]}"
        if not genes or found.get(name) == genes:
            continue
        first = name
        while name in found:
            many[first] += 1
            tail = f" ({many[first] + 1})"
            name = first[: LONGEST_NAME - len(tail)] + tail
        found[name] = genes
    return found


def _numbered(kept: Mapping[str, object]) -> str:
    n = 1
    while f"Gene set {n}" in kept:
        n += 1
    return f"Gene set {n}"


def with_sets(kept: GeneSets, new: GeneSets) -> GeneSets:
    """The kept sets with new ones; of the same name the new one stays."""
    both = {**{name: genes for name, genes in kept.items() if name not in new}, **new}
    if len(both) > MOST_SETS:
        raise DataError(
            f"That would be {len(both):,} gene sets; at most {MOST_SETS} are kept.",
            fix="Remove sets that are no longer needed, or bring only those in that are.",
        )
    return both


def _file(session: Session) -> Path:
    return session.data_dir / "owners" / folder_name(session.owner) / "gene_sets.json"


def read_kept(session: Session) -> GeneSets:
    """What the person has kept on the server; nothing, if it cannot be read."""
    kept = read_json(_file(session)).get("sets") if session.is_attached else None
    if not isinstance(kept, dict):
        return {}
    sets = ((str(n), genes) for n, genes in kept.items() if isinstance(genes, list))
    return {name: tuple(str(g) for g in genes) for name, genes in sets}


def keep(session: Session, added: GeneSets, removed: str = "") -> GeneSets:
    """Keeps new sets for the person, beside those of other tabs; gives what there is then.

    A tab without a server has them as long as it is open.

    Raises:
        DataError: They would be too many.
        RunError: They could not be written.
    """
    if not session.is_attached:
        return with_sets(_without(session.gene_sets, removed), added)
    file = _file(session)
    with explain_os_error(file):
        make_inside(session.data_dir, file.parent)
        with exclusive_lock(file.with_suffix(".lock")):
            sets = with_sets(_without(read_kept(session), removed), added)
            write_json(file, {"sets": {name: list(genes) for name, genes in sets.items()}})
    return sets


def _without(sets: GeneSets, name: str) -> GeneSets:
    return {n: genes for n, genes in sets.items() if n != name}
