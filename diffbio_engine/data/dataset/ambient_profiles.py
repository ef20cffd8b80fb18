"""Profiles of empty droplets that a file keeps: found by their names, and by adding up to one."""

from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np
import pandas as pd

from diffbio_engine.data.dataset.name_words import words_of
from diffbio_engine.errors import DataError
from diffbio_engine.ports import Place

_WORDS = {"ambient", "soup", "background", "empty", "empties"}
_DEEPEST = 3


def called_ambient(name: str) -> bool:
    """Whether a name says that it is about empty droplets."""
    return bool(set(words_of(name)) & _WORDS)


def adds_up(total: float) -> bool:
    """Whether shares of molecules add up to one; those of some of the genes to a little less."""
    return 0.5 < total < 1.001


def profiles_in(uns: Any, n_genes: int) -> tuple[str, ...]:
    """The places in ``uns`` (``"uns/soupProfile/est"``) that hold a profile of so many genes."""
    return tuple(_found(uns, "uns", n_genes, _DEEPEST, named=False))


def _found(part: Any, place: str, n: int, depth: int, *, named: bool) -> list[str]:
    out: list[str] = []
    if not isinstance(part, Mapping | h5py.Group | pd.DataFrame):
        return out
    for key in part:
        told = named or called_ambient(str(key))
        item, inside = part[key], f"{place}/{key}"
        if isinstance(item, Mapping | h5py.Group | pd.DataFrame):
            out += _found(item, inside, n, depth - 1, named=told) if depth > 1 else []
        elif told and _is_profile(item, n):
            out.append(inside)
    return out


def _is_profile(item: Any, n: int) -> bool:
    shape = getattr(item, "shape", ())
    kind = getattr(getattr(item, "dtype", None), "kind", "")
    if kind != "f" or shape not in ((n,), (n, 1), (1, n)):
        return False
    try:
        values = np.asarray(item, np.float64)
    except (OSError, RuntimeError, ValueError):  # a damaged part of a file that opens
        return False
    return bool(np.isfinite(values).all() and values.min(initial=0) >= 0 and adds_up(values.sum()))


def profile_at(uns: Mapping[str, Any], place: str, names: pd.Index, kept: Any) -> np.ndarray:
    """The shares of the genes of a data set; they add up to one.

    Args:
        place: As ``profiles_in`` names it.
        names: The names of all genes of the file; a table with other names is put in their order.
        kept: Which of them are the genes of the data set; None: all.
    """
    item: Any = uns
    table: pd.DataFrame | None = None
    for key in Place.parse(place).keys:
        table = item if isinstance(item, pd.DataFrame) else None
        if not isinstance(item, Mapping | pd.DataFrame) or key not in item:
            raise DataError(f"There is no '{place}' in the file.", fix="Choose another place.")
        item = item[key]
    values = np.asarray(item, np.float64).ravel()
    if table is not None and table.index.is_unique and names.isin(table.index).all():
        values = table.iloc[:, list(table.columns).index(key)].reindex(names).to_numpy(np.float64)
    if len(values) != len(names):
        raise DataError(
            f"{place} has {len(values):,} values, but there are {len(names):,} genes.",
            fix="Choose another place.",
        )
    values = values if kept is None else values[kept]
    total = values.sum()
    if not np.isfinite(total) or total <= 0 or values.min() < 0:
        raise DataError(f"{place} holds no shares of molecules.", fix="Choose another place.")
    return (values / total).astype(np.float32)
