"""Finds the genes of a trained pipeline in new data."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffbio_engine.data.dataset.gene_names import (
    gene_name_style,
    only_counted,
    parts_of_names,
    without_version,
)
from diffbio_engine.data.genes.spelling import other_spelling
from diffbio_engine.errors import DataError

_ENOUGH = 0.8  # share of the trained genes below which a result is to be doubted
# Share of the trained genes below which nothing is placed unless a person says so.
LEAST_OVERLAP = 0.5


@dataclass(frozen=True)
class GeneAlignment:
    """Where each trained gene lies in new data.

    Args:
        columns: For each trained gene its column in the new data; -1 where it is missing.
        by_name, by_id: How many were found by name, and by id.
        missing: Names of trained genes that are not there; they are filled with 0.
        n_new: Genes of the new data.
        var_names, var_ids: The trained genes.
        spelling: Why so few were found, where the names tell: another species, other capitals.
    """

    columns: np.ndarray
    by_name: int
    by_id: int
    missing: tuple[str, ...]
    n_new: int
    var_names: Sequence[str]
    var_ids: Sequence[str] | None = None
    spelling: str = ""

    @property
    def share(self) -> float:
        """Share of the trained genes that were found."""
        return (self.by_name + self.by_id) / max(len(self.columns), 1)

    @property
    def is_doubtful(self) -> bool:
        """Whether so few were found that a result may be wrong."""
        return self.share < _ENOUGH

    @property
    def sentence(self) -> str:
        """The overlap, in words."""
        n, found = len(self.columns), self.by_name + self.by_id
        by_id = f", {self.by_id:,} of them by id" if self.by_id else ""
        said = f"{found / n:.0%} of {n:,} genes found ({found:,}{by_id})"
        if self.missing:
            more = f" and {len(self.missing) - 5:,} more" if len(self.missing) > 5 else ""
            said += f"; {len(self.missing):,} filled with 0 ({', '.join(self.missing[:5])}{more})"
        unused = self.n_new - found
        said += f"; {unused:,} genes of the new data are not used." if unused else "."
        if self.is_doubtful:
            said += (
                f" With less than {_ENOUGH:.0%} of the genes the result may be wrong, however"
                " certain it looks: cells are placed as if the others were silent."
            )
        return f"{said} {self.spelling}".rstrip()

    def require(self, least: float) -> None:
        """Refuses to go on with less than this share of the trained genes."""
        if self.share >= least:
            return
        said = f"Only {self.share:.0%} of the {len(self.columns):,} trained genes are in these data"
        raise DataError(
            f"{said}, less than {least:.0%}. {self.spelling}".rstrip(),
            fix="Use data of the same species with the same kind of gene names; or say that fewer"
            f" are enough (least overlap {max(int(self.share * 100) / 100, 0):g}).",
            where="genes",
        )

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Columns in the trained order, 0 where a gene is missing."""
        out = rows[:, np.maximum(self.columns, 0)]
        if self.missing:
            out[:, self.columns < 0] = 0
        return out


def align_genes(
    new_names: Sequence[str] | np.ndarray,
    new_ids: Sequence[str] | np.ndarray | None,
    var_names: Sequence[str],
    var_ids: Sequence[str] | None = None,
) -> GeneAlignment:
    """Finds trained genes by name, then by id; versions of Ensembl ids do not matter.

    Names and ids are looked for on both sides, since one person's name column is another's ids.
    A column of the new data is given to one trained gene only. Where genes are only numbered,
    ids alone are matched: the same number is not the same gene.
    """
    numbered = [gene_name_style(names) == "numbers" for names in (new_names, var_names)]
    if all(numbered) and (new_ids is None or var_ids is None):
        _refuse_numbers(new_names, var_names)
    by_name, by_id = _positions(new_names), _positions(new_ids)
    columns = np.full(len(var_names), -1, np.int64)
    used: set[int] = set()
    n_by = [0, 0]
    # Trained on names that hold both, or a genome: as those of the new data they are taken apart.
    trained, inside = parts_of_names(var_names)
    known = var_ids if var_ids is not None else inside
    ids = list(known) if known is not None else [""] * len(var_names)
    # All matches by name come first, so that no id takes the column of a gene that has the name.
    ways: list[tuple[Any, dict[str, int], int]] = [
        (trained, by_name, 0),
        (ids, by_id, 1),
        (ids, by_name, 1),
        (trained, by_id, 1),
    ]
    if all(numbered) and new_ids is not None and var_ids is not None:
        ways = [(ids, by_id, 1)]
    for wanted, places, how in ways:
        for i, gene in enumerate(wanted):
            found = places.get(without_version(gene)) if columns[i] < 0 and gene else None
            if found is not None and found not in used:
                columns[i] = found
                used.add(found)
                n_by[how] += 1
    share = len(used) / max(len(var_names), 1)
    spelling = ""
    if share < _ENOUGH:
        spelling = other_spelling(new_names, var_names, share, new_ids is not None)
    if not used:
        raise DataError(
            "The new data share no genes with the trained pipeline. The new genes are named like "
            f"{_some(new_names)}; the trained ones like {_some(var_names)}. {spelling}".rstrip(),
            fix="Use data of the same species with the same kind of gene names.",
            where="genes",
        )
    missing = tuple(str(var_names[i]) for i in np.flatnonzero(columns < 0).tolist())
    return GeneAlignment(
        columns, n_by[0], n_by[1], missing, len(new_names), var_names, var_ids, spelling
    )


def _refuse_numbers(new_names: Sequence[str] | np.ndarray, var_names: Sequence[str]) -> None:
    if only_counted(new_names) or only_counted(var_names):
        raise DataError(
            "The genes of the new data and of the trained pipeline are only numbered "
            f"({_some(new_names)}, ...): which is which cannot be told.",
            fix="Give both files a column of gene symbols (gene_symbols) or ids (gene_ids), and "
            "train again.",
            where="genes",
        )


def _positions(names: Sequence[str] | np.ndarray | None) -> dict[str, int]:
    """The first place of each name."""
    places: dict[str, int] = {}
    for i, name in enumerate(names if names is not None else ()):
        if name:
            places.setdefault(without_version(name), i)
    return places


def _some(names: Sequence[str] | np.ndarray) -> str:
    return ", ".join(str(n) for n in list(names)[:5])
