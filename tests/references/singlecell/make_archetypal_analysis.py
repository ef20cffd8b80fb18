"""Makes archetypal_analysis.npz. Run with a Python that has py_pcha 0.1.3, anndata, scikit-learn.

PBMC 3k, 2638 cells by 2000 genes, log(1 + counts per 10 000), on its 64 principal axes (all cells,
exact): what share of the variance five archetypes explain by this port of PCHA, in each of three
runs (it draws the first cell at random), and the archetypes of the best as expression of genes.
"""

from pathlib import Path

import anndata
import numpy as np
from py_pcha import PCHA
from scipy.sparse.linalg import eigsh

np.mat = np.asmatrix  # the package was written for NumPy 1
FOLDER = Path(__file__).parents[4] / "shared/data"


def main() -> None:
    data = anndata.read_h5ad(FOLDER / "pbmc3k_hvg2000_counts.h5ad")
    counts = data.X.toarray().astype(np.float64)
    expression = np.log1p(1e4 * counts / counts.sum(axis=1, keepdims=True))
    centre = expression.mean(axis=0)
    _, axes = eigsh((expression - centre).T @ (expression - centre), k=64)
    points = (expression - centre) @ axes
    explained, best = [], None
    for seed in range(3):
        np.random.seed(seed)
        corners, _, _, _, share = PCHA(points.T, noc=5, delta=0, maxiter=500, conv_crit=1e-6)
        explained.append(float(share))
        print(explained, flush=True)
        if share == max(explained):
            best = np.asarray(corners).T @ axes.T + centre
    np.savez_compressed(
        Path(__file__).with_name("archetypal_analysis.npz"),
        explained=np.array(explained),
        archetypes=best.astype(np.float32),
    )


if __name__ == "__main__":
    main()
