"""Why two files share few genes: another species, another kind of name, other capitals."""

import re
from collections.abc import Callable, Iterable, Sequence

import numpy as np

# What ids begin with, and of whom they are.
_IDS = (
    (r"ENSG\d{6,}", "Ensembl ids of human genes"), (r"ENSMUSG\d{6,}", "Ensembl ids of mouse genes"),
    (r"ENSRNOG\d{6,}", "Ensembl ids of rat genes"),
    (r"ENSDARG\d{6,}", "Ensembl ids of zebrafish genes"),
    (r"ENSMMUG\d{6,}", "Ensembl ids of macaque genes"),
    (r"ENSSSCG\d{6,}", "Ensembl ids of pig genes"),
    (r"ENSGALG\d{6,}", "Ensembl ids of chicken genes"),
    (r"ENS[A-Z]{3,6}G\d{6,}", "Ensembl ids of another species"),
    (r"FBgn\d{5,}", "FlyBase ids"), (r"WBGene\d{5,}", "WormBase ids"),
    (r"AT[1-5CM]G\d{5}", "ids of Arabidopsis genes"),
    (r"Y[A-P][LR]\d{3}[WC](-[A-Z])?", "yeast ids"),
    (r"\d+", "numbers, such as Entrez ids"),
)  # fmt: skip
_IDS_COMPILED = tuple((re.compile(rf"^{ids}(\.\d+)?$"), told) for ids, told in _IDS)
_GENOME = re.compile(r"^(hg19|hg38|grch3[78]|mm9|mm10|mm39|grcm3[89]|human|mouse)[_-]+", re.I)
_MOST_LOOKED_AT = 2000
# So much more of the genes must match before another spelling is taken for the reason.
_MUCH_MORE = 0.2


def other_spelling(
    new_names: Iterable[str], var_names: Sequence[str], share: float, ids: bool = False
) -> str:
    """What the names of two files say of why they share no more than ``share`` of the genes.

    Args:
        new_names, var_names: Names of the new genes and of the trained ones.
        ids: Whether the new data have ids beside the names (then a kind of id is no reason).
    """
    new, trained = [str(n) for n in new_names if n], [str(n) for n in var_names if n]
    if not new or not trained:
        return ""
    one, other = _kind(new), _kind(trained)
    if one != other and (one or other) and not (ids and one and not other):
        return (
            f"The new genes look like {one or _symbols(new)} ({new[0]}), the trained ones like"
            f" {other or _symbols(trained)} ({trained[0]})."
        )
    without = _shared(new, trained, lambda n: _GENOME.sub("", n))
    if without - share >= _MUCH_MORE:
        return (
            f"The new genes begin with the name of a genome ({new[0]}); without it {without:.0%}"
            " would match."
        )
    small = _shared(new, trained, str.upper)
    if small - share < _MUCH_MORE:
        return ""
    return (
        f"The new genes look like {_symbols(new)} ({_example(new)}), the trained ones like"
        f" {_symbols(trained)} ({_example(trained)}): {small:.0%} would match if capitals did not"
        " matter. Cells of another species are not placed rightly by their names alone."
    )


def kind_of_names(names: Iterable[str]) -> str:
    """What genes are called by: ``"human symbols"``, ``"Ensembl ids of mouse genes"``."""
    some = [str(n) for n in names if n]
    return (_kind(some) or _symbols(some)) if some else ""


# What a kind of ids, or a way of writing symbols, says of whom the genes are.
_OF_IDS = ("human", "mouse", "rat", "zebrafish", "macaque", "pig", "chicken")
_OF_OTHER_IDS = {
    "FlyBase ids": "fruit fly", "WormBase ids": "C. elegans", "yeast ids": "yeast",
    "ids of Arabidopsis genes": "Arabidopsis",
}  # fmt: skip
_OF_SYMBOLS = {"upper": "human", "capital": "mouse or rat", "lower": "zebrafish"}
_ENOUGH_KNOWN = 10


def organism_of(names: Iterable[str], ids: Iterable[str] | None, n_known: int) -> str:
    """Of whom genes are, as far as their names tell; else empty.

    Ids tell it. Symbols do by their capitals, where enough of them are known ones.

    Args:
        names: Symbols, or ids where there are none.
        ids: Ids, where there are any beside the names.
        n_known: How many known genes are among the names.
    """
    words = [str(n) for n in names if n]
    for some in ([str(i) for i in ids if i] if ids is not None else [], words):
        kind = _kind(some) if some else ""
        if kind:
            found = next((o for o in _OF_IDS if f" {o} " in kind), "")
            return found or _OF_OTHER_IDS.get(kind, "")
    return _OF_SYMBOLS.get(_style(words), "") if n_known >= _ENOUGH_KNOWN else ""


def _shared(new: list[str], trained: list[str], way: Callable[[str], str]) -> float:
    there = {way(n) for n in new}
    return sum(way(n) in there for n in trained) / len(trained)


def _kind(names: list[str]) -> str:
    """What kind of ids these are; empty for symbols."""
    some = names[:_MOST_LOOKED_AT]
    for pattern, told in _IDS_COMPILED:
        if np.mean([bool(pattern.match(n)) for n in some]) > 0.5:
            return told
    return ""


def _symbols(names: list[str]) -> str:
    style = _style(names)
    return {
        "upper": "human symbols",
        "capital": "mouse or rat symbols",
        "lower": "zebrafish symbols, or symbols in small letters",
    }.get(style, "symbols")


def _style(names: list[str]) -> str:
    words = [n for n in names[:_MOST_LOOKED_AT] if sum(map(str.isalpha, n)) > 1]
    if not words:
        return ""
    shares = {
        "upper": np.mean([n == n.upper() for n in words]),
        "lower": np.mean([n == n.lower() for n in words]),
        "capital": np.mean([n[0].isupper() and n[1:] == n[1:].lower() for n in words]),
    }
    best = max(shares, key=lambda style: shares[style])
    return best if shares[best] > 0.5 else ""


def _example(names: list[str]) -> str:
    return next((n for n in names if sum(map(str.isalpha, n)) > 2), names[0])
