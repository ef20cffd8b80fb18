"""Makes fate_probability.npz. Run: PYTHON tests/references/singlecell/make_fate_probability.py

PYTHON is one with palantir 1.4.5. Every third cell of Paul's myeloid data (shared/data): counts
normalised to their median, log1p, 20 principal components; Palantir's diffusion maps (5), its
multiscale space, and `run_palantir` from the cell of the start cluster that slingshot puts first,
with all cells as waypoints and its two ends given: the last cell of either lineage of slingshot.
"""

from pathlib import Path

import numpy as np
import palantir
import pandas as pd
from paul_cells import paul_cells, slingshot_of

data = paul_cells(every=3, n_components=20)
data.obs_names = [f"c{i}" for i in range(data.n_obs)]
weight, time, _, start = slingshot_of(data)
ends = [int(np.argmax(np.where(weight[:, i] > 0.9, time[:, i], -np.inf))) for i in (0, 1)]
places = pd.DataFrame(data.obsm["X_pca"], index=data.obs_names)
maps = palantir.utils.run_diffusion_maps(places, n_components=5)
space = palantir.utils.determine_multiscale_space(maps)
found = palantir.core.run_palantir(
    space,
    f"c{start}",
    terminal_states=[f"c{i}" for i in ends],
    num_waypoints=data.n_obs,
    use_early_cell_as_start=True,
    seed=0,
)
fates = found.branch_probs[[f"c{i}" for i in ends]].to_numpy()
np.savez_compressed(
    Path(__file__).with_name("fate_probability.npz"),
    space=space.to_numpy().astype(np.float32),
    pseudotime=found.pseudotime.to_numpy(),
    fates=fates.astype(np.float32),
    ends=ends,
    lineage=weight.argmax(axis=1),
    sure=weight.max(axis=1) > 0.9,
)
