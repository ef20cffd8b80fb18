"""The tables of a joined set: its cells, and its genes with the columns they come from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.dataset.gene_names import gene_name_style, made_unique, names_and_ids
from diffbio_engine.data.dataset.name_words import words_of
from diffbio_engine.data.inspection.column_names import CLUSTERINGS
from diffbio_engine.data.samples.comparison import IDS
from diffbio_engine.data.samples.facts import ids_of, names_of, without_versions
from diffbio_engine.errors import DataError

_BY_IDS = "Ensembl ids"


@dataclass(frozen=True)
class GenesOf:
    """Genes of a joined set.

    Attributes:
        var: Their table.
        columns: For each sample and each of its genes, its column in the joined set; -1: none.
        lacking: How many genes of the joined set some samples lack; they are 0 there.
    """

    var: pd.DataFrame
    columns: list[np.ndarray]
    lacking: int = 0


def genes_of(tables: Sequence[pd.DataFrame], by: str, *, every: bool, name: str) -> GenesOf:
    """The genes that all samples have, in the order of the first; or those that any has.

    Of what is known of genes, columns are kept that say the same in all samples; so have ids and
    types, while what was computed of one sample has no meaning for all.

    Args:
        tables: The genes of each sample.
        by: ``"ids"`` or ``"names"``.
        every: Whether genes stay that some samples lack.
        name: What the matrix is called, for sentences.
    """
    ids = [ids_of(var) for var in tables] if by == IDS else []
    found = [i for i in ids if i is not None]
    keys = found if len(found) == len(tables) else [names_of(var) for var in tables]
    if not all(k.equals(keys[0]) for k in keys):
        keys = [without_versions(k) for k in keys]
    kept = keys[0]
    for other in keys[1:]:
        kept = kept.append(other[~other.isin(kept)]) if every else kept[kept.isin(other)]
    if not len(kept):
        raise DataError(f"The samples share no genes ({name}).", fix="Leave one of them out.")
    columns = [kept.get_indexer(k).astype(np.int64) for k in keys]
    in_all = np.logical_and.reduce([kept.isin(k) for k in keys])
    made = _var(tables, keys, kept)
    if len(found) == len(tables):
        made = _with_both_names(made, tables, keys, kept)
    return GenesOf(made, columns, int((~in_all).sum()))


def _var(tables: Sequence[pd.DataFrame], keys: Sequence[pd.Index], kept: pd.Index) -> pd.DataFrame:
    """The rows of the first sample that has each gene."""
    names = np.full(len(kept), "", dtype=object)
    values = {c: np.full(len(kept), None, dtype=object) for c in dict.fromkeys(tables[0].columns)}
    taken = np.zeros(len(kept), bool)
    for var, key in zip(tables, keys, strict=True):
        place = kept.get_indexer(key)
        there = place >= 0
        old = there & taken[place]
        new = there & ~old
        names[place[new]] = np.array([str(n) for n in var.index], dtype=object)[new]
        for column in list(values):
            mine = var[column].to_numpy(object) if column in var.columns else None
            if mine is None or not _alike(values[column][place[old]], mine[old]):
                del values[column]
            else:
                values[column][place[new]] = mine[new]
        taken[place[there]] = True
    made = pd.DataFrame(index=made_unique(pd.Index(names, dtype=object)))
    for column, found in values.items():
        dtype = tables[0][column].dtype
        plain = isinstance(dtype, np.dtype) and dtype.kind in "iufb"
        made[column] = found.astype(dtype) if plain else found
    return made


def _with_both_names(
    made: pd.DataFrame, tables: Sequence[pd.DataFrame], keys: Sequence[pd.Index], kept: pd.Index
) -> pd.DataFrame:
    """Genes that were matched by ids have ids and symbols, whichever a sample is named by.

    Where some samples are named by ids and others by symbols, all genes are named by symbols.
    """
    symbols = np.full(len(kept), "", dtype=object)
    styles = [gene_name_style(var.index) for var in tables]
    for var, key, style in reversed(list(zip(tables, keys, styles, strict=True))):
        names, place = names_and_ids(var)[0], kept.get_indexer(key)
        told = (place >= 0) & (names != "")
        if style == _BY_IDS:
            told &= names != np.array([str(n).strip() for n in var.index], dtype=object)
        symbols[place[told]] = names[told]
    if set(styles) & {_BY_IDS, "numbers"} and set(styles) != {_BY_IDS}:
        called = [str(s or k) for s, k in zip(symbols, kept, strict=True)]
        made.index = made_unique(pd.Index(called, dtype=object))
    names, ids = names_and_ids(made)
    if ids is None:
        made["gene_ids"] = kept.to_numpy(object)
    elif set(styles) == {_BY_IDS} and (symbols != "").any() and list(names) == list(ids):
        made["gene_symbols"] = symbols
    return made


def _alike(one: np.ndarray, other: np.ndarray) -> bool:
    missing = pd.isna(one)
    return bool((missing == pd.isna(other)).all() and (one[~missing] == other[~missing]).all())


def cells_of(parts: Sequence[tuple[str, Dataset]], column: str) -> tuple[pd.DataFrame, list[str]]:
    """All cells, named ``barcode_sample``, with a column that names the sample; and what to know.

    Columns that only some samples have are kept, and missing in the others.
    """
    said = []
    every = list(dict.fromkeys(str(c) for _, d in parts for c in d.obs.columns))
    some = {c: [n for n, d in parts if c not in d.obs.columns] for c in every}
    lacking = {c: names for c, names in some.items() if names}
    if lacking:
        told = [f"{c} (not in {', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
                for c, names in list(lacking.items())[:6]]  # fmt: skip
        more = f" and {len(lacking) - 6} more" if len(lacking) > 6 else ""
        said.append(f"Columns that only some samples have are missing in the others: "
                    f"{', '.join(told)}{more}.")  # fmt: skip
    kept_as = {c: c for c in every}
    if column in kept_as:
        free = f"{column}_of_file"
        while free in kept_as:
            free += "_"
        kept_as[column] = free
        said.append(f"The files have a column '{column}' of their own: it is called '{free}' now.")
    if clusters := [c for c in every if _are_clusters(c, [d.obs for _, d in parts])]:
        said.append(
            f"{', '.join(clusters[:6])}: clusters of each file by itself, so cluster 0 of one"
            " sample need not be cluster 0 of another."
        )
    if mixed := [c for c in every if _are_mixed([d.obs[c] for _, d in parts if c in d.obs])]:
        said.append(
            f"Numbers in some samples and words in others are words now: {', '.join(mixed[:6])}."
        )
    names = [f"{cell}_{sample}" for sample, d in parts for cell in d.obs.index]
    obs = pd.DataFrame(index=made_unique(pd.Index(names, dtype=object)))
    of = [sample for sample, d in parts for _ in range(d.n_cells)]
    obs[column] = pd.Categorical(of, categories=[sample for sample, _ in parts])
    for old, new in kept_as.items():
        obs[new] = _stacked([d.obs[old] if old in d.obs.columns else d.n_cells for _, d in parts])
    return obs, said


def _are_clusters(column: str, tables: Sequence[pd.DataFrame]) -> bool:
    """Whether clusters of several samples have the same numbers."""
    if not CLUSTERINGS & set(words_of(column)):
        return False
    found = [set(map(str, t[column].unique())) for t in tables if column in t.columns]
    return len(found) > 1 and any(one & found[0] for one in found[1:])


def _are_mixed(pieces: Sequence[pd.Series]) -> bool:
    return len({p.dtype.kind if p.dtype.kind not in "iuf" else "number" for p in pieces}) > 1


def _stacked(pieces: list[pd.Series | int]) -> pd.api.extensions.ExtensionArray | np.ndarray:
    """A column of all samples; a number stands for so many missing values."""
    there = [p for p in pieces if not isinstance(p, int)]
    words = all(isinstance(p.dtype, pd.CategoricalDtype) for p in there)
    numbers = all(p.dtype.kind in "iuf" and isinstance(p.dtype, np.dtype) for p in there)
    values = np.concatenate([
        np.full(p, np.nan if numbers else None, dtype=float if numbers else object)
        if isinstance(p, int) else p.to_numpy(None if numbers else object) for p in pieces
    ])  # fmt: skip
    if words:
        categories = list(dict.fromkeys(str(c) for p in there for c in p.cat.categories))
        said = [None if pd.isna(v) else str(v) for v in values]
        return pd.Categorical(said, categories=categories)
    if all(p.dtype == bool for p in there) and len(there) == len(pieces):
        return values.astype(bool)
    return values
