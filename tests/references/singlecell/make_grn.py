"""Makes grn.npz. Run with a Python that has arboreto 0.1.6, scikit-learn 1.9.1, anndata; all of it,
or one part: make_grn.py [lasso] [grnboost2] [genie3]  (4 minutes, most of it genie3)

Lasso: scikit-learn's coordinate descent, gene by gene, on the standardised log(1 + counts per
10 000) of Paul et al. (2015), every fifth gene, six regulators; also an elastic net with equal
parts. Edges: AUPRC on the simulated network (`simulated_network.py`), for the factors and the
first 50 other genes, of GRNBoost2 with the settings of arboreto, and of GENIE3 (random forests
with the square root of the number of factors tried at a split) with 100 trees in place of 1000.
"""

import sys
from pathlib import Path

import anndata
import numpy as np
from simulated_network import N_TFS, average_precision, simulated_network
from sklearn.linear_model import ElasticNet

FOLDER = Path(__file__).parents[4] / "shared/data"
REGULATORS = ("Atf4", "Irf8", "Klf1", "Myb", "Myc", "Zfpm1")
N_TARGETS = 100


def standardised(counts):
    expression = np.log1p(1e4 * counts / counts.sum(axis=1, keepdims=True))
    return (expression - expression.mean(axis=0)) / expression.std(axis=0)


def lasso():
    data = anndata.read_h5ad(FOLDER / "paul_myeloid_tradeseq_counts.h5ad")
    cells = standardised(data.X.toarray().astype(np.float64))
    regulators = np.array([list(data.var_names).index(name) for name in REGULATORS])
    found = {"regulators": regulators}
    for name, strength, ratio in (("lasso", 0.01, 1.0), ("sparse", 0.1, 1.0), ("net", 0.1, 0.5)):
        weights = []
        for gene in range(0, cells.shape[1], 5):
            may = regulators != gene
            model = ElasticNet(
                alpha=strength, l1_ratio=ratio, fit_intercept=False, tol=1e-12, max_iter=100_000
            ).fit(cells[:, regulators[may]], cells[:, gene])
            row = np.zeros(len(regulators))
            row[may] = model.coef_
            weights.append(row)
        found[name] = np.array(weights).T
    return found


def trees(wanted):
    from arboreto.core import SGBM_KWARGS, fit_model, to_tf_matrix

    counts, edges = simulated_network()
    expression = np.log1p(1e4 * counts / counts.sum(axis=1, keepdims=True))
    names = [f"g{i}" for i in range(N_TFS)]
    forest = {"n_estimators": 100, "max_features": "sqrt", "n_jobs": 1}
    found = {"count_sum": np.array(counts.sum())}
    for label, kind, settings in (("grnboost2", "GBM", SGBM_KWARGS), ("genie3", "RF", forest)):
        if label not in wanted:
            continue
        strength = np.zeros((N_TFS, N_TARGETS))
        for gene in range(N_TARGETS):
            some, some_names = to_tf_matrix(expression[:, :N_TFS], names, names)
            if gene < N_TFS:
                some, some_names = np.delete(some, gene, axis=1), np.delete(names, gene)
            if label == "grnboost2":
                model = fit_model(kind, settings, some, expression[:, gene], 25, seed=0)
                importance = model.feature_importances_ * len(model.estimators_)
            else:
                model = fit_model(kind, settings, some, expression[:, gene], seed=0)
                importance = model.feature_importances_
            strength[[int(n[1:]) for n in some_names], gene] = importance
        found[label] = np.array(average_precision(strength, edges[:, :N_TARGETS]))
        print(label, found[label], flush=True)
    return found


if __name__ == "__main__":
    place = Path(__file__).with_name("grn.npz")
    found = dict(np.load(place)) if place.exists() else {}
    wanted = sys.argv[1:] or ["lasso", "grnboost2", "genie3"]
    if "lasso" in wanted:
        found |= lasso()
    found |= trees(wanted)
    np.savez_compressed(place, **found)
