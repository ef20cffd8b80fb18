"""Makes harmony.npz. Run: python tests/references/singlecell/make_harmony.py

harmonypy 2.1.0 on every seventh of the 3500 x 30 cells of three donors that it ships
(shared/data/harmonypy_golden). With no iterations it gives its own starting centroids, from which
our block can start too; with the convergence limits below zero it runs ten full iterations.
harmonypy 2 moves centroids with the correction only: our variant "harmony2".
"""

from pathlib import Path

import harmonypy
import numpy as np
import pandas as pd

folder = Path(__file__).parents[4] / "shared/data/harmonypy_golden"
cells = pd.read_csv(folder / "pbmc_3500_pcs.tsv.gz", sep="\t").to_numpy()[::7]
donors = pd.read_csv(folder / "pbmc_3500_meta.tsv.gz", sep="\t")[::7]

common = {"nclust": 16, "lamb": 1, "verbose": False, "random_state": 0}
start = harmonypy.run_harmony(cells, donors, "donor", max_iter_harmony=0, **common)
end = harmonypy.run_harmony(
    cells, donors, "donor", epsilon_cluster=-1e9, epsilon_harmony=-1e9, **common
)
np.savez_compressed(
    Path(__file__).with_name("harmony.npz"),
    embeddings=cells.astype(np.float32),
    batch_labels=np.unique(donors["donor"], return_inverse=True)[1].astype(np.int8),
    centroids=start.Y.T.astype(np.float32),
    corrected_embeddings=end.Z_corr.astype(np.float32),
    cluster_assignments=end.R.astype(np.float32),
)
