"""Makes switch_de.npz. Run: python tests/references/singlecell/make_switch_de.py  (2 minutes)

SciPy 1.18.1's `curve_fit` gene by gene, from nine starts, within the bounds that ours has (a slope
of at most 200 per whole trajectory, a switch at most one trajectory away from it): the sum of
squares of the best, on Paul et al. (2015), the 1630 cells of slingshot's first lineage, every
third gene, log-normalised; for the published curve and for the one with a base.
"""

import warnings
from pathlib import Path

import anndata
import numpy as np
from scipy.optimize import OptimizeWarning, curve_fit

warnings.simplefilter("ignore", OptimizeWarning)
folder = Path(__file__).parents[4] / "shared/data"


def curve(t, place, slope, amplitude, base=0.0):
    return base + amplitude / (1 + np.exp(-np.clip(slope * (t - place), -500, 500)))


def main() -> None:
    data = anndata.read_h5ad(folder / "paul_myeloid_tradeseq_counts.h5ad")
    time = data.obs["slingshot_pt_curve1"].to_numpy()
    cells = (data.obs["slingshot_w_curve1"].to_numpy() > 0.5) & np.isfinite(time)
    counts = data.X[cells].toarray()
    total = counts.sum(1, keepdims=True)
    expression = np.log1p(counts / total * np.median(total))[:, ::3].astype(np.float64)
    time = time[cells]
    share = (time - time.min()) / np.ptp(time)
    found = {}
    for with_base in (False, True):
        low, high = [-1, -200, 0], [2, 200, np.inf]
        if with_base:
            low, high = [*low, -np.inf], [*high, np.inf]
        left = []
        for y in expression.T:
            sums = []
            for place in (0.2, 0.5, 0.8):
                for slope in (-10, 10, 50):
                    start = [place, slope, 2 * y.mean() + 0.01, *([y.min()] if with_base else [])]
                    try:
                        best, _ = curve_fit(curve, share, y, start, bounds=(low, high))
                    except RuntimeError:
                        continue
                    sums.append(((y - curve(share, *best)) ** 2).sum())
            left.append(min(sums))
        found["squares_with_base" if with_base else "squares"] = np.array(left)
    np.savez(Path(__file__).with_name("switch_de.npz"), **found)


if __name__ == "__main__":
    main()
