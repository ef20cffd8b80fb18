"""Makes soft_hvg.npz. Run: python tests/references/singlecell/make_soft_hvg.py

Normalised dispersions and chosen genes of scanpy 1.12.4 for pbmc3k (../shared/data), 500 of 2000.
"""

import os
from pathlib import Path

import anndata as ad
import numpy as np
import scanpy as sc

ROOT = Path(__file__).parents[3]
data = Path(os.environ.get("DIFFBIO_SHARED_DATA", ROOT.parent / "shared/data"))
found = {}
for flavor in ("seurat", "cell_ranger"):
    cells = ad.read_h5ad(data / "pbmc3k_hvg2000_counts.h5ad")
    cells.X = cells.X.astype(np.float64)
    sc.pp.normalize_total(cells, target_sum=1e4)
    sc.pp.log1p(cells)
    sc.pp.highly_variable_genes(cells, flavor=flavor, n_top_genes=500)
    found[f"{flavor}_dispersion"] = cells.var["dispersions_norm"].to_numpy(np.float32)
    found[f"{flavor}_chosen"] = cells.var["highly_variable"].to_numpy()
np.savez_compressed(Path(__file__).with_name("soft_hvg.npz"), **found)
