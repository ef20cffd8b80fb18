"""Sets of cells whose order is known or was found by another method, for the pseudotime benchmark.

Paul's cells (slingshot's order; 10, 20, 50 components); PHATE's tree of ten branches (steps along
each branch, added up from the root); time courses with one to three fates, one with two conditions
beside the process; paths along random trees of types (`gen_scale.model`); the last two also as
measured by two protocols, corrected by harmonypy.
"""

import sys
from pathlib import Path
from typing import NamedTuple

import anndata
import harmonypy
import numpy as np
import pandas as pd
from scipy.ndimage import uniform_filter1d

from diffbio_engine.data.demos.simulated_time_course import simulate_time_course

DATA = Path(__file__).parents[3] / "shared/data"
sys.path[:0] = [str(DATA), str(Path(__file__).parents[1] / "references/singlecell")]
import gen_scale
from paul_cells import paul_cells, slingshot_of, with_components


class Known(NamedTuple):
    """Coordinates (cells, features), their order, and the row of the root."""

    cells: np.ndarray
    time: np.ndarray
    root: int


def every_set() -> dict[str, Known]:
    """All sets by name."""
    sets = {}
    data = paul_cells(every=1, n_components=50)
    _, _, order, root = slingshot_of(data)
    for n in (10, 20, 50):
        sets[f"Paul, {n} components"] = Known(_of(data)[:, :n], order, root)
    sets["tree of ten branches"] = tree()
    for seed, fates, protocols in ((0, 3, 1), (5, 1, 1), (6, 2, 1), (2, 3, 2), (3, 3, 2)):
        sets[f"time course {seed}, {fates} fates{_two(protocols)}"] = course(seed, fates, protocols)
    for seed, types, protocols in (
        (0, 4, 1),
        (1, 3, 1),
        (10, 2, 1),
        (13, 6, 1),
        (3, 4, 2),
        (14, 3, 2),
    ):
        sets[f"paths {seed}, {types} types{_two(protocols)}"] = paths(seed, types, protocols)
    return sets


def _two(protocols):
    return ", two protocols" if protocols > 1 else ""


def _of(data):
    return np.asarray(data.obsm["X_pca"], np.float32)


def _corrected(cells, batch):
    found = harmonypy.run_harmony(
        cells.astype(float), pd.DataFrame({"batch": batch.astype(str)}), ["batch"], verbose=False
    ).Z_corr
    return np.asarray(found if len(found) == len(batch) else found.T, np.float32)


def tree() -> Known:
    data = anndata.read_h5ad(DATA / "phate_tree_3000x100.h5ad")
    cells, branch = np.asarray(data.X, np.float32), data.obs["branch"].astype(int).to_numpy()
    smooth, depth = np.zeros_like(cells), np.zeros(len(cells))
    for b in range(branch.max() + 1):
        here = np.flatnonzero(branch == b)
        smooth[here] = uniform_filter1d(cells[here], 25, axis=0, mode="nearest")
        before = np.flatnonzero(branch < b)
        if len(before):  # it begins at the nearest cell of those before it
            start = smooth[here[:5]].mean(axis=0)
            depth[here] = depth[before[np.argmin(((smooth[before] - start) ** 2).sum(axis=1))]]
        depth[here] += np.arange(len(here))
    return Known(cells, depth, 0)


def course(seed: int, fates: int, protocols: int) -> Known:
    """Counts of a time course; by a second protocol, each gene is caught at a rate of its own."""
    data = simulate_time_course(seed=seed, n_fates=fates)
    time = data.obs["true_pseudotime"].to_numpy()
    random = np.random.default_rng(seed)
    batch = random.integers(protocols, size=len(time))
    if protocols > 1:
        caught = np.minimum(0.5 * np.exp(random.normal(-0.125, 0.5, data.n_vars)), 1.0)
        rate = np.where(batch[:, None] == 1, caught, 0.5)
        data.X = random.binomial(data.X.toarray().astype(int), rate).astype(np.float32)
    cells = _of(with_components(data, 20))
    cells = _corrected(cells, batch) if protocols > 1 else cells
    return Known(cells, time, int(np.argmin(time)))


def paths(seed: int, types: int, protocols: int, n: int = 2000, n_genes: int = 1000) -> Known:
    """Cells anywhere on the edges of a random tree; time is the depth in it."""
    model = gen_scale.model(n_genes, types, protocols, seed)
    random = np.random.default_rng(seed)
    node, along = random.choice(np.arange(1, 2 * types - 1), n), random.random(n)
    depth = np.zeros(2 * types - 1)
    for child in range(1, 2 * types - 1):
        depth[child] = depth[model["par"][child]] + 1
    time = depth[model["par"][node]] + along
    batch = random.integers(protocols, size=n)
    begin, end = model["logf"][model["par"][node]], model["logf"][node]
    mean = model["base"] * np.exp((1 - along)[:, None] * begin + along[:, None] * end)
    if protocols > 1:
        mean = mean * model["bat"][batch] ** 0.4
    mean = mean / mean.sum(axis=1, keepdims=True)
    mean = mean * np.exp(random.normal(np.log(4000), 0.35, n))[:, None]
    counts = random.poisson(mean * random.gamma(model["theta"], 1 / model["theta"], mean.shape))
    cells = _of(with_components(anndata.AnnData(counts.astype(np.float32)), 20))
    cells = _corrected(cells, batch) if protocols > 1 else cells
    return Known(cells, time, int(np.argmin(time)))
