"""Makes pseudotime.npz. Run: python tests/references/singlecell/make_pseudotime.py

scanpy 1.12.4 on every sixth cell of Paul's myeloid data (shared/data): counts normalised to their
median, log1p, 20 principal components; `pp.neighbors(method="gauss")`, `tl.diffmap(n_comps=11)`,
`tl.dpt(n_dcs=11)`, which both count the still component, so ten move. The root is the cell of the
start cluster that slingshot puts first.
"""

from pathlib import Path

import anndata
import numpy as np
import scanpy

SHARED = Path(__file__).parents[4] / "shared/data"
data = anndata.read_h5ad(SHARED / "paul_myeloid_tradeseq_counts.h5ad")[::6].copy()
scanpy.pp.normalize_total(data)
scanpy.pp.log1p(data)
scanpy.pp.pca(data, n_comps=20)
weight = data.obs[["slingshot_w_curve1", "slingshot_w_curve2"]].to_numpy()
time = data.obs[["slingshot_pt_curve1", "slingshot_pt_curve2"]].to_numpy()
slingshot = (weight * time).sum(axis=1) / weight.sum(axis=1)
in_start = data.obs["cluster"].astype(str).to_numpy() == "1"
data.uns["iroot"] = int(np.argmin(np.where(in_start, slingshot, np.inf)))
scanpy.pp.neighbors(data, n_neighbors=15, use_rep="X_pca", method="gauss")
scanpy.tl.diffmap(data, n_comps=11)
scanpy.tl.dpt(data, n_dcs=11)
np.savez_compressed(
    Path(__file__).with_name("pseudotime.npz"),
    embeddings=data.obsm["X_pca"].astype(np.float32),
    root=data.uns["iroot"],
    pseudotime=data.obs["dpt_pseudotime"].to_numpy(),
    eigenvalues=data.uns["diffmap_evals"],
    components=data.obsm["X_diffmap"],
    slingshot=slingshot,
)
