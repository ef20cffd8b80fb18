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
# "class:EI", "label: 1"; other words before a colon (Ensembl's "chromosome:GRCh38:1:...") are told
# as they stand.
_SAID = re.compile(r"(?:^|(?<=[\s|;,]))(class|label|target|category|family):\s*([^\s|;,]+)", re.I)
# iLearn and its kin: >name|1|training, or >name|1
_WITH_CLASS = re.compile(r"^[^|]+\|([^|]+)(?:\|(training|testing|train|test))?$", re.IGNORECASE)
# More different words than these are no classes, if nothing says that they are.
_MOST_CLASSES = 20


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
    of_names = _windows(names) or _classes(names)
    taken_from = "at the end" if "label" in of_names and "label" not in columns else ""
    for key, values in of_names.items():
        columns.setdefault(key, values)
    if not {"label", "class"} & set(columns) and _are_classes(rest):
        columns["label"], taken_from = _column(rest), "as the word behind the name"
    elif any(rest):
        columns["description"] = pd.Series(rest, dtype=object)
    if taken_from:
        some = list(dict.fromkeys(map(str, columns["label"])))
        more = ", ..." if len(some) > 5 else ""
        notes.append(
            f"'label' was found in each header, {taken_from}: {', '.join(some[:5])}{more}."
        )
    return names, pd.DataFrame(columns), notes


def _pairs(words: str) -> tuple[dict[str, str], str]:
    """Keys and their values, and what else stands there."""
    found = {key.lower(): value for key, value in _SAID.findall(words)}
    words = _SAID.sub("", words)
    if "=" not in words:
        return found, words.strip(" |;,") if found else words.strip()
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
    """The class, and training or testing, where every name ends with them."""
    found = [_WITH_CLASS.match(name) for name in names]
    if not found or not all(found):
        return {}
    parts = [match.groups() for match in found if match]
    sets = [(part[1] or "").lower() for part in parts]
    words = [part[0] for part in parts]
    if not all(sets) and not _are_classes(words):
        return {}  # >accession|gene
    return {"label": _column(words)} | ({"set": _column(sets)} if any(sets) else {})


def _are_classes(words: Sequence[str]) -> bool:
    """Whether each record has one short word, and many have the same: ``>seq17 promoter``."""
    found = set(words)
    most = min(_MOST_CLASSES, len(words) // 2)
    return 2 <= len(found) <= most and all(0 < len(w) <= 40 and " " not in w for w in found)
