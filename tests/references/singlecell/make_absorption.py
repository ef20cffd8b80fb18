"""Makes absorption.npz. Run: PYTHON tests/references/singlecell/make_absorption.py

PYTHON is one with cellrank 2.3.3. Every third cell of those of fate_probability.npz (make that
first), a walk among their 15 nearest in Palantir's space (`walk_among_nearest`), handed to CellRank
as a precomputed kernel. The ends are groups: the three cells nearest to either end of Palantir.
"""

import sys
from pathlib import Path

import anndata
import cellrank
import numpy as np
import scipy.sparse as sp

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from walk_among_nearest import cells_and_ends, walk_among_nearest

places, ends = cells_and_ends(dict(np.load(HERE / "fate_probability.npz")))
data = anndata.AnnData(sp.csr_matrix((len(places), 1)))
data.obs_names = [f"c{i}" for i in range(len(places))]
kernel = cellrank.kernels.PrecomputedKernel(sp.csr_matrix(walk_among_nearest(places)), adata=data)
estimator = cellrank.estimators.GPCCA(kernel)
estimator.set_terminal_states({str(i): [f"c{c}" for c in end] for i, end in enumerate(ends)})
estimator.compute_fate_probabilities(solver="direct", use_petsc=False)
fates = estimator.fate_probabilities
order = [list(fates.names).index(str(i)) for i in range(len(ends))]
np.savez_compressed(HERE / "absorption.npz", fates=np.asarray(fates.X)[:, order])
