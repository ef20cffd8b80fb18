"""Makes seurat_v3.npz. Run: PYTHON tests/references/data/make_seurat_v3.py SHARED_DATA

PYTHON has scanpy 1.12.4, scikit-misc 0.5.3 and anndata. The positions of the 2000 genes that scanpy
chooses on Kang's cells, all together and within the two batches.
"""

import sys
from pathlib import Path

import anndata as ad
import numpy as np
import scanpy as sc

found = {}
for name, batch in (("together", None), ("within", "batch")):
    cells = ad.read_h5ad(Path(sys.argv[1]) / "kang_pbmc_stim_counts.h5ad")
    cells.obs["batch"] = cells.obs["batch"].astype("category")
    sc.pp.highly_variable_genes(cells, flavor="seurat_v3", n_top_genes=2000, batch_key=batch)
    found[name] = np.flatnonzero(cells.var["highly_variable"]).astype(np.int32)
np.savez_compressed(Path(__file__).with_name("seurat_v3.npz"), **found)
