"""Names of cells in two files, compared: as they are, or by the barcodes in them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

# What stands around a barcode names its sample: "ctrl_ACGT...-1", "ACGT...-2".
_BARCODE = re.compile(r"^(.*?)([ACGTN]{8,}(?:[_-][ACGTN]{8,})*)([^A-Za-z].*)?$")
_ENDING = re.compile(r"[-._]\d+$")
# R puts an X before a name that begins with a number, and points for other signs.
_MANGLED = re.compile(r"[^A-Za-z0-9]")
_ENOUGH = 0.5
_LONGEST, _MOST_PAIRS = 200, 20_000_000


@dataclass(frozen=True)
class Matched:
    """Which line of a table is of which cell.

    Attributes:
        lines: For each cell its line, or -1.
        how: How names were compared, in words; empty if they are the same.
    """

    lines: np.ndarray
    how: str = ""

    @property
    def n_cells(self) -> int:
        """How many cells have a line."""
        return int((self.lines >= 0).sum())


def match(cells: Sequence[str], names: Sequence[str]) -> Matched:
    """The line of each cell: by the whole name, else by what is left of it.

    Tried in this order, and the first that finds half of the fewer names is taken: names as they
    are; without the ``-1`` at their end; as R writes them; by the barcode in them, where the rest
    (``ctrl_``, ``-2``) names a sample, and each sample of the table goes to the one in the matrix
    with which it shares most barcodes. What is not one to one is left unmatched.
    """
    here, there = pd.Index([str(c) for c in cells]), pd.Index([str(n) for n in names])
    ways = (
        (lambda names: names, ""),
        (_without_ending, "compared without their ending"),
        (_as_r, "compared as R writes them"),
    )
    best = Matched(np.full(len(here), -1))
    for change, how in ways:
        found = _one_to_one(change(here), change(there))
        if found.n_cells > best.n_cells:
            best = Matched(found.lines, _example(here, there, found.lines, how))
        if best.n_cells and best.n_cells >= _ENOUGH * min(len(here), len(there)):
            return best
    found = _by_barcode(here, there)
    if found.n_cells > best.n_cells:
        how = "compared by their barcodes alone"
        best = Matched(found.lines, _example(here, there, found.lines, how))
    return best


def match_samples(samples: Sequence[str], names: Sequence[str]) -> dict[str, int]:
    """The line of each sample: by its name, or by one that stands in the other as whole words.

    ``GSM1_ctrl`` is ``ctrl`` or ``GSM1``. What fits several, or is fitted by several, is left out.
    """
    words = [_words(n) for n in names]
    found: dict[str, int] = {}
    for sample in samples:
        mine = _words(sample)
        same = [i for i, w in enumerate(words) if w == mine]
        within = [i for i, w in enumerate(words) if w and (_run_in(w, mine) or _run_in(mine, w))]
        if len(same or within) == 1:
            found[sample] = (same or within)[0]
    lines = list(found.values())
    return {s: i for s, i in found.items() if lines.count(i) == 1}


def _words(name: str) -> list[str]:
    return [w for w in re.split(r"[^a-z0-9]+", str(name).lower()) if w]


def _run_in(some: list[str], all_of_them: list[str]) -> bool:
    n = len(some)
    return any(all_of_them[i : i + n] == some for i in range(len(all_of_them) - n + 1))


def tokens(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """The barcode in each name (empty: none), and what stands around it."""
    parts = [_BARCODE.match(str(n)[:_LONGEST]) for n in names]
    cores = [m[2] if m else "" for m in parts]
    return cores, [f"{m[1]}\x00{m[3] or ''}" if m else "" for m in parts]


def _example(here: pd.Index, there: pd.Index, lines: np.ndarray, how: str) -> str:
    if not how:
        return ""
    cell = int(np.argmax(lines >= 0))
    return f"{how}: {here[cell]} here is {there[lines[cell]]} there"


def _without_ending(names: pd.Index) -> pd.Index:
    return pd.Index([_ENDING.sub("", n) for n in names])


def _as_r(names: pd.Index) -> pd.Index:
    return pd.Index([_MANGLED.sub(".", re.sub(r"^X(?=\d)", "", n)) for n in names])


def _one_to_one(here: pd.Index, there: pd.Index) -> Matched:
    lines = np.full(len(here), -1)
    once = np.flatnonzero(~there.duplicated(keep=False))
    mine = np.flatnonzero(~here.duplicated(keep=False))
    lines[mine] = pd.Series(once, index=there[once]).reindex(here[mine], fill_value=-1).to_numpy()
    return Matched(lines)


def _by_barcode(here: pd.Index, there: pd.Index) -> Matched:
    lines = np.full(len(here), -1)
    tables = []
    for names in (here, there):
        cores, around = tokens(names)
        table = pd.DataFrame({"core": cores, "group": around, "line": np.arange(len(names))})
        tables.append(table[table["core"] != ""])
    counts = [table["core"].value_counts() for table in tables]
    if (counts[0] * counts[1]).sum() > _MOST_PAIRS:  # every barcode there is, in many samples
        return Matched(lines)
    both = tables[0].merge(tables[1], on="core", suffixes=("_here", "_there"))
    if both.empty:
        return Matched(lines)
    # No table of all groups: where each name has a sample of its own it would be cells by cells.
    votes = both.groupby(["group_there", "group_here"]).size()
    votes = votes.sort_values(ascending=False, kind="stable")
    goes_to = votes.reset_index().drop_duplicates("group_there")
    goes_to = goes_to.set_index("group_there")["group_here"]
    both = both[both["group_here"] == both["group_there"].map(goes_to)]
    for side in ("line_here", "line_there"):
        both = both[~both[side].duplicated(keep=False)]
    lines[both["line_here"].to_numpy()] = both["line_there"].to_numpy()
    return Matched(lines)
