"""Makes cell_annotator.npz. Run: PYTHON tests/references/singlecell/make_cell_annotator.py

PYTHON is one with celltypist 1.7.1 and scikit-learn 1.5.2, in an environment of its own. Half of
the 3k PBMC (2000 genes; ../shared/data), drawn with seed 0, trains ``celltypist.train`` with its
own settings; the other half is predicted. Weights, scaling and decision values are kept.
"""

from pathlib import Path

import anndata
import celltypist
import numpy as np
import scanpy as sc

DATA = Path(__file__).parents[4] / "shared/data/pbmc3k_hvg2000_counts.h5ad"

data = anndata.read_h5ad(DATA)
order = np.random.default_rng(0).permutation(data.n_obs)
seen, held = order[: data.n_obs // 2], order[data.n_obs // 2 :]
sc.pp.normalize_total(data, target_sum=1e4)
sc.pp.log1p(data)
model = celltypist.train(data[seen], labels="cell_type", n_jobs=1)
found = celltypist.annotate(data[held], model=model, mode="best match")
names = model.classifier.classes_
accuracy = float(
    (
        found.predicted_labels["predicted_labels"].astype(str)
        == data.obs["cell_type"].astype(str).iloc[held]
    ).mean()
)
print("celltypist", celltypist.__version__, "held-out accuracy", accuracy)
genes = data.var_names.get_indexer(model.classifier.features)
np.savez_compressed(
    Path(__file__).with_name("cell_annotator.npz"),
    genes=genes.astype(np.int16),
    coefficients=model.classifier.coef_,
    intercepts=model.classifier.intercept_,
    mean=model.scaler.mean_,
    scale=model.scaler.scale_,
    decisions=found.decision_matrix[names].to_numpy()[:200],
    probabilities=found.probability_matrix[names].to_numpy()[:200],
    names=names.astype("U"),
    accuracy=accuracy,
)
