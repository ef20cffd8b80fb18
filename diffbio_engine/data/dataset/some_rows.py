"""A data set without some of its rows, and without some of the genes of one matrix."""

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from diffbio_engine.data.dataset import Dataset, Lazily, shapes_in
from diffbio_engine.data.matrix.matrices import some_of


def only(
    dataset: Dataset, rows: np.ndarray, genes: np.ndarray | None = None, place: str = "X"
) -> Dataset:
    """Some rows of a data set, in their order; and some of the genes of one of its matrices.

    Nothing of what lies on disk is read. Categories that no row has any more are left out, and
    their colours, as anndata does.

    Args:
        dataset: The whole; it is left as it is.
        rows: Their numbers, from small to large.
        genes: Numbers of the genes that belong to ``place``; None: all.
        place: A matrix: with ``"raw/X"`` the genes of ``raw``, else those of all others.
    """
    of_raw_alone = place == "raw/X" and dataset._raw_var is not None
    of_var, of_raw = (None, genes) if of_raw_alone else (genes, None)
    made = copy.copy(dataset)
    made._whole = dataset  # what an archive was unpacked to lives as long as this
    made.warnings, made.kept = list(dataset.warnings), dict(dataset.kept)
    made.obs, made.uns = _without_unused(dataset.obs.iloc[rows], dataset.uns)
    for table, some in (("var", of_var), ("raw", of_raw)):
        if some is not None:
            before = dataset.kept.get(table)
            made.kept[table] = some if before is None else np.asarray(before)[some]
    if of_var is not None:
        made.var = dataset.var.iloc[of_var]
    if of_raw is not None and dataset._raw_var is not None:
        made._raw_var = dataset._raw_var.iloc[of_raw]
    made._matrices = {
        p: some_of(m, rows, of_raw if p == "raw/X" and dataset._raw_var is not None else of_var)
        for p, m in dataset._matrices.items()
    }
    shapes = {k: (len(rows), *shape[1:]) for k, shape in shapes_in(dataset.obsm).items()}
    made.obsm = Lazily(shapes, lambda key: np.asarray(dataset.obsm[key])[rows])
    made.rest = {
        part: {key: of_some(part, value, rows, of_var) for key, value in arrays.items()}
        for part, arrays in dataset.rest.items()
    }
    made.rows_kept = rows if dataset.rows_kept is None else dataset.rows_kept[rows]
    made._check()
    return made


def of_some(part: str, value: Any, rows: np.ndarray | None, genes: np.ndarray | None) -> Any:
    """What is known of some rows or genes: an array, a table, or one between pairs of them.

    Args:
        part: Where it lies in an h5ad: ``"obsm"``, ``"varp"``.
        value: Of all.
        rows: Numbers of the rows; None: all.
        genes: The same of the genes.
    """
    some = rows if part in ("obsm", "obsp") else genes
    if some is None:
        return value
    value = value.iloc[some] if isinstance(value, pd.DataFrame) else value[some]
    return value[:, some] if part in ("obsp", "varp") else value


def _without_unused(
    obs: pd.DataFrame, uns: Mapping[str, Any]
) -> tuple[pd.DataFrame, Mapping[str, Any]]:
    """The table without categories that nothing is of, and ``uns`` without their colours."""
    obs, uns = obs.copy(), dict(uns)
    for name in obs.columns[[isinstance(t, pd.CategoricalDtype) for t in obs.dtypes]]:
        before = obs[name].cat.categories
        obs[name] = obs[name].cat.remove_unused_categories()
        colors = uns.get(f"{name}_colors")
        if colors is not None and np.shape(colors) == (len(before),):
            uns[f"{name}_colors"] = np.asarray(colors)[before.isin(obs[name].cat.categories)]
    return obs, uns
