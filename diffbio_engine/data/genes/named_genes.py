"""Genes that a person names: a list of names, and patterns such as ``ERCC-*``."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import filter as matching

import numpy as np

from diffbio_engine.data.dataset.gene_names import without_version
from diffbio_engine.errors import DataError

# What a place begins with that is a list of names of genes.
NAMED = "named:"
MOST_LETTERS = 20_000
# Each pattern is held against every name: a tenth of a second of 60,000 genes with ids.
_FEW, _MOST_PATTERNS = 5, 100


@dataclass(frozen=True)
class Named:
    """Which genes were named.

    Attributes:
        values: 1 for those named, else 0; (genes,).
        said: How many of what was named are there, in full sentences.
    """

    values: np.ndarray
    said: str

    @property
    def notes(self) -> tuple[str, ...]:
        return (self.said,)


def words_of_list(text: str) -> list[str]:
    """The names and patterns of a list, each once: between commas, semicolons, blanks and lines."""
    found = (word.strip("\"'") for word in re.split(r"[\s,;]+", text.removeprefix(NAMED)))
    return list(dict.fromkeys(word for word in found if word))


def named_genes(
    text: str, names: Sequence[str] | np.ndarray, ids: Sequence[str] | np.ndarray | None = None
) -> Named:
    """The genes of a list, by name or id in any letters, ids with or without their version.

    Raises:
        DataError: The list is empty, too long or of too many patterns, or none of it is among the
            genes.
    """
    words = words_of_list(text)
    patterns = [word for word in words if _is_pattern(word)]
    if not words or len(text) > MOST_LETTERS or len(patterns) > _MOST_PATTERNS:
        raise DataError(
            f"The list of genes has {len(text):,} letters and {len(patterns):,} patterns."
            if words
            else "No gene is named.",
            fix=f"Name genes by up to {MOST_LETTERS:,} letters, or by up to {_MOST_PATTERNS}"
            " patterns such as ERCC-*.",
        )
    keys = [[_key(n) for n in names], *([[_key(n) for n in ids]] if ids is not None else [])]
    at: dict[str, list[int]] = {}
    for column in keys:
        for i, key in enumerate(column):
            at.setdefault(key, []).append(i)
    found, missing = np.zeros(len(names), np.float32), []
    for word in words:
        key = word.upper()
        if _is_pattern(word):
            hits = [i for name in matching(at, _plain(key)) for i in at[name]]
        else:
            hits = at.get(_key(word), [])
        if hits:
            found[hits] = 1.0
        else:
            missing.append(word)
    n, of = int(found.sum()), len(words)
    shown = ", ".join(missing[:_FEW]) + (" ..." if len(missing) > _FEW else "")
    if not n:
        raise DataError(
            f"None of the {of:,} genes that are named is among the {len(names):,} of the data"
            f" ({', '.join(map(str, list(names)[:3]))}, ...): {shown}.",
            fix="Write names as the file has them, or a pattern such as ERCC-*.",
        )
    lost = f" Not among them: {shown} ({len(missing):,})." if missing else ""
    said = (
        f"{of - len(missing):,} of {of:,} names and patterns are found: {n:,} of {len(names):,}"
        f" genes.{lost}"
    )
    return Named(found, said)


def _is_pattern(word: str) -> bool:
    return "*" in word or "?" in word


def _key(name: object) -> str:
    return without_version(str(name).strip().upper())


def _plain(pattern: str) -> str:
    """``[`` is a letter like others."""
    return pattern.replace("[", "[[]")
