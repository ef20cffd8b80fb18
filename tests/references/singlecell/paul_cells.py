"""Paul's myeloid cells (shared/data) as peers and ours are given them, and slingshot's order."""

from pathlib import Path
from typing import NamedTuple

import anndata
import numpy as np
import scanpy

SHARED = Path(__file__).parents[4] / "shared/data"


class Slingshot(NamedTuple):
    """What slingshot says of n cells and two lineages.

    Attributes:
        weight, time: (n, 2) how much a cell belongs to a lineage, and when it comes there.
        order: (n,) its time over both.
        root: The first cell of the start cluster.
    """

    weight: np.ndarray
    time: np.ndarray
    order: np.ndarray
    root: int


def paul_cells(every: int, n_components: int) -> anndata.AnnData:
    """Each so many cells, with principal components."""
    data = anndata.read_h5ad(SHARED / "paul_myeloid_tradeseq_counts.h5ad")[::every].copy()
    return with_components(data, n_components)


def with_components(data: anndata.AnnData, n_components: int) -> anndata.AnnData:
    """Counts normalised to their median, log1p, principal components in ``X_pca``."""
    scanpy.pp.normalize_total(data)
    scanpy.pp.log1p(data)
    scanpy.pp.pca(data, n_comps=n_components)
    return data


def slingshot_of(data: anndata.AnnData) -> Slingshot:
    """Read from the columns that came with the cells."""
    weight = data.obs[["slingshot_w_curve1", "slingshot_w_curve2"]].to_numpy()
    time = data.obs[["slingshot_pt_curve1", "slingshot_pt_curve2"]].to_numpy()
    order = (weight * time).sum(axis=1) / weight.sum(axis=1)
    in_start = data.obs["cluster"].astype(str).to_numpy() == data.uns["start_cluster"]
    return Slingshot(weight, time, order, int(np.argmin(np.where(in_start, order, np.inf))))
