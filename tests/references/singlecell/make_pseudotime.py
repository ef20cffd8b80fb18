"""Makes pseudotime.npz. Run: python tests/references/singlecell/make_pseudotime.py

scanpy 1.12.4 on every sixth cell of Paul's myeloid data (shared/data): counts normalised to their
median, log1p, 20 principal components; `pp.neighbors(method="gauss")`, `tl.diffmap(n_comps=11)`,
`tl.dpt(n_dcs=11)`, which both count the still component, so ten move. The root is the cell of the
start cluster that slingshot puts first.
"""

from pathlib import Path

import numpy as np
import scanpy
from paul_cells import paul_cells, slingshot_of

data = paul_cells(every=6, n_components=20)
slingshot = slingshot_of(data)
data.uns["iroot"] = slingshot.root
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
    slingshot=slingshot.order,
)
