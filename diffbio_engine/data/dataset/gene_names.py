"""Names of genes: symbols, ids, both in one, numbers; and names of which none occurs twice."""

import re
from typing import Any

import numpy as np
import pandas as pd

_ENSEMBL = re.compile(r"^ENS[A-Z]{0,6}G\d{6,}(\.\d+)?$")
_ID_COLUMNS = ("gene_ids", "gene_id", "ensembl_id", "ensembl", "ensembl_gene_id", "feature_id")
_SYMBOL_COLUMNS = ("feature_name", "gene_symbols", "gene_symbol", "gene_name", "symbol", "hgnc")
# Both in one name, either way round: "ENSG00000111640_GAPDH", "GAPDH|ENSG00000111640.15".
_ID = r"ENS[A-Z]{0,6}G\d{6,}(?:\.\d+)?"
_ID_FIRST = re.compile(rf"^({_ID})[-_|;:,. ]+(\S.*)$")
_SYMBOL_FIRST = re.compile(rf"^(.*\S)[-_|;:,. ]+({_ID})$")
# Cell Ranger puts the genome before names where its reference holds several.
_GENOME = re.compile(r"^(?:GRCh3[78]|hg(?:19|38)|GRCm3[89]|mm(?:9|10|39))[-_]+(?=\S)")
_VERSION = re.compile(r"^(ENS[A-Z]*\d+)\.\d+$")
# Peaks of ATAC: "chr1:10109-10357", "chr1-10109-10357".
_REGION = re.compile(r"^[A-Za-z0-9.]+[:_-]\d{2,}[-_]\d{2,}$")
REGIONS = "genomic regions"
BOTH = "ids and symbols in one"

# No table has so many genes; the Entrez ids of a species do not end before.
_COUNTED = 100_000


def without_version(gene: object) -> str:
    """Ids of Ensembl are the same in each of their versions: ENSG00000111640.15, ...14."""
    return _VERSION.sub(r"\1", str(gene))


def made_unique(names: pd.Index) -> pd.Index:
    """Names of which none occurs twice: the second of a kind gets -1, the third -2."""
    taken_names, out = set(names), []
    counters: dict[str, int] = {}
    seen: set[str] = set()
    for name in names:
        new = name
        while new in seen or (new != name and new in taken_names):
            counters[name] = counters.get(name, 0) + 1
            new = f"{name}-{counters[name]}"
        seen.add(new)
        out.append(new)
    return pd.Index(out, dtype=object)


def gene_name_style(names: Any) -> str:
    """What kind of gene names these are."""
    names = [str(n) for n in list(names)[:2000]]
    if not names:
        return "none"
    if np.mean([bool(_ENSEMBL.match(n)) for n in names]) > 0.5:
        return "Ensembl ids"
    if np.mean([bool(_ID_FIRST.match(n) or _SYMBOL_FIRST.match(n)) for n in names]) > 0.5:
        return BOTH
    if np.mean([bool(_REGION.match(n)) for n in names]) > 0.5:
        return REGIONS
    if np.mean([n.isdigit() for n in names]) > 0.5:
        return "numbers"
    return "symbols"


def names_and_ids(var: pd.DataFrame) -> tuple[np.ndarray, np.ndarray | None]:
    """Gene symbols and, where there are any, gene ids.

    Where the rows are only numbered, or named by ids, symbols are looked for in the columns. Names
    that hold both are taken apart; the genome before a name (``GRCh38_GAPDH``) is no part of it.
    """
    index = np.array([str(n).strip() for n in var.index], dtype=object)
    if gene_name_style(index) == "numbers":
        return _of_numbered(var, index)
    if gene_name_style(index) == "Ensembl ids":
        symbols = next((c for c in _SYMBOL_COLUMNS if c in var.columns), None)
        return (index if symbols is None else _words(var[symbols])), index
    ids = next((c for c in _ID_COLUMNS if c in var.columns), None)
    names, inside = parts_of_names(index)
    return names, inside if ids is None else _words(var[ids])


def parts_of_names(names: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """Symbols, and the ids that stand in the same names (None: there are none)."""
    index = np.array([str(n).strip() for n in names], dtype=object)
    if gene_name_style(index) == BOTH:
        return _taken_apart(index)
    return _without_genome(index), None


def _taken_apart(index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    names, ids = index.copy(), np.full(len(index), "", dtype=object)
    for i, name in enumerate(index):
        if found := _ID_FIRST.match(name):
            ids[i], names[i] = found[1], found[2]
        elif found := _SYMBOL_FIRST.match(name):
            names[i], ids[i] = found[1], found[2]
    return names, ids


def _without_genome(index: np.ndarray) -> np.ndarray:
    """Symbols alone, where nearly all have the name of one genome before them."""
    genomes = {m[0] for n in index[:2_000] if (m := _GENOME.match(n))}
    if len(genomes) != 1 or not all(map(_GENOME.match, index[:100])):
        return index
    return np.array([_GENOME.sub("", n) for n in index], dtype=object)


def _of_numbered(var: pd.DataFrame, index: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Names and ids where the index is of numbers: those of the columns, where there are any."""
    ids = next((_words(var[c]) for c in _ID_COLUMNS if c in var.columns), None)
    symbols = next((_words(var[c]) for c in _SYMBOL_COLUMNS if c in var.columns), None)
    if symbols is None:
        return (index if ids is None else np.where(ids == "", index, ids)), ids
    if ids is None:
        # Numbers may be Entrez ids; numbers that only count are none.
        ids = None if only_counted(index) else index
    return np.where(symbols == "", index if ids is None else ids, symbols), ids


def only_counted(names: Any) -> bool:
    """Whether names are small numbers, as rows are counted; Entrez ids go far beyond."""
    names = [str(n) for n in names]
    if gene_name_style(names) != "numbers":
        return False
    return max(int(n) for n in names if n.isdecimal()) < _COUNTED


def _words(column: pd.Series) -> np.ndarray:
    return np.array(["" if pd.isna(v) else str(v) for v in column], dtype=object)
