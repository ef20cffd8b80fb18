"""What stands in the headers of sequences, as columns: ``label=1``, ``chr2:100-200``, words."""

import re
from collections import Counter
from collections.abc import Sequence

import pandas as pd

from diffbio_engine.data.readers.cell_tables import typed

_MOST_KEYS = 32
# UniProt's words have blanks in them: "OS=Homo sapiens OX=9606 GN=TP53".
_UNIPROT = re.compile(r"\b([A-Z]{2})=(.+?)(?=\s+[A-Z]{2}=|$)")
_NCBI = re.compile(r"\[([A-Za-z_][\w.-]*)=([^\]]*)\]")
_PLAIN = re.compile(r"(?:^|(?<=[\s|;,]))([A-Za-z_][\w.-]*)=(\"[^\"]*\"|[^\s|;,]+)")
# As bedtools getfasta names windows; UCSC has blanks and "range=".
_WINDOW = re.compile(r"^(?:.*::)?([\w.]+):(\d+)-(\d+)(?:\(([+-])\))?$")
# iLearn and its kin: >name|1|training
_WITH_CLASS = re.compile(r"^[^|]+\|([^|]+)\|(training|testing|train|test)$", re.IGNORECASE)


def names_and_columns(headers: Sequence[str]) -> tuple[list[str], pd.DataFrame, list[str]]:
    """The name of each sequence, what its header says besides, and what to know of that.

    A name is the first word, without ``|key=value`` in it. Of more than 32 keys the most frequent
    are kept.
    """
    names, told, rest = [], [], []
    for header in headers:
        name, words = (*header.split(maxsplit=1), "", "")[:2]
        found, left = _pairs(words)
        if "=" in name:
            of_name, stem = _pairs(name)
            found, name = of_name | found, stem.strip("|;, ") or name
        names.append(name)
        told.append(found)
        rest.append(left)
    seen = Counter(key for found in told for key in found)
    keys = [key for key, _ in seen.most_common(_MOST_KEYS)]
    columns: dict[str, pd.Series] = {
        key: _column([found.get(key, "") for found in told]) for key in seen if key in keys
    }
    notes = [] if len(seen) <= _MOST_KEYS else [
        f"The headers have {len(seen):,} keys; columns were made of the {_MOST_KEYS} most frequent."
    ]  # fmt: skip
    for key, values in (_windows(names) or _classes(names)).items():
        columns.setdefault(key, values)
    if any(rest):
        columns["description"] = pd.Series(rest, dtype=object)
    return names, pd.DataFrame(columns), notes


def _pairs(words: str) -> tuple[dict[str, str], str]:
    """Keys and their values, and what else stands there."""
    found: dict[str, str] = {}
    if "=" not in words:
        return found, words.strip()
    patterns = (_NCBI, _UNIPROT if " OS=" in f" {words}" else _PLAIN)
    for pattern in patterns:
        for match in pattern.finditer(words):
            found.setdefault(match[1], match[2].strip().strip('"'))
        words = pattern.sub("", words)
    return found, re.sub(r"\s+", " ", words).strip(" |;,")


def _column(words: list[str]) -> pd.Series:
    """Numbers where all that is told is a number, else words."""
    column = pd.Series(words, dtype=object)
    told = column[column != ""]
    numbers = pd.to_numeric(told, errors="coerce")
    if len(told) and bool(numbers.notna().all()):
        return typed(numbers.astype(float).reindex(column.index))
    return typed(column)


def _windows(names: Sequence[str]) -> dict[str, pd.Series]:
    """Chromosome, start, end and strand, where every name says them."""
    found = [_WINDOW.match(name) for name in names]
    if not found or not all(found):
        return {}
    parts = [match.groups() for match in found if match]
    columns = {
        "chromosome": pd.Series([p[0] for p in parts], dtype=object),
        "start": pd.Series([int(p[1][:18]) for p in parts]),
        "end": pd.Series([int(p[2][:18]) for p in parts]),
    }
    strands = [p[3] or "" for p in parts]
    return columns | ({"strand": _column(strands)} if any(strands) else {})


def _classes(names: Sequence[str]) -> dict[str, pd.Series]:
    found = [_WITH_CLASS.match(name) for name in names]
    if not found or not all(found):
        return {}
    parts = [match.groups() for match in found if match]
    return {
        "label": _column([p[0] for p in parts]),
        "set": pd.Series([p[1].lower() for p in parts], dtype=object),
    }
