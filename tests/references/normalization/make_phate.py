"""Makes phate.npz. Run: python tests/references/normalization/make_phate.py

phate 2.0.0 on every twelfth cell of its artificial tree (shared/data), without PCA and landmarks:
its random walk, its potential after ten steps, and its classical scaling. That last is the PCA
of the centred squared distances: eigenvectors times eigenvalue (times two), where classical
scaling has the root of the eigenvalue; the test allows for it.
"""

from pathlib import Path

import anndata
import numpy as np
import phate

cells = anndata.read_h5ad(Path(__file__).parents[4] / "shared/data/phate_tree_3000x100.h5ad").X
cells = np.asarray(cells)[::12].astype(np.float32)
peer = phate.PHATE(
    knn=5,
    decay=40,
    t=10,
    gamma=1,
    n_landmark=None,
    n_pca=None,
    mds="classic",
    verbose=0,
    random_state=0,
)
embedding = peer.fit_transform(cells.astype(np.float64))
np.savez_compressed(
    Path(__file__).with_name("phate.npz"),
    features=cells,
    steps=peer.diff_op.astype(np.float32),
    potential=peer.diff_potential.astype(np.float32),
    embedding=embedding.astype(np.float32),
    optimal_t=peer._find_optimal_t(),
)
