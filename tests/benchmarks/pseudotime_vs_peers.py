"""Pseudotime and fates beside scanpy and palantir, on every set of known order; and of many cells.

Run: python tests/benchmarks/pseudotime_vs_peers.py [--palantir-python PYTHON] [--cells 20000]

Rank correlation with the known order (`pseudotime_sets.py`), the root being its first cell. For
Paul's cells that is slingshot's pseudotime (the mean of its two curves by their weights), counts
normalised to their median, log1p, principal components. Fates: AUROC of the lineage to which
slingshot gives a cell. With `--cells`: time and memory of both blocks on that many simulated cells
(gen_scale.py).
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import anndata
import jax
import numpy as np
import scanpy
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from diffbio_engine.operators.singlecell import (
    DifferentiableFateProbability,
    DifferentiablePseudotime,
    FateProbabilityConfig,
    PseudotimeConfig,
)

sys.path.insert(0, str(Path(__file__).parents[1] / "references/singlecell"))
from paul_cells import paul_cells, slingshot_of, with_components
from pseudotime_sets import every_set

DATA = Path(__file__).parents[3] / "shared/data"
PALANTIR = """
import sys, numpy as np, pandas as pd, palantir
d = np.load(sys.argv[1])
cells = pd.DataFrame(d["pcs"], index=[str(i) for i in range(len(d["pcs"]))])
space = palantir.utils.determine_multiscale_space(palantir.utils.run_diffusion_maps(cells))
found = palantir.core.run_palantir(space, str(int(d["root"])), num_waypoints=500, n_jobs=1)
np.save(sys.argv[2], found.pseudotime.to_numpy())
"""


def ours(cells, **settings):
    block = DifferentiablePseudotime(PseudotimeConfig(**settings))
    block.prepare_from({"embeddings": cells}, jax.random.key(0))
    return {name: np.asarray(value) for name, value in block(cells).items()}


def fates_of(found, n_ends=2):
    block = DifferentiableFateProbability(FateProbabilityConfig(n_macrostates=n_ends))
    arrays = {"embeddings": found["diffusion_components"], "pseudotime": found["pseudotime"]}
    block.prepare_from(arrays, jax.random.key(0))
    return np.asarray(block(**arrays)["fate_probabilities"])


def dpt(cells, root):
    data = anndata.AnnData(cells)
    scanpy.pp.neighbors(data, n_neighbors=15, use_rep="X")
    scanpy.tl.diffmap(data)
    data.uns["iroot"] = root
    scanpy.tl.dpt(data)
    return data.obs["dpt_pseudotime"].to_numpy()


def palantir(python, cells, root):
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder) / "cells.npz", Path(folder) / "found.npy"
        np.savez(given, pcs=cells, root=root)
        subprocess.run(
            [python, "-c", PALANTIR, str(given), str(made)], check=True, capture_output=True
        )
        return np.load(made)


def sets(palantir_python):
    for name, (cells, time_of, root) in every_set().items():
        rows = {
            method: ours(cells, root_cell_index=root, method=method)["pseudotime"]
            for method in ("consensus", "paths", "diffusion")
        }
        rows["scanpy dpt"] = dpt(cells, root)
        if palantir_python:
            rows["palantir"] = palantir(palantir_python, cells, root)
        said = ", ".join(f"{n} {spearmanr(p, time_of)[0]:.3f}" for n, p in rows.items())
        print(f"{name}: {said}", flush=True)


def fates():
    data = paul_cells(every=1, n_components=50)
    weight, _, _, root = slingshot_of(data)
    sure = (weight.max(axis=1) > 0.99) & (weight.min(axis=1) < 0.01)
    for n in (10, 20, 50):
        found = ours(data.obsm["X_pca"].astype(np.float32)[:, :n], root_cell_index=root)
        lineage = roc_auc_score(weight[sure, 0] > 0.5, fates_of(found)[sure, 0])
        print(f"{n} components, fate by lineage: AUROC {max(lineage, 1 - lineage):.3f}", flush=True)


def many(n_cells):
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "cells.h5ad"
        subprocess.run([sys.executable, DATA / "gen_scale.py", str(n_cells), made], check=True)
        data = with_components(anndata.read_h5ad(made), 20)
        cells = data.obsm["X_pca"].astype(np.float32)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    began, spent = time.perf_counter(), time.process_time()
    found = ours(cells)
    middle, used = time.perf_counter(), time.process_time()
    fates_of(found, 12)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"pseudotime: {middle - began:.0f} s, {used - spent:.0f} CPU s")
    print(f"fates: {time.perf_counter() - middle:.0f} s, {time.process_time() - used:.0f} CPU s")
    print(f"peak {peak:.2f} GB (before, with the data: {before:.2f})")


if __name__ == "__main__":
    asked = argparse.ArgumentParser()
    asked.add_argument("--palantir-python")
    asked.add_argument("--cells", type=int)
    chosen = asked.parse_args()
    if chosen.cells:
        many(chosen.cells)
    else:
        sets(chosen.palantir_python)
        fates()
